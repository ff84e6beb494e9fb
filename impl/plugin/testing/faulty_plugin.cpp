// A plugin that is correct until its config names one fault: plugin:faulty_plugin.so?crash; with
// ?crash@p=1 it misbehaves only in calls with that p. Everything that users' plugins do wrong at the boundary
// is planted here once.

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cfenv>
#include <clocale>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/abi/dropcheck_plugin.hpp"

namespace {

using dropcheck::plugin::Table;

std::string fault_of(std::string_view config) {
  const std::string_view key = "\"config\":\"";
  const std::size_t at = config.find(key);
  if (at == std::string_view::npos) return {};
  const std::size_t begin = at + key.size();
  return std::string(config.substr(begin, config.find('"', begin) - begin));
}

struct Faulty : dropcheck::plugin::Kernel {
  explicit Faulty(std::string_view config) : fault(fault_of(config)) {
    if (const std::size_t at = fault.find("@p="); at != std::string::npos) {
      only_p = std::stod(fault.substr(at + 3));
      fault.resize(at);
    }
    name = "faulty";
    version = "1.0";
    features = DROPCHECK_DECLARES_EFFECTIVE_P;
    if (fault.starts_with("state")) features |= DROPCHECK_CAN_RECOMPUTE;
    if (fault == "promises") promises = "batch_split,coupled_thresholds,independent_ranks,replay";
    if (fault == "unknown_promise") promises = "batch_split,good_weather";
    if (fault == "two_promises") promises = "independent_ranks,equal_ranks";
    if (fault == "tell_config") notes = config;
    if (fault == "unknown_op_claim") ops = "dropout,teleport";
    if (fault == "unknown_dtype_claim") dtypes = "f32,f12";
    if (fault == "no_ops") ops = "";
    if (fault == "seed_bits_0") seed_bits = 0;
    if (fault == "seed_bits_65") seed_bits = 65;
    if (fault == "unknown_semantics") seed_semantics = "sometimes";
    if (fault == "other_device") device = "quantum";
    if (fault == "device_without_memory") device = "cuda";
    if (fault == "control_bytes") notes = "one\x1b[31m\ntwo";
  }

  void forward(const dropcheck::plugin::Call& call, dropcheck::plugin::Result& result) override {
    const auto x = call.input("x").dense<float>(), y = call.output("y").dense<float>();
    const double p = call.p();
    if (!(p >= 0 && p <= 1)) throw dropcheck::plugin::InvalidArgument("p must lie in [0, 1]");
    state = call.seed().value_or(state);
    const bool draws = call.train() && p > 0 && p < 1;
    const float scale = draws ? 1.0f / static_cast<float>(1 - p) : 1.0f;
    for (std::size_t i = 0; i < x.size(); ++i)
      y[i] = x[i] * ((call.train() && p == 1) || (draws && uniform() < p) ? 0.0f : scale);
    if (p >= 0 && p <= 1) result.effective_p(p);
    if (is_due(p) && fault == "write_past_end") *(y.data() + y.size()) = 1.0f;
    if (is_due(p) && fault == "nan_filled") std::fill(y.begin(), y.end(), std::nanf(""));
  }

  std::vector<std::byte> save_state() {
    if (fault == "state_empty") return {};
    std::vector<std::byte> bytes(fault == "state_huge" ? (std::size_t{16} << 20) + 1 : sizeof state);
    std::memcpy(bytes.data(), &state, sizeof state);
    if (fault == "state_grows") bytes.resize(sizeof state + ++times_saved);
    return bytes;
  }
  void load_state(std::span<const std::byte> bytes) {
    if (bytes.size() != sizeof state) throw dropcheck::plugin::InvalidArgument("a state of another size");
    std::memcpy(&state, bytes.data(), sizeof state);
  }

  bool is_due(double p) const { return std::isnan(only_p) || only_p == p; }

  double uniform() {
    std::uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }

