#include "impl/worker/messages.hpp"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>

#include "harness/testing/rc_gtest.hpp"
#include "harness/testing/scripted_backend.hpp"

namespace dropcheck::worker {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kBytes = 4096;

/// One allocation that both sides call number 5.
struct Lent {
  std::unique_ptr<Memory> memory = *heap_memory(kBytes);
  MemoryId id = [](const Memory&) { return std::uint64_t{5}; };
  FindMemory find = [this](std::uint64_t number) { return number == 5 ? memory.get() : nullptr; };

  CallTensor tensor(std::size_t at = 0) const {
    CallTensor t;
    t.memory = memory.get();
    t.view = {memory->data() + at, DType::f32, {3, 4}, {8, 2}};
    return t;
  }
};

void expect_same(const CallTensor& a, const CallTensor& b) {
  EXPECT_EQ(a.memory, b.memory);
  EXPECT_EQ(a.view.data, b.view.data);
  EXPECT_EQ(a.view.dtype, b.view.dtype);
  EXPECT_EQ(a.view.shape, b.view.shape);
  EXPECT_EQ(a.view.strides, b.view.strides);
}

/// Over the wire as text.
Json sent(const Json& json) { return Json::parse(json.dump()); }

TEST(CallMessage, SurvivesWithAllItsFields) {
  const Lent lent;
  Call call;
  call.op = Op::feature_alpha_dropout;
  call.p = 0.1;
  call.mode = Mode::eval;
  call.in_place = true;
  call.seed = 0xFFFFFFFFFFFFFFFFu;
  call.offset = 1u << 31;
  call.threads = 8;
  call.save_for_backward = true;
  call.x = lent.tensor(16);
  call.mask = lent.tensor(512);
  const auto back = call_from(sent(to_json(call, lent.id)), lent.find);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->op, call.op);
  EXPECT_EQ(back->mode, call.mode);
  EXPECT_EQ(back->in_place, call.in_place);
  EXPECT_EQ(back->seed, call.seed);
  EXPECT_EQ(back->offset, call.offset);
  EXPECT_EQ(back->threads, call.threads);
  EXPECT_EQ(back->save_for_backward, call.save_for_backward);
  expect_same(back->x, call.x);
  expect_same(back->mask, call.mask);
  EXPECT_FALSE(back->y);
}

TEST(CallMessage, CarriesPackedMasksAndInputsWithoutMemory) {
  const Lent lent;
  for (const double value : {1.0, -0.0, 0x1p-1074, std::numeric_limits<double>::infinity()}) {
    Call call;
    call.x.view = {nullptr, DType::bf16, {3, 4, 5}, {20, 5, 1}};
    call.constant_input = value;
    call.packed_mask = lent.tensor(64);
    const auto back = call_from(sent(to_json(call, lent.id)), lent.find);
    ASSERT_TRUE(back) << back.error().message;
    expect_same(back->x, call.x);
    ASSERT_TRUE(back->constant_input);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(*back->constant_input), std::bit_cast<std::uint64_t>(value));
    expect_same(back->packed_mask, call.packed_mask);
    EXPECT_FALSE(back->y);
  }
  Call plain;
  plain.x = lent.tensor();
  EXPECT_FALSE(call_from(sent(to_json(plain, lent.id)), lent.find)->constant_input);
}

TEST(CallMessage, WithoutXNeedsAConstantAndAPossibleShape) {
  const Lent lent;
  Call call;
  call.x.view = {nullptr, DType::f32, {3, 4}, {4, 1}};
  call.constant_input = 1.0;
  const Json good = sent(to_json(call, lent.id));
  ASSERT_TRUE(call_from(good, lent.find));
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  for (const auto& [key, value] : {std::pair<const char*, Json>{"constant", nullptr},
                                   {"constant", 1.5},
                                   {"constant", "1"},
                                   {"dtype", "f12"},
                                   {"shape", {-3, 4}},
                                   {"shape", {0, 4}},
                                   {"shape", {huge, 4}},
                                   {"shape", {huge}},
                                   {"shape", "3,4"},
                                   {"shape", {1, 1, 1, 1, 1, 1, 1, 1, 1}}}) {
    Json bad = good;
    bad["constant_x"][key] = value;
    const auto back = call_from(bad, lent.find);
    ASSERT_FALSE(back) << key << " " << value;
    EXPECT_EQ(back.error().code, ErrorCode::protocol);
  }
  Json none = good;
  none.erase("constant_x");
  EXPECT_FALSE(call_from(none, lent.find)) << "no x at all";
  Json both = good;
  Call with_memory;
  with_memory.x = lent.tensor();
  both["x"] = to_json(with_memory, lent.id)["x"];
  EXPECT_FALSE(call_from(both, lent.find)) << "x twice";
}

