#include "impl/plugin/plugin_backend.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <ostream>

#include "harness/core/guarded_tensor.hpp"
#include "harness/run/runner.hpp"
#include "impl/plugin/claims.hpp"
#include "impl/plugin/dl_tensor.hpp"
#include "suites/register.hpp"

namespace dropcheck::plugin_host {
namespace {

using ::testing::HasSubstr;

std::string faulty(const std::string& fault = "") {
  return std::string(DROPCHECK_FAULTY_PLUGIN) + (fault.empty() ? "" : "?" + fault);
}

/// A folder that is gone after the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "dropcheck-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

Error error_of(const std::string& spec) {
  const auto backend = open_plugin(spec);
  if (backend) return {ErrorCode::internal, "it opened"};
  return backend.error();
}

// --- files that are no plugin

TEST(OpenPlugin, SaysThatAFileDoesNotExist) {
  const Error e = error_of("/no/such/folder/libx.so?config");
  EXPECT_EQ(e.code, ErrorCode::backend_failed);
  EXPECT_EQ(e.message, "plugin '/no/such/folder/libx.so' does not exist: name the file of a shared library");
}

TEST(OpenPlugin, SaysThatTextIsNoSharedLibrary) {
  const Folder folder;
  std::ofstream(folder.file("notes.so")) << "this is no ELF file, whatever its name says\n";
  const Error e = error_of(folder.file("notes.so"));
  EXPECT_THAT(e.message, HasSubstr("cannot be loaded"));
  EXPECT_THAT(e.message, HasSubstr("notes.so"));
}

TEST(OpenPlugin, RefusesAFolderAndAnEmptyFile) {
  const Folder folder;
  std::ofstream(folder.file("empty.so")).close();
  EXPECT_THAT(error_of(folder.file("")).message, HasSubstr("cannot be loaded"));
  EXPECT_THAT(error_of(folder.file("empty.so")).message, HasSubstr("cannot be loaded"));
}

TEST(OpenPlugin, NamesTheSymbolThatALibraryLacks) {
  EXPECT_THAT(error_of(DROPCHECK_NOT_A_PLUGIN).message,
              HasSubstr("is no dropcheck plugin: it does not export dropcheck_get_plugin"));
}

TEST(OpenPlugin, SaysWhichAbiAPluginWasBuiltFor) {
  const Error e = error_of(DROPCHECK_OTHER_ABI_PLUGIN);
  EXPECT_THAT(e.message, HasSubstr("was built for ABI version 99.3"));
  EXPECT_THAT(e.message, HasSubstr("build it against this release's header"));
  EXPECT_THAT(error_of(DROPCHECK_NULL_PLUGIN).message, HasSubstr("does not serve ABI version 1"));
}

TEST(OpenPlugin, RefusesATableWithoutFunctions) {
  EXPECT_THAT(error_of(DROPCHECK_EMPTY_TABLE_PLUGIN).message,
              HasSubstr("lacks one of open, close, capabilities and forward"));
}

TEST(OpenPlugin, HandsOnWhyThePluginRefuses) {
  EXPECT_THAT(error_of(faulty("open_fails")).message,
              HasSubstr("refuses to open: the licence server is on holiday"));
}

// --- claims

struct Claim {
  const char* fault;
  const char* message;
  friend void PrintTo(const Claim& row, std::ostream* out) { *out << row.fault; }
};

class FalseClaims : public ::testing::TestWithParam<Claim> {};

TEST_P(FalseClaims, AreRefusedWithTheirName) {
  const Error e = error_of(faulty(GetParam().fault));
  EXPECT_THAT(e.message, HasSubstr(GetParam().message));
  EXPECT_THAT(e.message, HasSubstr("faulty_plugin"));
}

INSTANTIATE_TEST_SUITE_P(
    Faults, FalseClaims,
    ::testing::Values(Claim{"unknown_op_claim", "claims 'teleport' among its ops: known are dropout,"},
                      Claim{"unknown_dtype_claim", "claims 'f12' among its dtypes: known are f64"},
                      Claim{"no_ops", "claims no ops"}, Claim{"no_name", "gives no name"},
                      Claim{"seed_bits_0", "claims 0 seed bits: 1 to 64 are possible"},
                      Claim{"seed_bits_65", "claims 65 seed bits"},
                      Claim{"unknown_semantics", "claims the seed semantics 'sometimes'"},
                      Claim{"other_device", "runs on device 'quantum': known are cpu, cuda,"},
                      Claim{"device_without_memory", "without memory_allocate, memory_free, memory_copy"},
                      Claim{"silent", "does not say what it can do"}),
    [](const auto& row) { return std::string(row.param.fault); });

TEST(Claims, ControlBytesDoNotReachTheReport) {
  const auto backend = open_plugin(faulty("control_bytes"));
  ASSERT_TRUE(backend) << backend.error().message;
  EXPECT_THAT((*backend)->capabilities().notes, ::testing::ElementsAre("one [31m", "two"));
}

TEST(Claims, OfACorrectPluginAreTakenOver) {
  const auto backend = open_plugin(faulty());
  ASSERT_TRUE(backend) << backend.error().message;
  const Capabilities& c = (*backend)->capabilities();
  EXPECT_EQ(c.name, "faulty");
  EXPECT_EQ(c.version, "1.0");
  EXPECT_THAT(c.ops, ::testing::ElementsAre(Op::dropout));
  EXPECT_THAT(c.dtypes, ::testing::ElementsAre(DType::f32));
  EXPECT_EQ(c.seed_bits, 64u);
  EXPECT_TRUE(c.effective_rate);
  EXPECT_FALSE(c.backward || c.in_place || c.threads || c.mask_output);
}

TEST(BoundedText, EndsWhereTheArrayEnds) {
  const char unterminated[4] = {'a', 'b', 'c', 'd'};
  EXPECT_EQ(bounded_text(unterminated, sizeof unterminated), "abcd");
  EXPECT_EQ(bounded_text("ab\tc\nd", 100), "ab c\nd");
}

TEST(CheckedResult, RefusesWhatIsOutOfRange) {
  dropcheck_result result{};
  result.struct_size = sizeof result;
  result.produced_ndim = -1;
  result.aliases_input = -1;
  result.version_delta = -1;
  result.rng_words = -1;
  result.effective_p = std::numeric_limits<double>::quiet_NaN();
  const auto clean = checked_result(result);
  ASSERT_TRUE(clean);
  EXPECT_FALSE(clean->produced_dtype || clean->aliases_input || clean->version_delta || clean->rng_words ||
               clean->effective_p);
  for (const int ndim : {-2, 9, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
    dropcheck_result bad = result;
    bad.produced_ndim = ndim;
    EXPECT_FALSE(checked_result(bad)) << ndim;
  }
  for (const double p : {-0.5, 1.5, std::numeric_limits<double>::infinity()}) {
    dropcheck_result bad = result;
    bad.effective_p = p;
    EXPECT_FALSE(checked_result(bad)) << p;
  }
}

TEST(DlTensor, EveryDtypeSurvivesTheWayThereAndBack) {
  for (const DType dtype : kAllDTypes) EXPECT_EQ(dtype_of(dl_dtype(dtype)), dtype);
  EXPECT_FALSE(dtype_of({99, 13, 1}));
  EXPECT_FALSE(dtype_of({kDLFloat, 32, 4})) << "vector lanes are no element";
}

// --- calls

/// One call of eight ones at p = 1/2.
struct OneCall {
  explicit OneCall(Backend& backend) {
    Problem problem;
    problem.shape = {8};
    auto x_memory = backend.allocate(GuardedTensor::bytes_needed(problem, false));
    auto y_memory = backend.allocate(GuardedTensor::bytes_needed(problem, true));
    x.emplace(std::move(*x_memory), problem, false);
    y.emplace(std::move(*y_memory), problem, true);
    const std::vector<float> ones(8, 1.0f);
    std::memcpy(x->view().data, ones.data(), 8 * sizeof(float));
    call.x = {&x->memory(), x->view()};
    call.y = {&y->memory(), y->view()};
    call.seed = 1;
  }
  std::optional<GuardedTensor> x, y;
  Call call;
};

Expected<Observation> forward_of(const std::string& fault) {
  const auto backend = open_plugin(faulty(fault));
  if (!backend) return backend.error();
  OneCall one(**backend);
  return (*backend)->forward(one.call);
}

TEST(Forward, OfACorrectPluginFillsTheTensor) {
  const auto backend = open_plugin(faulty());
  ASSERT_TRUE(backend);
  OneCall one(**backend);
  const auto seen = (*backend)->forward(one.call);
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(seen->effective_p, 0.5);
  EXPECT_FALSE(one.y->fault("y", true));
}

struct Fault {
  const char* name;
  ErrorCode code;
  const char* message;
  friend void PrintTo(const Fault& row, std::ostream* out) { *out << row.name; }
};

class FaultyCalls : public ::testing::TestWithParam<Fault> {};

TEST_P(FaultyCalls, AreErrorsThatSayWhatHappened) {
  const auto seen = forward_of(GetParam().name);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, GetParam().code) << seen.error().message;
  EXPECT_THAT(seen.error().message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Faults, FaultyCalls,
    ::testing::Values(Fault{"throw", ErrorCode::backend_failed,
                            "an exception crossed the C boundary: thrown by forward"},
                      Fault{"throw_a_number", ErrorCode::backend_failed, "an exception of unknown type"},
                      Fault{"bad_status", ErrorCode::protocol, "returned the unknown status 42"},
                      Fault{"no_reason", ErrorCode::backend_failed, "the plugin gives no reason"},
                      Fault{"garbage_shape", ErrorCode::protocol, "a result of 77 dimensions"},
                      Fault{"garbage_dtype", ErrorCode::protocol, "the unknown dtype (code 99, 13 bits)"},
                      Fault{"bad_effective_p", ErrorCode::protocol, "the effective drop probability 1.5"}),
    [](const auto& row) { return std::string(row.param.name); });

// --- the generator's state, promises, ranks

TEST(State, IsSavedAndSetAgain) {
  const auto backend = open_plugin(faulty("state"));
  ASSERT_TRUE(backend) << backend.error().message;
  ASSERT_TRUE((*backend)->capabilities().recompute);
  OneCall one(**backend);
  const auto draw = [&] {
    one.y->poison();
    EXPECT_TRUE((*backend)->forward(one.call));
    const auto* bytes = one.y->view().data;
    return std::vector<std::byte>(bytes, bytes + 8 * sizeof(float));
  };
  draw();
  one.call.seed.reset();
  const auto state = (*backend)->save_state();
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->size(), sizeof(std::uint64_t));
  const auto first = draw(), second = draw();
  ASSERT_TRUE((*backend)->load_state(*state));
  EXPECT_EQ(draw(), first);
  EXPECT_EQ(draw(), second);
}

TEST(State, OfAnotherSizeIsRefused) {
  const auto backend = open_plugin(faulty("state"));
  ASSERT_TRUE(backend);
  const std::vector<std::byte> short_one(3);
  const Status loaded = (*backend)->load_state(short_one);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::invalid_argument);
}

TEST(State, ThatIsNotClaimedIsUnsupported) {
  const auto backend = open_plugin(faulty());
  ASSERT_TRUE(backend);
  EXPECT_EQ((*backend)->save_state().error().code, ErrorCode::unsupported);
  EXPECT_EQ((*backend)->load_state({}).error().code, ErrorCode::unsupported);
}

class FaultyStates : public ::testing::TestWithParam<Fault> {};

TEST_P(FaultyStates, AreErrorsThatSayWhatHappened) {
  const auto backend = open_plugin(faulty(GetParam().name));
  ASSERT_TRUE(backend) << backend.error().message;
  const auto state = (*backend)->save_state();
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().code, GetParam().code) << state.error().message;
  EXPECT_THAT(state.error().message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Faults, FaultyStates,
    ::testing::Values(Fault{"state_empty", ErrorCode::protocol, "has 0 bytes: 1 to 16777216 are possible"},
                      Fault{"state_huge", ErrorCode::protocol, "has 16777217 bytes"},
                      Fault{"state_grows", ErrorCode::protocol, "needs 9 bytes, then 10"},
                      Fault{"state_throws", ErrorCode::backend_failed, "thrown by save_state"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Claims, OfAStateNeedItsFunctions) {
  EXPECT_THAT(error_of(std::string(DROPCHECK_PACKED_PLUGIN) + "?claims_state").message,
              HasSubstr("claims DROPCHECK_CAN_RECOMPUTE without save_state and load_state"));
}

TEST(Claims, HoldTheKnownPromises) {
  const auto backend = open_plugin(faulty("promises"));
  ASSERT_TRUE(backend) << backend.error().message;
  EXPECT_THAT((*backend)->capabilities().promises,
              ::testing::ElementsAre("batch_split", "coupled_thresholds", "independent_ranks", "replay"));
  EXPECT_TRUE(has_feature((*backend)->capabilities(), Feature::independent_ranks));
  EXPECT_FALSE(has_feature((*backend)->capabilities(), Feature::equal_ranks));
}

TEST(Claims, HoldNoUnknownPromiseAndNoTwoThatContradictEachOther) {
  EXPECT_THAT(
      error_of(faulty("unknown_promise")).message,
      HasSubstr("claims 'good_weather' among its promises: known are batch_split, coupled_thresholds, "
                "independent_ranks, equal_ranks, replay"));
  EXPECT_THAT(error_of(faulty("two_promises")).message,
              HasSubstr("promises independent_ranks and equal_ranks: only one of them can hold"));
}

TEST(OpenPlugin, TellsRankAndWorldSize) {
  const auto alone = open_plugin(faulty("tell_config"));
  ASSERT_TRUE(alone);
  EXPECT_THAT((*alone)->capabilities().notes.at(0), HasSubstr(R"("rank":0,"world_size":1)"));
  const auto third = open_plugin(faulty("tell_config"), 2, 4);
  ASSERT_TRUE(third);
  EXPECT_THAT((*third)->capabilities().notes.at(0), HasSubstr(R"("rank":2,"world_size":4)"));
}

TEST(Forward, TextsWithoutAnEndAreCutAtTheirArray) {
  const auto error = forward_of("unterminated_text");
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error().message, std::string(DROPCHECK_TEXT_BYTES, 'x'));
  const auto warnings = forward_of("unterminated_warnings");
  ASSERT_TRUE(warnings);
  EXPECT_THAT(warnings->warnings, ::testing::ElementsAre(std::string(DROPCHECK_TEXT_BYTES, 'w')));
}

TEST(Forward, AWriteBehindTheTensorIsFoundByTheGuard) {
  const auto backend = open_plugin(faulty("write_past_end"));
  ASSERT_TRUE(backend);
  OneCall one(**backend);
  ASSERT_TRUE((*backend)->forward(one.call));
  ASSERT_TRUE(one.y->fault("y", true));
  EXPECT_THAT(*one.y->fault("y", true), HasSubstr("writes past its bounds"));
}

TEST(Backward, OfAPluginThatThrowsUnsupportedIsUnsupported) {
  const auto backend = open_plugin(faulty());
  ASSERT_TRUE(backend);
  OneCall one(**backend);
  const auto seen = (*backend)->backward({SavedToken{1}, one.call.x, one.call.y});
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::unsupported);
  (*backend)->release(SavedToken{12345});  // unknown tokens are ignored
}

TEST(Backward, OfATableWithoutItIsUnsupported) {
  const auto backend = open_plugin(DROPCHECK_MINIMAL_C);
  ASSERT_TRUE(backend) << backend.error().message;
  OneCall one(**backend);
  const auto seen = (*backend)->backward({SavedToken{1}, one.call.x, one.call.y});
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::unsupported);
  (*backend)->release(SavedToken{1});
}