  std::string fault;
  double only_p = std::nan("");  // NaN: whatever p is
  std::uint64_t state = 0;
  unsigned times_saved = 0;
};

void change_signals() {
  signal(SIGINT, SIG_IGN);
  signal(SIGALRM, [](int) {});
}

int open_it(const char* config, void** context, char* error, std::size_t bytes) {
  if (fault_of(config) == "open_fails") {
    std::snprintf(error, bytes, "the licence server is on holiday");
    return DROPCHECK_FAILED;
  }
  if (fault_of(config) == "open_throws") throw std::runtime_error("thrown by open");
  if (fault_of(config) == "open_crashes") std::abort();
  if (fault_of(config) == "change_state_in_open") {
    std::fesetround(FE_UPWARD);
    change_signals();
  }
  return Table<Faulty>::open(config, context, error, bytes);
}

int tell(void* context, dropcheck_capabilities* out) {
  const std::string& fault = static_cast<Faulty*>(context)->fault;
  if (fault == "silent") return DROPCHECK_FAILED;
  const int status = Table<Faulty>::capabilities(context, out);
  if (fault == "no_name") out->name = nullptr;
  return status;
}

bool holds_nan(const dropcheck_call& call) {
  const dropcheck::plugin::Tensor x(call.inputs[0].tensor);
  if (!x.is_contiguous() || x.dtype().bits != 32) return false;
  const auto values = x.dense<float>();
  return std::any_of(values.begin(), values.end(), [](float v) { return std::isnan(v); });
}

/// A test that waits for a fault to begin names a file for it.
void tell_test() {
  const char* path = std::getenv("DROPCHECK_TEST_TOUCH");
  if (path == nullptr) return;
  if (std::FILE* file = std::fopen(path, "w")) std::fclose(file);
}

[[noreturn]] void hang() {
  tell_test();
  while (true) pause();
}

/// More than `limit` lines and 10 MiB, then silence or an end.
void flood(std::FILE* stream, bool for_ever) {
  const std::string line(99, 'f');
  for (int i = 0; for_ever || i < 100'000; ++i) std::fprintf(stream, "%s\n", line.c_str());
  std::fflush(stream);
}

/// A process that holds whatever it inherited, in our session or in one of its own.
void leave_child(bool own_session) {
  if (fork() != 0) return;
  if (own_session) setsid();
  sleep(1000);
  _exit(0);
}

/// A write that nobody can read.
void write_to_nobody() {
  int ends[2];
  if (pipe(ends) != 0) return;
  close(ends[0]);
  if (write(ends[1], "x", 1) < 0) std::perror("write");
}

/// Up to a GiB, in steps that leave time to be looked at.
void eat_memory() {
  constexpr std::size_t kStep = std::size_t{16} << 20;
  for (int i = 0; i < 64; ++i) {
    static volatile char* step = nullptr;
    step = static_cast<char*>(std::malloc(kStep));
    for (std::size_t at = 0; step != nullptr && at < kStep; at += 4096) step[at] = 1;
    usleep(10'000);
  }
}

/// Faults that go on to answer.
void misbehave(const std::string& fault) {
  if (fault == "slow") sleep(10);
  if (fault == "flood_output") flood(stdout, false);
  if (fault == "flood_error") flood(stderr, false);
  if (fault == "flood_output_for_ever") flood(stdout, true);
  if (fault == "leave_child") leave_child(false);
  if (fault == "leave_daemon") leave_child(true);
  if (fault == "leave_child_and_exit") {
    leave_child(false);
    std::_Exit(3);
  }
  if (fault == "write_to_nobody") write_to_nobody();
  if (fault == "eat_memory") eat_memory();
  if (fault.starts_with("change_rounding")) std::fesetround(FE_TOWARDZERO);
  if (fault == "change_signals") change_signals();
  if (fault == "change_locale") std::setlocale(LC_ALL, "C.UTF-8");
  if (fault == "change_files") {
    umask(0);
    if (chdir("/") != 0) std::perror("chdir");
  }
}

// Written against the bare ABI: the helper would catch what must escape here.
int run(void* context, const dropcheck_call* call, dropcheck_result* result) {
  const Faulty& faulty = *static_cast<Faulty*>(context);
  const std::string fault = faulty.is_due(call->p) ? faulty.fault : "";
  const bool seed_7 = call->has_seed != 0 && call->seed == 7;
  if (fault == "crash_on_nan" && holds_nan(*call)) std::abort();
  if (fault == "crash" || (fault.ends_with("crash_at_seed_7") && seed_7)) {
    std::fputs("the last words of the plugin\n", stderr);
    std::abort();
  }
  if (fault == "hang" || (fault == "hang_at_seed_7" && seed_7)) hang();
  if (fault == "exit") std::_Exit(0);
  if (fault == "segfault") raise(SIGSEGV);
  if (fault == "throw") throw std::runtime_error("thrown by forward");
  if (fault == "throw_a_number") throw 42;
  if (fault == "bad_status") return 42;
  if (fault == "unterminated_text") {
    std::memset(result->error, 'x', sizeof result->error);
    return DROPCHECK_FAILED;
  }
  if (fault == "no_reason") return DROPCHECK_FAILED;
  if (fault == "print") {
    std::printf("stray words on standard output {\"do\":\"forward\"}\n");
    std::fprintf(stderr, "stray words on standard error\n");
    std::fflush(stdout);
  }
  misbehave(fault);
  const int status = Table<Faulty>::forward(context, call, result);
  if (status != DROPCHECK_OK) return status;
  if (fault == "garbage_shape") result->produced_ndim = 77;
  if (fault == "garbage_dtype") {
    result->produced_ndim = 0;
    result->produced_dtype = {99, 13, 1};
  }
  if (fault == "bad_effective_p") result->effective_p = 1.5;
  if (fault == "unterminated_warnings") std::memset(result->warnings, 'w', sizeof result->warnings);
  return status;
}

}  // namespace

void close_it(void* context) {
  const std::string fault = static_cast<Faulty*>(context)->fault;
  if (fault == "crash_in_close") std::abort();
  if (fault == "hang_in_close") hang();
  Table<Faulty>::close(context);
}

std::size_t save(void* context, void* state, std::size_t bytes) {
  const std::string& fault = static_cast<Faulty*>(context)->fault;
  if (fault == "state_throws") throw std::runtime_error("thrown by save_state");
  if (fault == "state_crashes") std::abort();
  return Table<Faulty>::save_state(context, state, bytes);
}

void let_go(void* context, std::uint64_t saved) {
  if (static_cast<Faulty*>(context)->fault == "crash_in_release") std::abort();
  Table<Faulty>::release(context, saved);
}

extern "C" const dropcheck_plugin* dropcheck_get_plugin(std::uint32_t host_abi_major, std::uint32_t) {
  static const dropcheck_plugin table = [] {
    dropcheck_plugin t = *Table<Faulty>::get(DROPCHECK_ABI_MAJOR);
    t.open = open_it;
    t.close = close_it;
    t.capabilities = tell;
    t.forward = run;
    t.release = let_go;
    t.save_state = save;
    return t;
  }();
  return host_abi_major == DROPCHECK_ABI_MAJOR ? &table : nullptr;
}