TEST(CallMessage, KeepsEveryBitOfP) {
  const Lent lent;
  for (const double p : {0.1, -0.0, 0x1p-1074, std::numeric_limits<double>::infinity(),
                         -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN(),
                         std::bit_cast<double>(0xfff8000000001234u)}) {
    Call call;
    call.p = p;
    call.x = lent.tensor();
    const auto back = call_from(sent(to_json(call, lent.id)), lent.find);
    ASSERT_TRUE(back);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(back->p), std::bit_cast<std::uint64_t>(p));
  }
}

TEST(BackwardMessage, Survives) {
  const Lent lent;
  const BackwardCall call{SavedToken{0x8000000000000001u}, lent.tensor(0), lent.tensor(1024)};
  const auto back = backward_from(sent(to_json(call, lent.id)), lent.find);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->saved.id, call.saved.id);
  expect_same(back->dy, call.dy);
  expect_same(back->dx, call.dx);
}

TEST(ObservationMessage, SurvivesFullAndEmpty) {
  Observation full;
  full.produced_shape = {3, 0, 4};
  full.produced_strides = {4, 4, 1};
  full.produced_dtype = DType::bf16;
  full.aliases_input = false;
  full.version_delta = 1;
  full.rng_words = 0xFFFFFFFFFFFFFFFFu;
  full.effective_p = 25.0 / 256;
  full.warnings = {"one", "two"};
  full.saved.id = 77;
  const auto back = observation_from(sent(to_json(full)));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->produced_shape, full.produced_shape);
  EXPECT_EQ(back->produced_strides, full.produced_strides);
  EXPECT_EQ(back->produced_dtype, full.produced_dtype);
  EXPECT_EQ(back->aliases_input, full.aliases_input);
  EXPECT_EQ(back->version_delta, full.version_delta);
  EXPECT_EQ(back->rng_words, full.rng_words);
  EXPECT_EQ(back->effective_p, full.effective_p);
  EXPECT_EQ(back->warnings, full.warnings);
  EXPECT_EQ(back->saved.id, full.saved.id);
  const auto empty = observation_from(sent(to_json(Observation{})));
  ASSERT_TRUE(empty);
  EXPECT_FALSE(empty->produced_dtype || empty->aliases_input || empty->version_delta || empty->rng_words ||
               empty->effective_p);
}

Capabilities odd_capabilities() {
  Capabilities c = dropcheck::testing::ScriptedBackend::all_claims();
  c.library = "/lib/libodd.so";
  c.device = "abacus";
  c.exact_stream = "some-stream";
  c.notes = {"a fact", "another"};
  c.seed_semantics = SeedSemantics::per_call;
  c.seed_bits = 31;
  c.mask_output = false;
  c.recompute = true;
  c.promises = {"batch_split", "replay"};
  return c;
}

