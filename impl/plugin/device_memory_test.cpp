// Tensors of calls to a plugin whose memory is not the host's.

#include "impl/plugin/device_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "impl/plugin/plugin_backend.hpp"
#include "reference/one_call.hpp"

namespace dropcheck::plugin_host {
namespace {

using reference::fill;
using reference::make_tensor;
using ::testing::HasSubstr;

/// A backend and the tensors of one call on it.
class Lent {
 public:
  explicit Lent(const std::string& fault = "", Layout layout = Layout::contiguous)
      : backend_(open_plugin(std::string(DROPCHECK_DEVICE_PLUGIN) + "?" + fault)) {
    if (!backend_) throw std::runtime_error(backend_.error().message);
    problem_.shape = {3, 5};
    problem_.layout = layout;
    x_.emplace(make_tensor(**backend_, problem_, false));
    y_.emplace(make_tensor(**backend_, problem_, true));
    fill(*x_, values());
    y_->poison();
    call_.x = {&x_->memory(), x_->view()};
    call_.y = {&y_->memory(), y_->view()};
  }
  static std::vector<double> values() {
    std::vector<double> list;
    for (int i = 0; i < 15; ++i) list.push_back(i - 7.5);
    return list;
  }
  static std::vector<float> doubled() {
    std::vector<float> list;
    for (const double v : values()) list.push_back(static_cast<float>(2 * v));
    return list;
  }
  std::vector<float> result(const GuardedTensor& tensor) const {
    const std::vector<std::byte> bytes = reference::dense_bytes(tensor);
    std::vector<float> list(15);
    std::memcpy(list.data(), bytes.data(), bytes.size());
    return list;
  }
  Expected<Observation> forward() { return (*backend_)->forward(call_); }

  Expected<std::unique_ptr<Backend>> backend_;
  Problem problem_;
  std::optional<GuardedTensor> x_, y_;
  Call call_;
};

TEST(DeviceMemory, ElementsGoThereAndBackInEveryLayout) {
  for (const Layout layout : {Layout::contiguous, Layout::transposed, Layout::shifted}) {
    Lent lent("", layout);
    const auto seen = lent.forward();
    ASSERT_TRUE(seen) << seen.error().message;
    EXPECT_EQ(lent.result(*lent.y_), Lent::doubled());
    // The distance from an aligned address is the same there.
    EXPECT_EQ(seen->facts.at("offset"),
              std::to_string(reinterpret_cast<std::uintptr_t>(lent.x_->view().data) % 256));
    EXPECT_EQ((*lent.backend_)->capabilities().device, "cuda");
  }
}

TEST(DeviceMemory, BlocksAreKeptForTheNextCall) {
  Lent lent;
  for (int call = 0; call < 5; ++call) {
    const auto seen = lent.forward();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->facts.at("blocks"), "2");
  }
}

TEST(DeviceMemory, InPlaceConstantsAndPackedMasks) {
  Lent lent;
  lent.call_.in_place = true;
  lent.call_.y = {};
  ASSERT_TRUE(lent.forward());
  EXPECT_EQ(lent.result(*lent.x_), Lent::doubled());

  Lent constant;
  constant.call_.x.memory = nullptr;
  constant.call_.x.view.data = nullptr;
  constant.call_.constant_input = 3;
  ASSERT_TRUE(constant.forward());
  EXPECT_EQ(constant.result(*constant.y_), std::vector<float>(15, 6.0f));

  Problem bits;
  bits.dtype = DType::u8;
  bits.shape = {2};
  GuardedTensor mask = make_tensor(**constant.backend_, bits, true);
  constant.call_.y = {};
  constant.call_.packed_mask = {&mask.memory(), mask.view()};
  ASSERT_TRUE(constant.forward());
  EXPECT_EQ(*mask.view().data, std::byte{0x2a});
}

TEST(DeviceMemory, WrongWritesOnTheDeviceComeBackWithIt) {
  Lent past("writes_past_end");
  ASSERT_TRUE(past.forward());
  EXPECT_TRUE(past.y_->fault("y", true)) << "the guard bytes behind y were written to on the device";
  Lent honest;
  ASSERT_TRUE(honest.forward());
  EXPECT_FALSE(honest.y_->fault("y", true));
  Lent input("writes_input");
  ASSERT_TRUE(input.forward());
  EXPECT_EQ(input.result(*input.x_)[0], 7.0f) << "what was written to x on the device is seen";
}

TEST(DeviceMemory, ErrorsAreThoseOfTheCall) {
  const auto error = [](const char* fault) {
    Lent lent(fault);
    const auto seen = lent.forward();
    return seen ? Error{ErrorCode::internal, "no error"} : seen.error();
  };
  EXPECT_EQ(error("no_memory").code, ErrorCode::resource_exhausted);
  EXPECT_THAT(error("no_memory").message, HasSubstr("out of memory"));
  EXPECT_THAT(error("copy_fails").message, HasSubstr("memory_copy returned status 4"));
  EXPECT_THAT(error("late_error").message, HasSubstr("synchronize returned status 4"));
  EXPECT_EQ(error("unaligned").code, ErrorCode::protocol);
  EXPECT_EQ(error("refuses").code, ErrorCode::invalid_argument);
  EXPECT_EQ(error("refuses").message, "not today");
}

}  // namespace
}  // namespace dropcheck::plugin_host
