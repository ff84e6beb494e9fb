// Requests and replies as values; no process.
#include "impl/process/protocol.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "impl/process/members.hpp"
#include "impl/process/testing/one_call.hpp"

namespace dropcheck::process {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::OneCall;

std::string name_of(const auto& info) { return info.param.name; }

struct BadStart {
  const char* name;
  const char* change;  // merged into a good reply; null removes
  const char* message;
};
void PrintTo(const BadStart& bad, std::ostream* out) { *out << bad.name; }

class BadStartTest : public ::testing::TestWithParam<BadStart> {};

Json good_start() { return {{"seq", 0}, {"version", 1}, {"name", "mine"}}; }

TEST_P(BadStartTest, IsAProtocolErrorThatNamesIt) {
  Json reply = good_start();
  reply.merge_patch(Json::parse(GetParam().change));
  const auto claims = claims_from(reply);
  ASSERT_FALSE(claims);
  EXPECT_EQ(claims.error().code, ErrorCode::protocol);
  EXPECT_THAT(claims.error().message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadStartTest,
    ::testing::Values(
        BadStart{"NoVersion", R"({"version":null})", "has no 'version' of the protocol"},
        BadStart{"OtherVersion", R"({"version":2})", "speaks version 2 of the protocol, this is version 1"},
        BadStart{"VersionText", R"({"version":"1"})", "speaks version \"1\""},
        BadStart{"VersionReal", R"({"version":1.0})", "speaks version 1.0"},
        BadStart{"NoName", R"({"name":null})", "gives no 'name'"},
        BadStart{"EmptyName", R"({"name":""})", "gives no 'name'"},
        BadStart{"NameNumber", R"({"name":5})", "has 5 for 'name': text of at most 4096 bytes is needed"},
        BadStart{"UnknownOp", R"({"ops":["dropout","softmax"]})",
                 "claims 'softmax' among its ops: known are dropout,"},
        BadStart{"NoOps", R"({"ops":[]})", "claims no ops"},
        BadStart{"OpsText", R"({"ops":"dropout"})", "has \"dropout\" for 'ops': a list of at most 256 texts"},
        BadStart{"UnknownDtype", R"({"dtypes":["float32"]})",
                 "claims 'float32' among its dtypes: known are f64, f32"},
        BadStart{"DtypeNumber", R"({"dtypes":[32]})", "has 32 for 'dtypes'"},
        BadStart{"UnknownPromise", R"({"promises":["good_weather"]})",
                 "claims 'good_weather' among its promises: known are batch_split,"},
        BadStart{"TwoPromises", R"({"promises":["equal_ranks","independent_ranks"]})",
                 "only one of them can hold"},
        BadStart{"Seeds", R"({"seed_semantics":"sometimes"})", "claims the seed semantics 'sometimes'"},
        BadStart{"NoSeedBits", R"({"seed_bits":0})", "has 0 for 'seed_bits': an integer from 1 to 64"},
        BadStart{"ManySeedBits", R"({"seed_bits":65})", "has 65 for 'seed_bits'"},
        BadStart{"NegativeSeedBits", R"({"seed_bits":-1})", "has -1 for 'seed_bits'"},
        BadStart{"UnknownFeature", R"({"features":["telepathy"]})",
                 "claims 'telepathy' among its features: known are backward, in_place"},
        BadStart{"NotesObject", R"({"notes":{"a":1}})", "has an object for 'notes'"},
        BadStart{"FormsNumbers", R"({"forms":[1]})", "has 1 for 'forms'"}),
    name_of<::testing::TestParamInfo<BadStart>>);

TEST(Claims, AreBounded) {
  Json reply = good_start();
  reply["library"] = std::string(5000, 'x');
  EXPECT_THAT(claims_from(reply).error().message, HasSubstr("text of at most 4096 bytes"));
  reply = good_start();
  reply["notes"] = Json::array();
  for (int i = 0; i < 300; ++i) reply["notes"].push_back("note");
  EXPECT_THAT(claims_from(reply).error().message,
              HasSubstr("has a list for 'notes': a list of at most 256 texts"));
}

TEST(Claims, LeftOutHaveTheirDefaults) {
  const auto claims = claims_from(good_start());
  ASSERT_TRUE(claims) << claims.error().message;
  const Capabilities& c = claims->capabilities;
  EXPECT_EQ(c.name, "mine");
  EXPECT_EQ(c.device, "cpu");
  EXPECT_THAT(c.ops, ElementsAre(Op::dropout));
  EXPECT_THAT(c.dtypes, ElementsAre(DType::f32));
  EXPECT_THAT(c.layouts, ElementsAre(Layout::contiguous));
  EXPECT_EQ(c.seed_semantics, SeedSemantics::none);
  EXPECT_EQ(c.seed_bits, 64u);
  EXPECT_FALSE(c.backward || c.in_place || c.threads || c.mask_output || c.packed_mask || c.constant_input ||
               c.recompute || c.reports_rng_words || c.effective_rate);
}

TEST(Claims, AreReadWhole) {
  const auto claims = claims_from(Json::parse(R"({"seq":0,"version":1,"name":"n","implementation_version":"2",
    "library":"l.so","device":"cuda:0","notes":["a\u0001b"],"ops":["dropout","dropout2d"],"dtypes":["bf16"],
    "seed_semantics":"per_call","seed_bits":32,"offset_unit":"words","features":["mask","rng_words"],
    "exact_stream":"pytorch-cpu","conforms_to":"pytorch","forms":["module"]})"));
  ASSERT_TRUE(claims) << claims.error().message;
  const Capabilities& c = claims->capabilities;
  EXPECT_EQ(c.version, "2");
  EXPECT_EQ(c.library, "l.so");
  EXPECT_EQ(c.device, "cuda:0");
  EXPECT_THAT(c.notes, ElementsAre("a b"));
  EXPECT_THAT(c.ops, ElementsAre(Op::dropout, Op::dropout2d));
  EXPECT_THAT(c.dtypes, ElementsAre(DType::bf16));
  EXPECT_EQ(c.seed_semantics, SeedSemantics::per_call);
  EXPECT_EQ(c.seed_bits, 32u);
  EXPECT_EQ(c.offset_unit, "words");
  EXPECT_EQ(c.exact_stream, "pytorch-cpu");
  EXPECT_EQ(c.conforms_to, "pytorch");
  EXPECT_THAT(c.forms, ElementsAre("module"));
  EXPECT_TRUE(claims->plain_mask && c.mask_output && c.reports_rng_words);
  EXPECT_FALSE(c.packed_mask);
}

TEST(Claims, ThatChangedAreNamed) {
  const auto before = *claims_from(good_start());
  EXPECT_FALSE(changed_claim(before, before));
  const Json others = Json::parse(R"({"name":"other","implementation_version":"9","ops":["dropout2d"],
    "dtypes":["f64"],"seed_semantics":"stateful","seed_bits":8,"features":["mask"],"forms":["module"],
    "device":"tpu","offset_unit":"call","exact_stream":"s","conforms_to":"jax"})");
  for (const auto& [key, value] : others.items()) {
    Json reply = good_start();
    reply[key] = value;
    EXPECT_EQ(changed_claim(before, *claims_from(reply)), key);
  }
}

Claims all_claims() {
  Json reply = good_start();
  reply["features"] = {"backward", "in_place", "threads", "packed_mask", "constant_input"};
  reply["offset_unit"] = "words";
  return *claims_from(reply);
}

/// The header of the request for one call under those claims.
Json header_of(const OneCall& one, const Claims& claims) {
  const auto request = run_request(one.call, claims);
  EXPECT_TRUE(request) << request.error().message;
  return request->message.header;
}

TEST(Request, SaysWhatTheCallSays) {
  OneCall one;
  one.call.seed = std::numeric_limits<std::uint64_t>::max();
  one.call.offset = 8;
  one.call.threads = 3;
  one.call.mode = Mode::eval;
  one.call.attributes = {
      {"form", std::string("module")}, {"defaults", true}, {"k", std::int64_t{5}}, {"z", -0.0}};
  EXPECT_EQ(
      header_of(one, all_claims()),
      Json::parse(R"({"cmd":"run","op":"dropout","p":0.5,"train":false,"seed":18446744073709551615,"offset":8,
      "threads":3,"attributes":{"form":"module","defaults":true,"k":5,"z":"-0"},"want":["y"],
      "tensors":[{"name":"x","dtype":"f32","shape":[6]}]})"));
}

TEST(Request, LeavesOutWhatIsNotClaimed) {
  OneCall one({2, 2, 2, 2, 2, 2});
  one.call.offset = 8;
  one.call.threads = 3;
  one.call.seed.reset();
  EXPECT_EQ(header_of(one, *claims_from(good_start())),
            Json::parse(R"({"cmd":"run","op":"dropout","p":0.5,"train":true,"want":["y"],
      "tensors":[{"name":"x","dtype":"f32","shape":[6]}]})"));
}

TEST(Request, WritesOddProbabilitiesAsTexts) {
  OneCall one;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const auto& [p, wanted] : {std::pair<double, Json>{std::nan(""), "nan"},
                                  {kInfinity, "inf"},
                                  {-kInfinity, "-inf"},
                                  {-0.0, "-0"},
                                  {0.0, 0.0},
                                  {5e-324, 5e-324},
                                  {-1.5, -1.5},
                                  {std::nextafter(1.0, 0.0), std::nextafter(1.0, 0.0)}}) {
    one.call.p = p;
    const Json sent = header_of(one, all_claims())["p"];
    EXPECT_EQ(sent, wanted);
    if (!wanted.is_number()) continue;
    EXPECT_EQ(Json::parse(sent.dump()).get<double>(), p) << "all digits travel";
  }
}