TEST(CapabilitiesMessage, Survives) {
  const Capabilities c = odd_capabilities();
  const auto back = capabilities_from(sent(to_json(c)));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->name, c.name);
  EXPECT_EQ(back->version, c.version);
  EXPECT_EQ(back->library, c.library);
  EXPECT_EQ(back->device, c.device);
  EXPECT_EQ(back->exact_stream, c.exact_stream);
  EXPECT_EQ(back->notes, c.notes);
  EXPECT_EQ(back->ops, c.ops);
  EXPECT_EQ(back->dtypes, c.dtypes);
  EXPECT_EQ(back->layouts, c.layouts);
  EXPECT_EQ(back->seed_semantics, c.seed_semantics);
  EXPECT_EQ(back->seed_bits, c.seed_bits);
  EXPECT_EQ(back->offset_unit, c.offset_unit);
  EXPECT_EQ(back->backward, c.backward);
  EXPECT_EQ(back->in_place, c.in_place);
  EXPECT_EQ(back->threads, c.threads);
  EXPECT_EQ(back->mask_output, c.mask_output);
  EXPECT_EQ(back->packed_mask, c.packed_mask);
  EXPECT_EQ(back->constant_input, c.constant_input);
  EXPECT_EQ(back->recompute, c.recompute);
  EXPECT_EQ(back->reports_rng_words, c.reports_rng_words);
  EXPECT_EQ(back->effective_rate, c.effective_rate);
  EXPECT_EQ(back->promises, c.promises);
}

TEST(CapabilitiesMessage, WithAnUnknownPromiseIsRefused) {
  Json json = to_json(odd_capabilities());
  json["promises"] = {"good_weather"};
  EXPECT_FALSE(capabilities_from(json));
}

TEST(CapabilitiesMessage, WithAnImpossibleNumberOfSeedBitsIsRefused) {
  for (const unsigned bits : {0u, 65u}) {
    Json json = to_json(odd_capabilities());
    json["seed_bits"] = bits;
    EXPECT_FALSE(capabilities_from(json)) << bits;
  }
}

TEST(ErrorMessage, KeepsCodeAndText) {
  for (const ErrorCode code :
       {ErrorCode::invalid_argument, ErrorCode::unsupported, ErrorCode::resource_exhausted,
        ErrorCode::backend_failed, ErrorCode::protocol}) {
    const auto back = error_in(sent(to_json(Error{code, "it did not work"})));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->code, code);
    EXPECT_EQ(back->message, "it did not work");
  }
  EXPECT_FALSE(error_in(Json::object()));
}

TEST(ErrorMessage, CannotPretendThatTheWorkerDied) {
  const auto back = error_in({{"error", "crashed"}, {"message", "not really"}});
  ASSERT_TRUE(back);
  EXPECT_EQ(back->code, ErrorCode::backend_failed);
}

struct Misplaced {
  const char* name;
  const char* field;
  Json value;
};

TEST(TensorMessage, OutsideItsMemoryIsRefused) {
  const Lent lent;
  Call call;
  call.x = lent.tensor();
  const Json good = to_json(call, lent.id);
  ASSERT_TRUE(call_from(good, lent.find));
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  for (const Misplaced& m :
       {Misplaced{"unknown memory", "memory", 6}, Misplaced{"begins behind the end", "at", kBytes + 1},
        Misplaced{"ends behind the end", "at", kBytes - 8},
        Misplaced{"far offset", "at", 0xFFFFFFFFFFFFFFFFu},
        Misplaced{"larger element", "dtype", "unheard-of"},
        Misplaced{"long row", "shape", Json::array({3, 2000})},
        Misplaced{"overflowing extent", "shape", Json::array({huge, huge})},
        Misplaced{"negative extent", "shape", Json::array({-3, 4})},
        Misplaced{"other rank", "shape", Json::array({3, 4, 5})},
        Misplaced{"negative stride", "strides", Json::array({-8, 2})},
        Misplaced{"overflowing stride", "strides", Json::array({huge, huge})},
        Misplaced{"no list", "strides", "8,2"}}) {
    Json bad = good;
    bad["x"][m.field] = m.value;
    const auto back = call_from(bad, lent.find);
    ASSERT_FALSE(back) << m.name;
    EXPECT_EQ(back.error().code, ErrorCode::protocol) << m.name;
  }
}

