#include "impl/worker/process_state.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <locale.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cfenv>
#include <climits>
#include <clocale>
#if defined(__x86_64__) || defined(__i386__)
#include <xmmintrin.h>
#endif

namespace dropcheck::worker {
namespace {

constexpr std::size_t kMostText = 200;
// MXCSR (Intel SDM volume 1, 10.2.3): bits 0 to 5 are flags that arithmetic sets, 6 is "denormals are zero",
// 7 to 12 mask exceptions, 13 and 14 round, 15 is "flush to zero".
[[maybe_unused]] constexpr unsigned kMxcsrFlags = 0x3F, kDenormalsAreZero = 1u << 6,
                                    kMxcsrRounding = 3u << 13, kFlushToZero = 1u << 15;

const char* name_of_rounding(int rounding) {
  switch (rounding) {
    case FE_TONEAREST: return "to nearest";
    case FE_UPWARD: return "upward";
    case FE_DOWNWARD: return "downward";
    case FE_TOWARDZERO: return "towards zero";
    default: return "an unknown one";
  }
}

/// The C library's sets are larger than the system's and hold anything beyond the signals that there are.
bool same(const sigset_t& a, const sigset_t& b) { return memcmp(&a, &b, (NSIG - 1) / CHAR_BIT) == 0; }

bool same(const struct sigaction& a, const struct sigaction& b) {
  constexpr int kRestorer = 0x04000000;  // SA_RESTORER of Linux, which the C library adds to whatever it sets
  return a.sa_handler == b.sa_handler && ((a.sa_flags ^ b.sa_flags) & ~kRestorer) == 0 &&
         same(a.sa_mask, b.sa_mask);
}

/// For a number that is no signal of ours, nothing.
struct sigaction action_of(int signal) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  sigaction(signal, nullptr, &action);
  return action;
}

sigset_t blocked() {
  sigset_t mask;
  sigemptyset(&mask);
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return mask;
}

mode_t current_umask() {
  const mode_t now = umask(0077);  // the only way to ask is to change it; nobody else is let in meanwhile
  umask(now);
  return now;
}

std::string current_folder() {
  char path[PATH_MAX];
  return getcwd(path, sizeof path) != nullptr ? path : "";
}

std::string c_locale() {
  const char* name = setlocale(LC_ALL, nullptr);
  return name != nullptr ? name : "";
}

std::string names_of(const std::vector<int>& signals) {
  std::vector<std::string> names;
  for (const int signal : signals) {
    const char* name = sigabbrev_np(signal);
    names.push_back(name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal));
  }
  return fmt::format("{}", fmt::join(names, ", ")).substr(0, kMostText);
}

std::string undone(const std::string& what) { return fmt::format("changed {}, which was set back", what); }

}  // namespace

ProcessState::Numbers ProcessState::numbers() {
  Numbers now;
  now.rounding = fegetround();
#if defined(__x86_64__) || defined(__i386__)
  now.control = _mm_getcsr() & ~kMxcsrFlags;
  unsigned short legacy = 0;
  __asm__ volatile("fnstcw %0" : "=m"(legacy));
  now.legacy = legacy;
#endif
  return now;
}

ProcessState::ProcessState()
    : numbers_(numbers()),
      mask_(blocked()),
      c_locale_(c_locale()),
      thread_locale_(uselocale(locale_t{})),
      umask_(current_umask()),
      folder_(current_folder()) {
  for (int signal = 1; signal < NSIG; ++signal)
    actions_[static_cast<std::size_t>(signal)] = action_of(signal);
}

std::vector<int> ProcessState::changed_signals() const {
  std::vector<int> changed;
  for (int signal = 1; signal < NSIG; ++signal)
    if (!same(action_of(signal), actions_[static_cast<std::size_t>(signal)])) changed.push_back(signal);
  return changed;
}

void ProcessState::restore_numbers(Said& said) const {
  const Numbers now = numbers();
  if (now == numbers_) return;
  if (now.rounding != numbers_.rounding) {
    said.push_back(undone(fmt::format("the rounding mode to {}", name_of_rounding(now.rounding))));
    fesetround(numbers_.rounding);
  }
#if defined(__x86_64__) || defined(__i386__)
  const unsigned differs = now.control ^ numbers_.control;
  if ((differs & (kDenormalsAreZero | kFlushToZero)) != 0)
    said.push_back(
        undone(fmt::format("how denormal numbers are treated (flush to zero {}, denormals are zero {})",
                           (now.control & kFlushToZero) != 0 ? "on" : "off",
                           (now.control & kDenormalsAreZero) != 0 ? "on" : "off")));
  const unsigned rest = differs & ~(kDenormalsAreZero | kFlushToZero | kMxcsrRounding);
  constexpr unsigned kLegacyRounding = 3u << 10;  // of the x87 control word, which fesetround sets too
  if (rest != 0 || ((now.legacy ^ numbers_.legacy) & ~kLegacyRounding) != 0)
    said.push_back(undone("the control word of the floating-point unit"));
  _mm_setcsr((_mm_getcsr() & kMxcsrFlags) | numbers_.control);
  const auto legacy = static_cast<unsigned short>(numbers_.legacy);
  __asm__ volatile("fldcw %0" : : "m"(legacy));
#endif
}

void ProcessState::restore_mask(Said& said) const {
  if (same(blocked(), mask_)) return;
  pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
  said.push_back(undone("which signals are blocked"));
}

void ProcessState::restore_locale(Said& said) const {
  const std::string now = c_locale();
  if (now != c_locale_) said.push_back(undone(fmt::format("the locale to {}", now.substr(0, kMostText))));
  else if (uselocale(locale_t{}) != thread_locale_) said.push_back(undone("the locale of its thread"));
  else if (std::locale() != cpp_locale_) said.push_back(undone("the locale of C++ streams"));
  else return;
  uselocale(thread_locale_);
  std::locale::global(cpp_locale_);
  setlocale(LC_ALL, c_locale_.c_str());  // after C++'s, which sets C's too where it has a name
}

void ProcessState::restore_files(Said& said) const {
  const mode_t mode = umask(umask_);
  if (mode != umask_) said.push_back(undone(fmt::format("the umask to {:04o}", static_cast<unsigned>(mode))));
  const std::string folder = current_folder();
  if (folder == folder_) return;
  const bool back = chdir(folder_.c_str()) == 0;
  const std::string what = fmt::format("the working directory to {}", folder.substr(0, kMostText));
  said.push_back(back ? undone(what) : fmt::format("changed {}, which could not be set back", what));
}

std::vector<std::string> ProcessState::restore() const {
  Said said;
  restore_numbers(said);
  restore_mask(said);
  restore_locale(said);
  restore_files(said);
  return said;
}

std::vector<std::string> ProcessState::restore_signals() const {
  const auto signals = changed_signals();
  for (const int signal : signals) sigaction(signal, &actions_[static_cast<std::size_t>(signal)], nullptr);
  if (signals.empty()) return {};
  return {undone(fmt::format("what {} does", names_of(signals)))};
}

std::vector<std::string> ProcessState::accept_signals() {
  const auto signals = changed_signals();
  for (const int signal : signals) actions_[static_cast<std::size_t>(signal)] = action_of(signal);
  if (signals.empty()) return {};
  return {fmt::format("changed what {} does, which was left as it is since its runtime may rely on it",
                      names_of(signals))};
}

}  // namespace dropcheck::worker