TEST(Request, FillsConstantInputs) {
  OneCall one({2.5, 2.5, 2.5, 2.5, 2.5, 2.5}, {2, 3});
  const auto request = *run_request(one.call, all_claims());
  EXPECT_EQ(request.message.header["fill"],
            Json::parse(R"([{"name":"x","dtype":"f32","shape":[2,3],"value":2.5}])"));
  EXPECT_FALSE(request.message.header.contains("tensors"));
  EXPECT_TRUE(request.message.parts.empty());
  OneCall minus_zero({-0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f});
  EXPECT_EQ(header_of(minus_zero, all_claims())["fill"][0]["value"], "-0");
}

TEST(Request, DoesNotFillWhereABitDiffers) {
  const float nan = std::nanf("");
  for (const std::vector<float>& values : {std::vector<float>{0, 0, 0, 0, 0, -0.0f},
                                           {1, 1, 1, 1, 1, 2},
                                           {2, 1, 1, 1, 1, 1},
                                           {nan, nan, nan, nan, nan, nan}}) {
    const OneCall one(values);
    EXPECT_FALSE(header_of(one, all_claims()).contains("fill"));
  }
  const OneCall empty({}, {0});
  const auto request = *run_request(empty.call, all_claims());
  EXPECT_FALSE(request.message.header.contains("fill"));
  EXPECT_EQ(request.message.header["tensors"][0]["shape"], Json::array({0}));
}

