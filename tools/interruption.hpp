#pragma once
// Ctrl-C in commands that ask backends: the first one ends the work in order, a second one at once.

#include <atomic>

namespace dropcheck::tools {

/// Asks whatever is under way to end. Set by the first signal, and by a command of its own accord.
extern std::atomic<bool> g_stop;

/// Whether a signal has come.
bool was_interrupted();

/// From now on SIGINT and SIGTERM set g_stop, and a second one ends the program and its adapters. A reader of
/// the output that leaves ends nothing.
void catch_signals();

}  // namespace dropcheck::tools