// --- judged

struct Tally {
  std::uint64_t passed = 0, failed = 0, errors = 0;
  std::string first_problem;
};

Tally judged(const std::string& path, const std::string& glob = "") {
  Registry registry;
  suites::register_suites(registry);
  registry.add_backend({"plugin", "plugin:PATH", "in this process", true,
                        [](const std::string& spec, const BackendOptions&) { return open_plugin(spec); }});
  PlanOptions options;
  options.profile = "smoke";
  options.check_glob = glob;
  const auto plan = make_plan(registry, options);
  const std::string spec = "plugin:" + path;
  const auto backend = registry.open(spec, {});
  if (!plan || !backend) throw std::runtime_error("no plan or no plugin");
  Tally tally;
  RunnerEvents events;
  events.on_result = [&](const ResultRecord& r) {
    tally.passed += r.verdict == Verdict::pass ? 1 : 0;
    tally.failed += r.verdict == Verdict::fail ? 1 : 0;
    tally.errors += r.verdict == Verdict::error || r.verdict == Verdict::inconclusive ? 1 : 0;
    if (r.verdict != Verdict::pass && r.verdict != Verdict::unsupported && tally.first_problem.empty())
      tally.first_problem = r.check + " " + r.problem + ": " + r.message;
    return r.verdict;
  };
  RunnerOptions runner;
  runner.lanes = 2;
  std::atomic<bool> stop{false};
  run_plan(registry, *plan, spec, (*backend)->capabilities(), runner, events, stop);
  return tally;
}