TEST(Request, SendsStridedTensorsDense) {
  OneCall one;
  one.problem.shape = {2, 3};
  one.problem.layout = Layout::transposed;
  const auto x = one.tensor(false);
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  scatter(reinterpret_cast<const std::byte*>(values.data()), x->view());
  one.call.x = {&x->memory(), x->view()};
  const auto request = *run_request(one.call, all_claims());
  ASSERT_EQ(request.message.parts.size(), 1u);
  std::vector<float> sent(6);
  ASSERT_EQ(request.message.parts[0].size(), 24u);
  std::memcpy(sent.data(), request.message.parts[0].data(), 24);
  EXPECT_EQ(sent, values);
}

TEST(Request, AsksForMasksInTheFormThatTheAdapterHas) {
  OneCall one;
  const auto mask = one.tensor(true, DType::u8);
  one.call.mask = {&mask->memory(), mask->view()};
  EXPECT_EQ(header_of(one, all_claims())["want"], Json::array({"y", "packed_mask"}));
  Json reply = good_start();
  reply["features"] = {"mask", "packed_mask"};
  EXPECT_EQ(header_of(one, *claims_from(reply))["want"], Json::array({"y", "mask"}));
}

/// A tensor for the packed mask of six elements.
std::unique_ptr<GuardedTensor> packed_tensor() {
  Problem bits;
  bits.dtype = DType::u8;
  bits.shape = {1};
  return std::make_unique<GuardedTensor>(*heap_memory(GuardedTensor::bytes_needed(bits, true)), bits, true);
}

