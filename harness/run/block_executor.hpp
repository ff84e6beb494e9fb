#pragma once
// Runs the steps of one block on a backend, with poisoned and guarded buffers, and hands each step's record
// on. What a backend does wrong to memory, or a refusal nobody asked for, ends the block as trouble.

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/core/backend.hpp"
#include "harness/core/guarded_tensor.hpp"
#include "harness/core/sample.hpp"
#include "harness/core/verdict.hpp"
#include "harness/run/inputs.hpp"

namespace dropcheck {

/// Why a block could not be observed to its end.
struct Trouble {
  Verdict verdict = Verdict::error;  // fail (memory misused), error or unsupported
  std::string message;
};

class BlockExecutor {
 public:
  /// Opens another instance of the backend.
  using Opener = std::function<Expected<std::unique_ptr<Backend>>(const Instance&)>;

  /// The backend must outlive the executor. Executors of one run share their inputs. Without an opener, steps
  /// that ask another instance are unsupported.
  explicit BlockExecutor(Backend& backend,
                         std::shared_ptr<InputCache> inputs = std::make_shared<InputCache>(),
                         Opener opener = nullptr)
      : backend_(backend), inputs_(std::move(inputs)), opener_(std::move(opener)) {}

  /// Seeds are those of the block, by slot. `sink` sees every record in order. When `stop` becomes true the
  /// block ends early with trouble of verdict error.
  std::optional<Trouble> run(const Protocol& protocol, const SampleInfo& sample, std::uint64_t block,
                             std::span<const std::uint64_t> seeds,
                             const std::function<void(const StepRecord&)>& sink,
                             const std::atomic<bool>& stop);

 private:
  struct Slot {  // one cached tensor and what it was made for
    Problem key;
    bool is_output = false;
    std::optional<GuardedTensor> tensor;
    std::optional<Input> holds;              // input kind that lies in it
    std::shared_ptr<const InputData> input;  // what was asked to lie in it last
  };
  struct Further {  // a tensor that a step names itself
    std::string name;
    GuardedTensor tensor;
  };
  enum Role { kX, kY, kMask, kPacked, kDy, kDx, kRoles };
  /// An instance of a block's own with its executor, which must be gone first.
  struct Other {
    std::unique_ptr<Backend> backend;
    std::unique_ptr<BlockExecutor> executor;
  };
  /// Calls that a block has saved are released however it ends.
  struct Releasing {
    BlockExecutor& executor;
    ~Releasing() { executor.release_saved(); }
  };
  /// How a step is asked.
  struct Asked {
    bool output = true;     // y, or x in place
    bool packed = false;    // the packed mask
    bool constant = false;  // every element of x is 1, given as a number
  };
  /// A gradient with the buffers that the record points into.
  struct Gradient {
    Expected<Observation> done = Error{};
    std::vector<Further> outputs{};
  };
  /// What a record points into, apart from the slots.
  struct Answer {
    Expected<Observation> observation = Error{};
    std::optional<MaskBits> drops{};
    ChannelBits channels{};
    std::vector<Further> outputs{};
    Gradient gradient{};
  };

  Expected<Slot*> slot(Role role, const Problem& problem, bool is_output);
  /// With `elements` the slot's input has them, for comparisons.
  Expected<Slot*> filled(Role role, const Problem& problem, Input kind, bool is_output, bool elements);
  /// x of a step that says its numbers itself.
  Expected<Slot*> filled(const Problem& problem, std::span<const double> values, bool is_output);
  /// Keeps or sets the state of the generator.
  Status move_state(const Step& step);
  /// `any_seed` is one of the block's where the call has none.
  std::optional<Trouble> step(const Protocol& protocol, const Step& step, std::uint64_t any_seed,
                              StepRecord& record, const std::function<void(const StepRecord&)>& sink);
  /// One call. Fills what follows the seed in the record.
  std::optional<Trouble> ask(const Protocol& protocol, const Step& step, Asked asked, StepRecord& record,
                             Answer& answer);
  /// A call whose mask may come without its output.
  std::optional<Trouble> ask_for_mask(const Protocol& protocol, const Step& step, std::uint64_t any_seed,
                                      StepRecord& record, Answer& answer);
  /// A step that asks for the gradient of an earlier one.
  std::optional<Trouble> deferred_gradient(const Step& step, StepRecord& record,
                                           const std::function<void(const StepRecord&)>& sink);
  void release_saved();
  std::optional<Trouble> gradient(const Step& step, SavedToken saved, Gradient& gradient, StepRecord& record);
  /// Memory for further tensors, those handed over filled.
  Expected<std::vector<Further>> further(std::span<const ExtraTensor> tensors, DType dtype, bool is_output);

  Backend& backend_;
  std::array<Slot, kRoles> slots_;
  std::uint32_t elements_past_ = 0;  // of the step that is being asked; its slots are its own
  std::shared_ptr<InputCache> inputs_;
  Opener opener_;
  std::map<unsigned, std::vector<std::byte>> states_;  // of the generator, kept by steps of the block
  std::map<unsigned, SavedToken> saved_;               // forward calls whose gradient a later step asks for
};

}  // namespace dropcheck