TEST(TensorMessage, ThatEndsExactlyAtTheEndIsAccepted) {
  const Lent lent;
  Call call;
  call.x = lent.tensor();
  call.x.view.shape = {kBytes / sizeof(float)};
  call.x.view.strides = {1};
  EXPECT_TRUE(call_from(to_json(call, lent.id), lent.find));
  call.x.view.shape = {kBytes / sizeof(float) + 1};
  EXPECT_FALSE(call_from(to_json(call, lent.id), lent.find));
}

TEST(TensorMessage, WithTooManyDimensionsIsRefused) {
  const Lent lent;
  Call call;
  call.x = lent.tensor();
  call.x.view.shape = std::vector<std::int64_t>(kMaxRank + 1, 1);
  call.x.view.strides = call.x.view.shape;
  EXPECT_FALSE(call_from(to_json(call, lent.id), lent.find));
}

/// Any JSON value, nested a little.
Json any_json(int depth = 2) {
  switch (*rc::gen::inRange(0, depth > 0 ? 9 : 7)) {
    case 0: return nullptr;
    case 1: return *rc::gen::arbitrary<bool>();
    case 2: return *rc::gen::arbitrary<std::int64_t>();
    case 3: return *rc::gen::arbitrary<std::uint64_t>();
    case 4: return *rc::gen::element(0.5, -1e300, 1e300, 18446744073709551616.0);
    case 5: return *rc::gen::element(std::string(), std::string("f32"), std::string("dropout"));
    case 6: return -1;
    case 7: {
      Json list = Json::array();
      for (int i = *rc::gen::inRange(0, 12); i > 0; --i) list.push_back(any_json(depth - 1));
      return list;
    }
    default: {
      Json object = Json::object();
      for (const char* key : {"memory", "at", "shape"})
        if (*rc::gen::arbitrary<bool>()) object[key] = any_json(depth - 1);
      return object;
    }
  }
}

TEST(HostileMessages, NeverThrowAndNeverReachOutsideTheirMemory) {
  const Lent lent;
  Call call;
  call.seed = 3;
  call.x = lent.tensor();
  call.y = lent.tensor(1024);
  Call constant;
  constant.x.view = {nullptr, DType::f32, {3, 4}, {4, 1}};
  constant.constant_input = 1.0;
  constant.packed_mask = lent.tensor();
  const std::vector<Json> valid = {
      to_json(call, lent.id),
      to_json(constant, lent.id),
      to_json(BackwardCall{SavedToken{1}, lent.tensor(), lent.tensor()}, lent.id),
      to_json(Observation{}),
      to_json(odd_capabilities()),
      to_json(Error{ErrorCode::protocol, "text"})};
  DROPCHECK_PROPERTY([&] {
    Json message = *rc::gen::elementOf(valid);
    for (int changes = *rc::gen::inRange(1, 4); changes > 0; --changes) {
      Json* at = &message;
      while (at->is_structured() && !at->empty() && (at == &message || *rc::gen::arbitrary<bool>())) {
        auto child = at->begin();
        std::advance(child, *rc::gen::inRange<std::size_t>(0, at->size()));
        at = &*child;
      }
      *at = any_json();
    }
    const auto forward = call_from(message, lent.find);
    if (forward)
      for (const CallTensor* t : {&forward->x, &forward->y, &forward->mask, &forward->packed_mask}) {
        if (!*t || t->view.count() == 0) continue;
        std::int64_t last = 0;
        for (std::size_t d = 0; d < t->view.shape.size(); ++d)
          last += (t->view.shape[d] - 1) * t->view.strides[d];
        const std::byte* end = t->view.data + (last + 1) * static_cast<std::int64_t>(t->view.element_size());
        RC_ASSERT(t->view.data >= lent.memory->data());
        RC_ASSERT(end <= lent.memory->data() + kBytes);
      }
    (void)backward_from(message, lent.find).has_value();
    const auto seen = observation_from(message);
    if (seen) RC_ASSERT(seen->produced_shape.size() <= kMaxRank);
    const auto capabilities = capabilities_from(message);
    if (capabilities) RC_ASSERT(capabilities->seed_bits >= 1u && capabilities->seed_bits <= 64u);
    (void)error_in(message);
  });
}

}  // namespace
}  // namespace dropcheck::worker
