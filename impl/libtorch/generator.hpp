#pragma once
// Torch's default CPU generator: seeding it, leaving it alone, and counting the words that are drawn from it.

#include <ATen/CPUGeneratorImpl.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/abi/dropcheck_plugin.hpp"

namespace dropcheck::libtorch {

/// Reseeds the generator when the call has a seed; else the stream goes on. An offset is handed to the
/// generator, which has none.
void seed_generator(const plugin::Call& call);

/// The generator's state as Torch serialises it, for set_generator_state.
std::vector<std::byte> generator_state();

/// Throws plugin::InvalidArgument for bytes that Torch does not take for a state.
void set_generator_state(std::span<const std::byte> state);

/// While it lives, draws do not count: its end puts the generator back to where it was. Layers draw their
/// first weights when they are built, which no call of ours may notice.
class KeepStream {
 public:
  KeepStream();
  ~KeepStream();
  KeepStream(const KeepStream&) = delete;
  KeepStream& operator=(const KeepStream&) = delete;

 private:
  at::Generator generator_;
  std::shared_ptr<at::CPUGeneratorImpl> before_;
};

/// Counts the 32-bit words that are drawn from its construction on.
class WordCounter {
 public:
  WordCounter();
  /// Throws std::runtime_error when the generator is not where at most 2^26 words lead from its first state:
  /// it was reseeded, or a single call drew more than we count.
  std::int64_t words() const;

 private:
  at::mt19937 before_;
};

/// What the body returns; the words that it drew go into the result where the call wants them.
template <typename Body>
auto counted(const plugin::Call& call, plugin::Result& result, Body&& body) {
  if (!call.wants(DROPCHECK_WANT_RNG_WORDS)) return body();
  const WordCounter counter;
  auto returned = body();
  result.rng_words(counter.words());
  return returned;
}

struct StreamClaim {
  std::string stream;  // empty: none of those that are documented
  std::string note;    // what it rests on
};

/// Which variant of the CPU stream this build draws masks from, told by the words that one mask takes and by
/// the order in which it fills a transposed tensor. Throws what Torch throws.
StreamClaim stream_claim();

}  // namespace dropcheck::libtorch
