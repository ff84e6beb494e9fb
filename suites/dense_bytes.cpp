#include "suites/dense_bytes.hpp"

#include <algorithm>
#include <cstring>

namespace dropcheck::suites {

std::vector<std::byte> dense_bytes(const TensorView& view) {
  if (view.data == nullptr) return {};
  std::vector<std::byte> bytes(static_cast<std::size_t>(view.count()) * view.element_size());
  gather(view, bytes.data());
  return bytes;
}

std::uint64_t differing(std::span<const std::byte> a, std::span<const std::byte> b, std::size_t size) {
  if (a.size() != b.size()) return std::max(a.size(), b.size()) / size;
  std::uint64_t count = 0;
  for (std::size_t at = 0; at + size <= a.size(); at += size)
    count += std::memcmp(a.data() + at, b.data() + at, size) == 0 ? 0u : 1u;
  return count;
}

}  // namespace dropcheck::suites