class CleanPlugins : public ::testing::TestWithParam<const char*> {};

TEST_P(CleanPlugins, PassTheSmokeProfile) {
  const Tally tally = judged(GetParam());
  EXPECT_EQ(tally.failed + tally.errors, 0u) << tally.first_problem;
  EXPECT_GT(tally.passed, 50u);
}

INSTANTIATE_TEST_SUITE_P(Examples, CleanPlugins,
                         ::testing::Values(DROPCHECK_MINIMAL_C, DROPCHECK_MINIMAL_CPP,
                                           DROPCHECK_FAULTY_PLUGIN),
                         [](const auto& row) { return std::filesystem::path(row.param).stem().string(); });

TEST(Examples, InCAndInCppGiveTheSameMasksForTheSameSeed) {
  std::vector<std::vector<float>> outputs;
  for (const char* path : {DROPCHECK_MINIMAL_C, DROPCHECK_MINIMAL_CPP}) {
    const auto backend = open_plugin(path);
    ASSERT_TRUE(backend) << backend.error().message;
    OneCall one(**backend);
    std::vector<float> y(8);
    for (int call = 0; call < 20; ++call) {
      one.call.seed = call == 0 ? std::optional<std::uint64_t>(99) : std::nullopt;
      ASSERT_TRUE((*backend)->forward(one.call));
      std::memcpy(y.data(), one.y->view().data, 8 * sizeof(float));
      outputs.push_back(y);
    }
  }
  ASSERT_EQ(outputs.size(), 40u);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(outputs[i], outputs[20 + i]) << "call " << i;
}

