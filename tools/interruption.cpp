#include "tools/interruption.hpp"

#include <csignal>

#include "impl/process/child.hpp"

namespace dropcheck::tools {

std::atomic<bool> g_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void on_signal(int number) {
  if (g_interrupted == 0) {
    g_interrupted = 1;
    g_stop.store(true);
    return;
  }
  // A second Ctrl-C ends at once. Workers see that the run is gone; adapters cannot.
  process::kill_all_children();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

}  // namespace

bool was_interrupted() { return g_interrupted != 0; }

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a reader of our output that leaves must not cost the results
}

}  // namespace dropcheck::tools
