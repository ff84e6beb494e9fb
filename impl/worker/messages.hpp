#pragma once
// What the frames say. Doubles travel as their bits, so that NaN and infinities arrive as they left. Reading
// never throws: whatever does not fit is a protocol error.

#include <functional>
#include <nlohmann/json.hpp>

#include "harness/core/backend.hpp"

namespace dropcheck::worker {

using Json = nlohmann::json;

Json to_json(const Capabilities& capabilities);
Expected<Capabilities> capabilities_from(const Json& json);

/// `memory_id` gives the number under which the other side knows an allocation.
using MemoryId = std::function<std::uint64_t(const Memory&)>;
Json to_json(const Call& call, const MemoryId& memory_id);
Json to_json(const BackwardCall& call, const MemoryId& memory_id);

/// `find` returns null for unknown numbers. Every tensor is checked to lie inside its memory.
using FindMemory = std::function<Memory*(std::uint64_t)>;
Expected<Call> call_from(const Json& json, const FindMemory& find);
Expected<BackwardCall> backward_from(const Json& json, const FindMemory& find);

Json to_json(const Observation& observation);
Expected<Observation> observation_from(const Json& json);

Json to_json(const Error& error);
/// The error that a reply carries, if any.
std::optional<Error> error_in(const Json& json);

}  // namespace dropcheck::worker
