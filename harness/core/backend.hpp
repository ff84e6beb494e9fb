#pragma once
// What every judged implementation looks like to the harness. A backend is only ever asked to drop things: it
// never judges, and counting is never its work.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/core/attributes.hpp"
#include "harness/core/expected.hpp"
#include "harness/core/incident.hpp"
#include "harness/core/memory.hpp"
#include "harness/core/problem.hpp"
#include "harness/core/tensor.hpp"

namespace dropcheck {

enum class SeedSemantics : std::uint8_t {
  per_call,  // a seed names the mask of that one call; a call without one is not possible
  stateful,  // a seed resets a stream that later calls continue
  fixed,     // one seed for the life of the backend
  none,      // masks cannot be seeded
};
std::string_view to_string(SeedSemantics semantics);
std::optional<SeedSemantics> seed_semantics_from(std::string_view name);

/// Things a backend may be able to do beyond a forward call.
enum class Feature : std::uint8_t {
  backward,
  in_place,
  seeds,
  continues_stream,
  threads,
  mask_output,
  effective_rate,
  exact_stream,         // claims a documented stream
  pytorch_conformance,  // claims to be PyTorch, to the letter of its messages
  rng_words,            // counts the generator words that a call uses
  recompute,            // the generator's state can be saved and set again
  // Promises, which not every dropout makes:
  batch_split,         // a batch in several calls of one stream has the mask of the whole in one call
  coupled_thresholds,  // with one seed, what is dropped at p is dropped at every larger p
  independent_ranks,   // instances of different ranks draw different masks after one seed
  equal_ranks,         // or the same
  replay               // a captured call can be replayed, and draws anew each time
};
std::string_view to_string(Feature feature);
/// Whether the word is one of a promise, from batch_split on.
bool is_promise(std::string_view word);
/// Those words in a list for messages.
std::string known_promises();
/// Why these promises cannot be kept together; absent where they can.
std::optional<std::string> contradiction_in(const std::vector<std::string>& promises);
/// Largest state of a generator that is taken, in bytes.
inline constexpr std::size_t kMaxStateBytes = std::size_t{16} << 20;

/// What a backend claims. Claims are tested, not trusted; what is not claimed is reported as unsupported,
/// never as a failure.
struct Capabilities {
  std::string name;     // e.g. "libtorch"
  std::string version;  // of the implementation, e.g. "1.13.1"
  std::string library;  // file that was really loaded; empty when built in
  std::string device = "cpu";
  std::string exact_stream;  // name of the documented stream that its masks claim to equal; empty for none
  std::vector<std::string> notes;  // facts a reader of the report must know
  std::vector<Op> ops;
  std::vector<DType> dtypes;
  std::vector<Layout> layouts;
  SeedSemantics seed_semantics = SeedSemantics::stateful;
  unsigned seed_bits = 64;  // significant bits of a seed, 1 to 64
  std::string offset_unit;  // what one step of an RNG offset is; empty: offsets are not accepted
  bool backward = false;
  bool in_place = false;
  bool threads = false;      // the number of threads inside a call can be set
  bool mask_output = false;  // can return the mask (1 = kept) beside the output
  bool packed_mask = false;
  bool constant_input = false;
  bool recompute = false;
  bool reports_rng_words = false;
  bool effective_rate = false;     // every call that draws a mask declares Observation::effective_p
  std::vector<std::string> forms;  // values of the attribute "form" that it understands
  std::string conforms_to;         // the framework that it claims to be, e.g. "pytorch"; empty for none
  /// Words of Feature, from batch_split on.
  std::vector<std::string> promises;
};

/// The feature or word that this problem needs and the backend lacks, e.g. "dtype f16"; absent when all is
/// there.
std::optional<std::string> missing_capability(const Capabilities& capabilities, const Problem& problem);
/// The same for the form that the attributes name, e.g. "form \"native_dropout\"".
std::optional<std::string> missing_form(const Capabilities& capabilities, const Attributes& attributes);
bool has_feature(const Capabilities& capabilities, Feature feature);

/// Names an open forward call whose state a backward call needs.
struct SavedToken {
  std::uint64_t id = 0;  // 0: nothing was saved
};

/// A tensor of a call: where it lies in one of the backend's own allocations.
struct CallTensor {
  Memory* memory = nullptr;  // absent: the call has no such tensor
  TensorView view;

