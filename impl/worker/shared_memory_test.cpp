#include "impl/worker/shared_memory.hpp"

#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace dropcheck::worker {
namespace {

TEST(SharedMemory, IsAlignedZeroedAndSeenThroughASecondMapping) {
  const auto ours = SharedMemory::create(10'000);
  ASSERT_TRUE(ours) << ours.error().message;
  EXPECT_GE((*ours)->size(), 10'000u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>((*ours)->data()) % kMemoryAlignment, 0u);
  EXPECT_EQ((*ours)->data()[9'999], std::byte{0});
  const auto theirs = SharedMemory::map(Descriptor(dup((*ours)->descriptor())), (*ours)->size());
  ASSERT_TRUE(theirs) << theirs.error().message;
  (*theirs)->data()[123] = std::byte{42};
  EXPECT_EQ((*ours)->data()[123], std::byte{42});
}

TEST(SharedMemory, AFileThatIsSmallerThanAnnouncedIsRefused) {
  Descriptor file(memfd_create("small", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), 4096), 0);
  const auto memory = SharedMemory::map(std::move(file), 8192);
  ASSERT_FALSE(memory);
  EXPECT_EQ(memory.error().code, ErrorCode::protocol);
  EXPECT_FALSE(SharedMemory::map(Descriptor(), 4096)) << "no descriptor came along";
}

TEST(SharedMemory, TellsWhenItIsGone) {
  std::uint64_t gone = 0;
  {
    auto memory = SharedMemory::create(1);
    ASSERT_TRUE(memory);
    (*memory)->id = 9;
    (*memory)->on_destroyed = [&](std::uint64_t id) { gone = id; };
    EXPECT_EQ(gone, 0u);
  }
  EXPECT_EQ(gone, 9u);
}

}  // namespace
}  // namespace dropcheck::worker
