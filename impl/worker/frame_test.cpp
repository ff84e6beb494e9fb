#include "impl/worker/frame.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <thread>

namespace dropcheck::worker {
namespace {

using ::testing::HasSubstr;

struct Pair {
  Pair() {
    std::array<int, 2> fds{-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    a = Descriptor(fds[0]);
    b = Descriptor(fds[1]);
  }
  void send_raw(const std::string& bytes) {
    ASSERT_EQ(write(a.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  Descriptor a, b;
};

std::string length_prefix(std::uint32_t length) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes;
}

auto soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(20); }

TEST(Frame, ArrivesAsItWasSent) {
  Pair pair;
  const nlohmann::json body = {{"do", "forward"}, {"p", 0x7ff8000000000001u}, {"text", "zwölf"}};
  ASSERT_TRUE(send_frame(pair.a.get(), body));
  const auto frame = receive_frame(pair.b.get(), soon());
  ASSERT_TRUE(frame) << frame.error().message;
  EXPECT_EQ(frame->body, body);
  EXPECT_FALSE(frame->descriptor);
}

TEST(Frame, BringsADescriptorAlong) {
  Pair pair;
  Descriptor file(memfd_create("frame-test", MFD_CLOEXEC));
  ASSERT_EQ(write(file.get(), "shared", 6), 6);
  ASSERT_TRUE(send_frame(pair.a.get(), {{"do", "map"}}, file.get()));
  const auto frame = receive_frame(pair.b.get(), soon());
  ASSERT_TRUE(frame);
  ASSERT_TRUE(frame->descriptor);
  EXPECT_NE(frame->descriptor.get(), file.get());
  std::array<char, 6> text{};
  ASSERT_EQ(pread(frame->descriptor.get(), text.data(), text.size(), 0), 6);
  EXPECT_EQ(std::string(text.data(), 6), "shared");
  EXPECT_NE(fcntl(frame->descriptor.get(), F_GETFD) & FD_CLOEXEC, 0) << "no child must inherit it";
}

TEST(Frame, ManyInARowKeepTheirBorders) {
  Pair pair;
  for (int i = 0; i < 50; ++i)
    ASSERT_TRUE(send_frame(pair.a.get(), {{"i", i}, {"pad", std::string(static_cast<std::size_t>(i), 'x')}}));
  for (int i = 0; i < 50; ++i) {
    const auto frame = receive_frame(pair.b.get(), soon());
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->body.at("i"), i);
  }
}

TEST(Frame, LargerThanTheSocketBufferArrivesWhole) {
  Pair pair;
  const nlohmann::json body = {{"text", std::string(kMaxFrameBytes - 100, 'y')}};
  std::jthread sender([&] { EXPECT_TRUE(send_frame(pair.a.get(), body)); });
  const auto frame = receive_frame(pair.b.get(), soon());
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->body, body);
}

TEST(Frame, TooLongToSendIsRefusedBeforeAByteIsSent) {
  Pair pair;
  EXPECT_FALSE(send_frame(pair.a.get(), {{"text", std::string(kMaxFrameBytes, 'y')}}));
  ASSERT_TRUE(send_frame(pair.a.get(), {{"next", 1}}));
  const auto frame = receive_frame(pair.b.get(), soon());
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->body.at("next"), 1);
}

TEST(Frame, AnAbsurdLengthIsRefusedBeforeMemoryIsTaken) {
  Pair pair;
  pair.send_raw(length_prefix(0xFFFFFFFFu));
  const auto frame = receive_frame(pair.b.get(), soon());
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().code, ErrorCode::protocol);
  EXPECT_THAT(frame.error().message, HasSubstr("4294967295 bytes was announced"));
}

TEST(Frame, CutOffAnywhereMeansThatTheOtherSideIsGone) {
  const std::string whole = length_prefix(7) + "{\"a\":1}";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    Pair pair;
    pair.send_raw(whole.substr(0, length));
    pair.a = Descriptor();
    const auto frame = receive_frame(pair.b.get(), soon());
    ASSERT_FALSE(frame) << length;
    EXPECT_EQ(frame.error().code, ErrorCode::crashed) << length;
  }
}

TEST(Frame, WithoutAJsonObjectBreaksTheProtocol) {
  for (const std::string text : {"", "garbage", "[1,2]", "42", "{\"a\":", "\"text\"", "\xff\xfe"}) {
    Pair pair;
    pair.send_raw(length_prefix(static_cast<std::uint32_t>(text.size())) + text);
    const auto frame = receive_frame(pair.b.get(), soon());
    ASSERT_FALSE(frame) << text;
    EXPECT_EQ(frame.error().code, ErrorCode::protocol) << text;
  }
}

TEST(Frame, ThatNeverComesEndsAtTheDeadline) {
  Pair pair;
  const auto frame =
      receive_frame(pair.b.get(), std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().code, ErrorCode::timeout);
  pair.send_raw(length_prefix(100) + "half a frame");
  const auto half =
      receive_frame(pair.b.get(), std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
  ASSERT_FALSE(half);
  EXPECT_EQ(half.error().code, ErrorCode::timeout);
}

TEST(Frame, WithBytesThatAreNoUtf8IsSentWithReplacements) {
  Pair pair;
  ASSERT_TRUE(send_frame(pair.a.get(), {{"text", "a\xff\xc3z"}}));
  const auto frame = receive_frame(pair.b.get(), soon());
  ASSERT_TRUE(frame);
  EXPECT_THAT(frame->body.at("text").get<std::string>(), HasSubstr("\xef\xbf\xbd"));
}

TEST(Frame, ToAClosedSocketIsAnErrorAndNoSignal) {
  Pair pair;
  pair.b = Descriptor();
  const Status sent = send_frame(pair.a.get(), {{"do", "forward"}});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::crashed);
}

TEST(Descriptor, ClosesItsFileOnce) {
  int number = -1;
  {
    Descriptor first(memfd_create("descriptor-test", 0));
    number = first.get();
    Descriptor second(std::move(first));
    EXPECT_FALSE(first);  // NOLINT: a moved-from descriptor is empty
    EXPECT_EQ(second.get(), number);
    EXPECT_NE(fcntl(number, F_GETFD), -1);
  }
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

}  // namespace
}  // namespace dropcheck::worker