  explicit operator bool() const { return memory != nullptr; }
};

/// A further tensor of a call: weights and states of a layer that contains dropout, or what it returns
/// besides.
struct NamedTensor {
  std::string name;
  CallTensor tensor;
};

/// One request. Tensors are borrowed for the duration of the call.
struct Call {
  Op op = Op::dropout;
  double p = 0.5;  // not checked: the checks try bad ones too
  Mode mode = Mode::train;
  bool in_place = false;              // the result replaces x
  std::optional<std::uint64_t> seed;  // absent: continue the stream
  std::uint64_t offset = 0;
  std::uint32_t threads = 0;  // 0: the backend's default
  bool save_for_backward = false;
  bool count_words = false;  // also report Observation::rng_words
  CallTensor x;              // with constant_input only its shape and dtype: no memory
  CallTensor y;              // absent in place, and where only the packed mask is wanted
  CallTensor mask;           // bytes, 1 = kept; only when wanted
  /// u8, one dimension of ceil(n/8) for n elements of x in logical order: least significant bit first, 1 =
  /// kept, bits past n are 0. Only when wanted.
  CallTensor packed_mask{};
  std::optional<double> constant_input = std::nullopt;  // every element of x; exact in its dtype
  Attributes attributes{};
  std::vector<NamedTensor> inputs{};   // besides x
  std::vector<NamedTensor> outputs{};  // besides y and mask
};

/// dx = d(y)/d(x) * dy for the forward call that `saved` names.
struct BackwardCall {
  SavedToken saved;
  CallTensor dy;
  CallTensor dx;
  Attributes attributes{};
  std::vector<NamedTensor> inputs{};   // besides dy
  std::vector<NamedTensor> outputs{};  // besides dx
};

/// What came back, apart from the bytes in the tensors of the call.
struct Observation {
  std::vector<std::int64_t> produced_shape;    // of the implementation's own result; empty with no claim
  std::vector<std::int64_t> produced_strides;  // in elements; empty when not told
  std::optional<DType> produced_dtype;
  std::optional<bool> aliases_input;
  std::optional<std::int64_t> version_delta;  // of the input's version counter
  std::optional<std::uint64_t> rng_words;     // words of the generator that the call used
  std::optional<double> effective_p;          // T / 2^b, where the backend declares one
  std::vector<std::string> warnings;
  std::map<std::string, std::string> facts;  // what else the backend tells about the call
  SavedToken saved;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const Capabilities& capabilities() const = 0;
  /// Memory for the tensors of later calls; must outlive them, and be freed before the backend.
  virtual Expected<std::unique_ptr<Memory>> allocate(std::size_t bytes) { return heap_memory(bytes); }
  virtual Expected<Observation> forward(const Call& call) = 0;
  virtual Expected<Observation> backward(const BackwardCall& call) = 0;
  /// Forgets a saved call. Unknown tokens are ignored.
  virtual void release(SavedToken saved) = 0;
  /// The generator's state, at most kMaxStateBytes of it, for load_state of the same instance; unsupported
  /// unless `recompute` is claimed.
  virtual Expected<std::vector<std::byte>> save_state() {
    return Error{ErrorCode::unsupported, "the state of the generator cannot be saved"};
  }
  virtual Status load_state(std::span<const std::byte> /*state*/) {
    return Error{ErrorCode::unsupported, "the state of the generator cannot be set"};
  }
  /// Ends the backend; nothing else may be called afterwards but the destructor. Returns what it did, over
  /// its whole life, beside answering its calls.
  virtual std::vector<Incident> close() { return {}; }
};

}  // namespace dropcheck