TEST(Request, AsksForPackedMasksAloneOrBesideTheOutput) {
  OneCall one;
  const auto packed = packed_tensor();
  one.call.packed_mask = {&packed->memory(), packed->view()};
  EXPECT_EQ(header_of(one, all_claims())["want"], Json::array({"y", "packed_mask"}));
  one.call.y = {};
  const auto request = *run_request(one.call, all_claims());
  EXPECT_EQ(request.message.header["want"], Json::array({"packed_mask"}));
  EXPECT_EQ(request.message.header["tensors"][0]["name"], "x");
  const auto bytes =
      bytes_after(Json::parse(R"({"tensors":[{"name":"packed_mask","dtype":"u8","shape":[1]}]})"), request);
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_EQ(*bytes, 1u);
  const auto seen = observation_from(Json::object(), std::vector{std::byte{0b11010110}}, request);
  ASSERT_TRUE(seen);
  EXPECT_EQ(*packed->view().data, std::byte{0b11010110}) << "as it came, with the bits past the end";
  EXPECT_TRUE(seen->produced_shape.empty() && !seen->produced_dtype) << "that is said of y";
  one.call.packed_mask = {};
  EXPECT_EQ(run_request(one.call, all_claims()).error().code, ErrorCode::internal);
}

TEST(Request, FillsAnInputThatHasNoMemory) {
  OneCall one({1, 2, 3, 4, 5, 6}, {2, 3});
  one.call.x.memory = nullptr;
  one.call.x.view.data = nullptr;
  EXPECT_EQ(run_request(one.call, all_claims()).error().code, ErrorCode::internal) << "and no constant";
  one.call.constant_input = 0.1;
  const auto request = *run_request(one.call, all_claims());
  EXPECT_EQ(request.message.header["fill"],
            Json::parse(R"([{"name":"x","dtype":"f32","shape":[2,3],"value":0.1}])"));
  EXPECT_TRUE(request.message.parts.empty());
  EXPECT_EQ(run_request(one.call, *claims_from(good_start())).error().code, ErrorCode::internal)
      << "only to adapters that take it";
}

TEST(Request, CarriesFurtherTensors) {
  OneCall one;
  const auto memory = one.tensor(false), weights = one.tensor(true);
  one.call.inputs.push_back({"memory", {&memory->memory(), memory->view()}});
  one.call.outputs.push_back({"weights", {&weights->memory(), weights->view()}});
  const auto request = *run_request(one.call, *claims_from(good_start()));
  EXPECT_EQ(request.message.header["tensors"][1]["name"], "memory");
  EXPECT_EQ(request.message.header["want"], Json::array({"y", "weights"}));
  EXPECT_EQ(request.message.parts.size(), 2u);
  one.call.outputs.push_back({"y", {&weights->memory(), weights->view()}});
  EXPECT_EQ(run_request(one.call, all_claims()).error().code, ErrorCode::unsupported);
}

TEST(Reply, MustHaveTheTensorsThatWereWantedInTheirOrder) {
  OneCall one;
  const auto mask = one.tensor(true, DType::u8);
  one.call.mask = {&mask->memory(), mask->view()};
  const auto request = *run_request(one.call, all_claims());
  const auto answer = [&](const char* tensors) {
    return bytes_after(Json::parse(fmt::format(R"({{"seq":1,"tensors":{}}})", tensors)), request);
  };
  const std::string y = R"({"name":"y","dtype":"f32","shape":[6]})";
  const std::string packed = R"({"name":"packed_mask","dtype":"u8","shape":[1]})";
  const auto good = answer(fmt::format("[{},{}]", y, packed).c_str());
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(*good, 25u);
  EXPECT_EQ(answer(fmt::format("[{},{}]", packed, y).c_str()).error().message,
            "the reply announces the tensor 'packed_mask' u8 [1] where 'y' f32 [6] was asked for");
  EXPECT_EQ(answer(fmt::format("[{}]", y).c_str()).error().message,
            "the reply lacks the tensor 'packed_mask' u8 [1]");
  EXPECT_EQ(answer(R"([{"name":"y","shape":[6]}])").error().message,
            "the reply announces the tensor 'y' no dtype [6] where 'y' f32 [6] was asked for");
}