TEST(FaultyPlugins, AreErrorsOrFailuresButNeverPasses) {
  const Tally throws = judged(faulty("throw"), "mask_rate.extremes");
  EXPECT_EQ(throws.passed, 0u);
  EXPECT_GT(throws.errors, 0u);
  EXPECT_THAT(throws.first_problem, HasSubstr("an exception crossed the C boundary"));
  const Tally writes = judged(faulty("write_past_end"), "pytorch_semantics.shape_and_dtype");
  EXPECT_EQ(writes.passed, 0u);
  EXPECT_GT(writes.failed, 0u);
  EXPECT_THAT(writes.first_problem, HasSubstr("writes past its bounds"));
}

// --- packed masks and constant inputs

TEST(PackedMasks, AndConstantsAreAskedForAsTheHeaderSays) {
  const auto backend = open_plugin(DROPCHECK_PACKED_PLUGIN);
  ASSERT_TRUE(backend) << backend.error().message;
  EXPECT_TRUE((*backend)->capabilities().packed_mask && (*backend)->capabilities().constant_input);
  OneCall one(**backend);
  Problem bits;
  bits.dtype = DType::u8;
  bits.shape = {1};
  GuardedTensor mask(*(*backend)->allocate(GuardedTensor::bytes_needed(bits, true)), bits, true);
  const CallTensor y = one.call.y, x = one.call.x;
  const auto asked = [&](bool constant, bool output) {
    one.call.seed = 5;
    one.call.packed_mask = {&mask.memory(), mask.view()};
    one.call.y = output ? y : CallTensor{};
    one.call.x.memory = constant ? nullptr : x.memory;
    one.call.x.view.data = constant ? nullptr : x.view.data;
    one.call.constant_input = constant ? std::optional(3.0) : std::nullopt;
    mask.poison();
    const auto seen = (*backend)->forward(one.call);
    EXPECT_TRUE(seen) << seen.error().message;
    EXPECT_FALSE(mask.fault("packed_mask", false));
    return seen ? seen->facts.at("asked") : "";
  };
  EXPECT_EQ(asked(false, true), "elements y mask");
  const std::byte first = *mask.view().data;
  EXPECT_EQ(asked(true, true), "constant y mask");
  EXPECT_EQ(*mask.view().data, first);
  for (std::size_t i = 0; i < 8; ++i) {
    float value = 0;
    std::memcpy(&value, y.view.data + 4 * i, sizeof value);
    EXPECT_EQ(value, (std::to_integer<unsigned>(first) >> i & 1u) != 0 ? 6.0f : 0.0f) << i;
  }
  EXPECT_EQ(asked(true, false), "constant mask");
  EXPECT_EQ(*mask.view().data, first);
  EXPECT_EQ(asked(false, false), "elements mask");
}

