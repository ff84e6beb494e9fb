#pragma once
// State of a process that its calls share and that foreign code may change: how numbers are rounded, what
// signals do, the locale, the umask, the working directory.

#include <sys/types.h>

#include <array>
#include <csignal>
#include <locale>
#include <string>
#include <vector>

namespace dropcheck::worker {

/// Of the thread that makes and asks it.
class ProcessState {
 public:
  /// What holds now.
  ProcessState();
  /// Sets back what differs from what held, and says of each thing what had become of it, without a subject:
  /// "changed the rounding mode to upward, which was set back". What signals do is left out: asking for all
  /// of them takes 64 system calls.
  std::vector<std::string> restore() const;
  /// The same for what signals do.
  std::vector<std::string> restore_signals() const;
  /// What signals do now is what holds from now on: runtimes rely on handlers that they install when they are
  /// loaded (a JVM on its own for SIGSEGV). Says what had been changed.
  std::vector<std::string> accept_signals();

 private:
  using Said = std::vector<std::string>;
  std::vector<int> changed_signals() const;
  void restore_numbers(Said& said) const;
  void restore_mask(Said& said) const;
  void restore_locale(Said& said) const;
  void restore_files(Said& said) const;

  struct Numbers {
    int rounding = 0;      // of fegetround
    unsigned control = 0;  // of the processor, where there is one beyond the rounding mode
    unsigned legacy = 0;   // of x87
    friend bool operator==(const Numbers&, const Numbers&) = default;
  };
  static Numbers numbers();

  Numbers numbers_;
  std::array<struct sigaction, NSIG> actions_;
  sigset_t mask_;
  std::string c_locale_;
  locale_t thread_locale_;
  std::locale cpp_locale_;
  mode_t umask_;
  std::string folder_;
};

}  // namespace dropcheck::worker