TEST(Reply, GoesToItsTensorsAndBitsAreUnpacked) {
  OneCall one;
  const auto mask = one.tensor(true, DType::u8);
  one.call.mask = {&mask->memory(), mask->view()};
  const auto request = *run_request(one.call, all_claims());
  const std::vector<float> y = {0, -4, 6, 0, 10, 0};
  std::vector<std::byte> payload(25);
  std::memcpy(payload.data(), y.data(), 24);
  payload[24] = std::byte{0b11010110};  // the two bits beyond the tensor are nobody's business
  const auto seen =
      observation_from(Json::parse(R"({"seq":1,"effective_p":0.25,"rng_words":18446744073709551615,
      "version_delta":0,"aliases_input":false,"warnings":["a","b"],"facts":{"k":"v"}})"),
                       payload, request);
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(one.output(), y);
  EXPECT_EQ(std::vector<std::byte>(mask->view().data, mask->view().data + 6),
            (std::vector<std::byte>{std::byte{0}, std::byte{1}, std::byte{1}, std::byte{0}, std::byte{1},
                                    std::byte{0}}));
  EXPECT_FALSE(mask->fault("mask", true));
  EXPECT_FALSE(one.y->fault("y", true));
  EXPECT_EQ(seen->effective_p, 0.25);
  EXPECT_EQ(seen->rng_words, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(seen->version_delta, 0);
  EXPECT_EQ(seen->aliases_input, false);
  EXPECT_THAT(seen->warnings, ElementsAre("a", "b"));
  EXPECT_EQ(seen->facts.at("k"), "v");
  EXPECT_THAT(seen->produced_shape, ElementsAre(6));
  EXPECT_EQ(seen->produced_dtype, DType::f32);
}

TEST(Reply, ThatDoesNotFitLeavesTheTensorsAlone) {
  OneCall one;
  one.call.save_for_backward = true;
  const auto request = *run_request(one.call, all_claims());
  for (const char* bad : {R"({"saved":0})", R"({"saved":-1})", R"({"saved":1.5})", R"({})",
                          R"({"saved":"1"})", R"({"saved":1,"effective_p":"nan"})",
                          R"({"saved":1,"rng_words":0.5})", R"({"saved":1,"aliases_input":1})",
                          R"({"saved":1,"facts":{"a":{}}})", R"({"saved":1,"version_delta":-1})"}) {
    const auto seen = observation_from(Json::parse(bad), std::vector<std::byte>(24), request);
    ASSERT_FALSE(seen) << bad;
    EXPECT_EQ(seen.error().code, ErrorCode::protocol) << bad;
  }
  EXPECT_TRUE(one.y->fault("y", true)) << "nothing was written";
}

TEST(Number, TextsAreReadBack) {
  for (const double value : {0.1, -0.0, 0.0, 1e308, std::numeric_limits<double>::infinity()}) {
    Json reply;
    reply["effective_p"] = number_json(value);
    const auto seen = observation_from(reply, {}, stop_request());
    if (value >= 0 && value <= 1) {
      ASSERT_TRUE(seen);
      EXPECT_EQ(seen->effective_p, value);
      EXPECT_EQ(std::signbit(*seen->effective_p), std::signbit(value));
    } else {
      EXPECT_THAT(seen.error().message, HasSubstr("declares the effective drop probability"));
    }
  }
}

TEST(StartRequest, NamesTheRankWhereThereIsMoreThanOne) {
  EXPECT_FALSE(start_request().header.contains("rank"));
  const Json ranked = start_request(1, 2).header;
  EXPECT_EQ(ranked.at("rank"), 1);
  EXPECT_EQ(ranked.at("world_size"), 2);
}

TEST(ChangedClaim, SeesPromisesAndStates) {
  const Claims before = *claims_from(good_start());
  Json reply = good_start();
  reply["promises"] = {"batch_split"};
  EXPECT_EQ(changed_claim(before, *claims_from(reply)), "promises");
  reply = good_start();
  reply["features"] = {"recompute"};
  EXPECT_EQ(changed_claim(before, *claims_from(reply)), "features");
}

TEST(StateBytes, AreBounded) {
  EXPECT_EQ(*state_bytes({{"seq", 1}, {"nbytes", 16u << 20}}), 16u << 20);
  for (const Json& reply :
       {Json{{"seq", 1}}, Json{{"seq", 1}, {"nbytes", 0}}, Json{{"seq", 1}, {"nbytes", (16u << 20) + 1}}}) {
    const auto bytes = state_bytes(reply);
    ASSERT_FALSE(bytes) << reply;
    EXPECT_EQ(bytes.error().code, ErrorCode::protocol);
    EXPECT_THAT(bytes.error().message, HasSubstr("1 to 16777216 are possible"));
  }
  EXPECT_EQ(*state_bytes({{"seq", 1}, {"skipped", true}}), 0u);
}

}  // namespace
}  // namespace dropcheck::process
