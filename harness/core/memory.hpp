#pragma once
// Memory that a backend can reach: heap for one in this process, shared memory for one in a worker.

#include <cstddef>
#include <memory>

#include "harness/core/expected.hpp"

namespace dropcheck {

inline constexpr std::size_t kMemoryAlignment = 4096;

/// One allocation, freed with the object. data() is aligned to kMemoryAlignment.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual std::byte* data() = 0;
  virtual std::size_t size() const = 0;
};

/// Zeroed heap memory.
Expected<std::unique_ptr<Memory>> heap_memory(std::size_t bytes);

}  // namespace dropcheck