TEST(PackedMasks, OfAnHonestPluginPassTheSmokeProfile) {
  const Tally tally = judged(DROPCHECK_PACKED_PLUGIN);
  EXPECT_EQ(tally.failed + tally.errors, 0u) << tally.first_problem;
  EXPECT_GT(tally.passed, 50u);
}

class LyingPlugins : public ::testing::TestWithParam<Claim> {};  // config, and part of the message

TEST_P(LyingPlugins, AreFailures) {
  const Tally tally =
      judged(fmt::format("{}?{}", DROPCHECK_PACKED_PLUGIN, GetParam().fault), "mask_rate.drop_rate");
  EXPECT_GT(tally.failed, 0u);
  EXPECT_EQ(tally.passed + tally.errors, 0u);
  EXPECT_THAT(tally.first_problem, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Faults, LyingPlugins,
    ::testing::Values(Claim{"lies_alone",
                            "sent without an output is not that of the output with the same seed"},
                      Claim{"inverted", "the mask sent is not that of the output"},
                      Claim{"not_written", "were never written"}, Claim{"wrong_rate", "drops"}),
    [](const auto& row) { return std::string(row.param.fault); });

TEST(LyingPlugins, FailWhereTheMaskDependsOnTheInputOrHasBitsPastTheEnd) {
  const Tally looks = judged(std::string(DROPCHECK_PACKED_PLUGIN) + "?looks_at_x", "mask_rate.lanes");
  EXPECT_GT(looks.failed, 0u);
  EXPECT_EQ(looks.passed, 0u);
  EXPECT_THAT(looks.first_problem, HasSubstr("the mask depends on the values of x"));
  const Tally padding = judged(std::string(DROPCHECK_PACKED_PLUGIN) + "?padding", "mask_rate.position");
  EXPECT_GT(padding.failed, 0u);
  EXPECT_EQ(padding.passed, 0u);
  EXPECT_THAT(padding.first_problem, HasSubstr("packed_mask: bits past the last of "));
}

TEST(OpenPlugin, KeepsAnExceptionFromOpenInside) {
  const Error e = error_of(faulty("open_throws"));
  EXPECT_THAT(e.message, HasSubstr("thrown by open"));
}

}  // namespace
}  // namespace dropcheck::plugin_host
