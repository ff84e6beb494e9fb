#include "impl/worker/process_state.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cfenv>
#include <clocale>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace dropcheck::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kOtherLocale = "C.UTF-8";  // what a minimal system has besides "C"

std::vector<std::string> restored(const ProcessState& state) {
  std::vector<std::string> said = state.restore();
  for (std::string& more : state.restore_signals()) said.push_back(std::move(more));
  return said;
}

/// Says what `change` did, and that nothing is left of it.
std::vector<std::string> told(void (*change)()) {
  const ProcessState state;
  EXPECT_THAT(restored(state), IsEmpty());
  change();
  const auto said = restored(state);
  EXPECT_THAT(restored(state), IsEmpty()) << "it was set back";
  return said;
}

TEST(ProcessState, ArithmeticChangesNothing) {
  EXPECT_THAT(told([] {
                volatile double zero = 0, tiny = 5e-324;
                zero = 1 / zero + tiny / 3;
              }),
              IsEmpty());
}

TEST(ProcessState, TheRoundingMode) {
  EXPECT_THAT(told([] { fesetround(FE_UPWARD); }),
              ElementsAre("changed the rounding mode to upward, which was set back"));
  EXPECT_EQ(fegetround(), FE_TONEAREST);
  EXPECT_THAT(told([] { fesetround(FE_TOWARDZERO); }), ElementsAre(HasSubstr("towards zero")));
}

#if defined(__x86_64__)
TEST(ProcessState, DenormalsAndExceptionsOfTheFloatingPointUnit) {
  const unsigned before = _mm_getcsr() & ~0x3Fu;
  EXPECT_THAT(
      told([] { _mm_setcsr(_mm_getcsr() | 0x8040u); }),
      ElementsAre("changed how denormal numbers are treated (flush to zero on, denormals are zero on), "
                  "which was set back"));
  EXPECT_THAT(told([] { feenableexcept(FE_DIVBYZERO); }),
              ElementsAre("changed the control word of the floating-point unit, which was set back"));
  EXPECT_EQ(_mm_getcsr() & ~0x3Fu, before);
}
#endif

TEST(ProcessState, WhatSignalsDo) {
  EXPECT_THAT(told([] {
                signal(SIGSEGV, [](int) {});
                signal(SIGUSR2, SIG_IGN);
              }),
              ElementsAre("changed what SIGSEGV, SIGUSR2 does, which was set back"));
  struct sigaction now {};
  sigaction(SIGUSR2, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
}

TEST(ProcessState, HandlersOfALibraryStay) {
  ProcessState state;
  void (*const handler)(int) = [](int) {};
  signal(SIGUSR1, handler);
  EXPECT_THAT(
      state.accept_signals(),
      ElementsAre("changed what SIGUSR1 does, which was left as it is since its runtime may rely on it"));
  EXPECT_THAT(state.accept_signals(), IsEmpty());
  EXPECT_THAT(state.restore_signals(), IsEmpty());
  EXPECT_EQ(signal(SIGUSR1, SIG_DFL), handler);
  EXPECT_THAT(state.restore_signals(), ElementsAre("changed what SIGUSR1 does, which was set back"));
  EXPECT_EQ(signal(SIGUSR1, SIG_DFL), handler) << "what holds is what the library had set";
}

TEST(ProcessState, WhichSignalsAreBlocked) {
  EXPECT_THAT(told([] {
                sigset_t all;
                sigfillset(&all);
                pthread_sigmask(SIG_BLOCK, &all, nullptr);
              }),
              ElementsAre("changed which signals are blocked, which was set back"));
}

TEST(ProcessState, TheLocaleHoweverItIsSet) {
  const std::string before = setlocale(LC_ALL, nullptr);
  EXPECT_THAT(told([] { EXPECT_NE(setlocale(LC_ALL, kOtherLocale), nullptr); }),
              ElementsAre("changed the locale to C.UTF-8, which was set back"));
  EXPECT_EQ(setlocale(LC_ALL, nullptr), before);
  EXPECT_THAT(told([] { EXPECT_NE(setlocale(LC_NUMERIC, kOtherLocale), nullptr); }),
              ElementsAre(HasSubstr("LC_NUMERIC=C.UTF-8")));
  static const locale_t other = newlocale(LC_ALL_MASK, kOtherLocale, locale_t{});
  EXPECT_THAT(told([] { uselocale(other); }),
              ElementsAre("changed the locale of its thread, which was set back"));
  freelocale(other);
  EXPECT_THAT(told([] { std::locale::global(std::locale(std::locale(), new std::numpunct<char>())); }),
              ElementsAre("changed the locale of C++ streams, which was set back"));
  EXPECT_EQ(setlocale(LC_ALL, nullptr), before);
}

TEST(ProcessState, UmaskAndWorkingDirectory) {
  const mode_t before = umask(0022);
  EXPECT_THAT(told([] { umask(0); }), ElementsAre("changed the umask to 0000, which was set back"));
  EXPECT_EQ(umask(before), mode_t{0022});
  EXPECT_THAT(told([] { EXPECT_EQ(chdir("/"), 0); }),
              ElementsAre("changed the working directory to /, which was set back"));
}

}  // namespace
}  // namespace dropcheck::worker
