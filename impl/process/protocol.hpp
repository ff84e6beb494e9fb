#pragma once
// What the frames say: requests made of calls, replies made into observations. Everything that an adapter
// writes is checked; what does not fit is a protocol error that names it.

#include <vector>

#include "harness/core/backend.hpp"
#include "impl/process/wire.hpp"

namespace dropcheck::process {

inline constexpr unsigned kProtocolVersion = 1;

/// What the reply to `start` claims.
struct Claims {
  Capabilities capabilities;  // layouts: contiguous, the only one on the wire
  bool plain_mask = false;    // masks as bytes; else, where there are masks, as packed bits
};
/// Rank and world size are sent where there is more than one.
Message start_request(std::uint32_t rank = 0, std::uint32_t world_size = 1);
Expected<Claims> claims_from(const Json& reply);
/// The first claim in which they differ, e.g. "dtypes"; absent when they promise the same.
std::optional<std::string> changed_claim(const Claims& before, const Claims& now);

/// A tensor that a reply must bring.
struct Wanted {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  TensorView to{};      // where its elements go
  bool packed = false;  // bits that are unpacked to bytes on the way
};

/// A message with what its reply must look like.
struct Request {
  Message message;
  std::vector<std::vector<std::byte>> gathered;  // dense copies that the message borrows
  std::vector<Wanted> wanted;
  bool saves = false;
};
/// Inputs whose elements are all equal travel as one number where the adapter takes that.
Expected<Request> run_request(const Call& call, const Claims& claims);
/// `saved` is the adapter's own number.
Request backward_request(const BackwardCall& call, std::uint64_t saved);
Request release_request(std::uint64_t saved);
Request stop_request();
Request save_state_request();
/// The state is borrowed.
Request load_state_request(std::span<const std::byte> state);
/// How many bytes must follow the reply to save_state: as many as it announces, from 1 to kMaxStateBytes.
Expected<std::uint64_t> state_bytes(const Json& reply);

/// The refusal that a reply carries: `skipped` is unsupported, `errored` has the code of its kind.
std::optional<Error> refusal_in(const Json& reply);
/// Bytes that must follow a reply's header: its tensors must be those wanted.
Expected<std::uint64_t> bytes_after(const Json& reply, const Request& request);
/// Copies the payload, whose size is bytes_after(), into the tensors of the call. `saved` is the adapter's
/// own number.
Expected<Observation> observation_from(const Json& reply, std::span<const std::byte> payload,
                                       const Request& request);

}  // namespace dropcheck::process
