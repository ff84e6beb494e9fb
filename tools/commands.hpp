#pragma once
// The subcommands. Each returns the process's exit code; wrong usage is told on stderr in one sentence.

#include <optional>
#include <string>
#include <vector>

#include "harness/core/registry.hpp"
#include "harness/run/plan.hpp"
#include "harness/run/stream_lock.hpp"
#include "suites/dialect.hpp"

namespace dropcheck::tools {

/// Options that choose what is judged; shared by run and plan.
struct Selection {
  std::vector<std::string> backends;
  std::vector<std::string> suites;
  std::string check_glob;
  std::string only_case;  // descriptor
  std::string profile = "quick";
  std::string dialect = "pytorch";                    // name or file, as given
  suites::Dialect rules = suites::pytorch_dialect();  // what it says
  std::string seed;                                   // decimal or 0x
  bool vary_seed = false;
  double alpha = kDefaultAlpha;
  unsigned threads = 0;  // 0: one a core
  bool in_process = false;
  std::optional<double> memory_limit;  // GiB for each worker or adapter; 0: none; absent: by the machine
  double call_timeout = 0;             // seconds; 0: what each kind of backend takes for sensible
};

struct RunArguments {
  Selection selection;
  std::string expect;
  std::string ledger;                // file; empty: none
  std::string lock;                  // file; empty: none
  std::optional<StreamLock> locked;  // what it holds
  std::string out = "dropcheck-out";
  bool fail_fast = false;
  bool pursue_always = false;
  std::string color = "auto";
};

struct LockArguments {
  Selection selection;  // of which the backends count, and how they are opened
  std::string file;
  bool update = false;
  bool yes = false;  // write what an update changes
};

struct CalibrateArguments {
  std::string check_glob;
  std::optional<std::uint64_t> runs;  // masks a cell, or seeds a defect
  bool brief = false;
  bool power = false;
  bool full = false;                  // whole runs of these backends
  std::vector<std::string> backends;  // empty: reference and cpu
  std::string state;                  // file that keeps what is done; empty: none
  std::uint64_t seed = kDefaultSeed;
  unsigned threads = 0;
  std::string out;  // file; empty: standard output
};

struct MutantsArguments {
  std::string profile = "standard";           // the largest that named checks are asked in
  std::string matrix_profile = "frameworks";  // that all checks are asked in
  std::string glob;                           // of mutants' ids; empty: all
  std::vector<std::string> also;              // backends that no list names
  bool rivals = true;
  std::vector<std::string> only_rivals;  // names; empty: all
  std::uint64_t clean_runs = 0;          // of each rival's suite on a clean backend
  std::uint64_t seed = kDefaultSeed;
  unsigned threads = 0;
  std::string out;  // folder; empty: nothing is written
};

struct InitArguments {
  std::string language, name;
  std::string out;  // folder for the new one; empty: the current
};

struct ValidateArguments {
  std::string command;
  double timeout = 30;  // seconds for a reply; the first of a process may take four times that
  bool json = false;
};

ExitCode run_command(const Registry& registry, const RunArguments& arguments);
/// Reads the file of 'run --lock', registers its check and takes its backend where none was named.
Status apply_lock(Registry& registry, RunArguments& arguments);
/// Writes digests of a backend's streams, or shows how they differ from those in the file. Exit code 1 when
/// they differ and nothing was written, or the backend does not draw the same twice; 5 when it takes no
/// seeds.
ExitCode lock_command(const Registry& registry, const LockArguments& arguments);
ExitCode plan_command(const Registry& registry, const Selection& selection, bool json);
/// Times a plan as it is judged beside the calls of its backend alone.
ExitCode overhead_command(const Registry& registry, const Selection& selection);
ExitCode list_command(const Registry& registry, const std::string& what, const std::string& profile,
                      bool json);
ExitCode explain_command(const Registry& registry, const std::string& check_id);
ExitCode report_command(const std::string& results, const std::string& out);
/// Writes the page on the rows of a checklist from the results of several runs.
ExitCode conformance_command(const std::vector<std::string>& results, const std::string& out);
/// Exit code 1 when the evidence of many runs alarms.
ExitCode ledger_command(const std::string& file, bool json);
/// Exit code 1 when p-values or power are not what they should be.
ExitCode calibrate_command(const Registry& registry, CalibrateArguments arguments);
/// Its part for --full: alarms of whole runs. Exit code 1 when they lie beyond their limits, or a run fails;
/// 2 when it was stopped.
ExitCode calibrate_whole(const Registry& registry, const CalibrateArguments& arguments);
/// Asks the checks, and the tests of others, about backends that are wrong on purpose. Exit code 1 when a
/// mutant survives the check that was named for it, or a check fires where it must not; 5 when none
/// was asked.
ExitCode mutants_command(const MutantsArguments& arguments);
ExitCode doctor_command(const Registry& registry, bool json);
/// Writes the skeleton of an adapter into a new folder.
ExitCode init_command(const InitArguments& arguments);
/// Asks an adapter small things and says what is wrong with it. Exit code 11 when it breaks the protocol, 1
/// when an answer is well-formed and wrong, 5 when it answers nothing.
ExitCode validate_command(const ValidateArguments& arguments);
/// Hidden: what a worker process does. Of the options only rank and world size count.
int worker_command(const std::string& plugin, const BackendOptions& options);

/// Tells a usage error on stderr.
ExitCode usage_error(const std::string& message);

/// The plan that a selection asks for; checks seed, case, dialect and backend names as well.
Expected<Plan> plan_of(const Registry& registry, const Selection& selection);

/// How backends of a selection are opened.
BackendOptions backend_options(const Selection& selection);

/// Lanes (threads, or workers for plugins) of a selection.
unsigned lanes_of(const Selection& selection);

/// Whether text for this stream may carry colour: auto means a terminal and no NO_COLOR.
bool use_color(const std::string& choice, int descriptor);

}  // namespace dropcheck::tools
