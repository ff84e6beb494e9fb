#include "suites/testing/planted_backend.hpp"

#include <atomic>
#include <cmath>
#include <stdexcept>

#include "harness/core/descriptor.hpp"
#include "harness/core/element.hpp"
#include "harness/run/block_executor.hpp"
#include "harness/run/block_feed.hpp"
#include "harness/run/plan.hpp"
#include "harness/run/seeds.hpp"
#include "harness/testing/scripted_backend.hpp"
#include "reference/scale_forms.hpp"
#include "suites/dialect_file.hpp"
#include "suites/register.hpp"

namespace dropcheck::suites::testing {
namespace {

std::vector<double> numbers_of(const TensorView& view) {
  const std::size_t size = view.element_size();
  std::vector<std::byte> bytes(static_cast<std::size_t>(view.count()) * size);
  gather(view, bytes.data());
  std::vector<double> numbers;
  numbers.reserve(static_cast<std::size_t>(view.count()));
  for (std::size_t at = 0; at < bytes.size(); at += size)
    numbers.push_back(load_element(bytes.data() + at, view.dtype));
  return numbers;
}

void write(const std::vector<double>& numbers, const TensorView& view) {
  const std::size_t size = view.element_size();
  std::vector<std::byte> bytes(numbers.size() * size);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    store_element(numbers[i], bytes.data() + i * size, view.dtype);
  scatter(bytes.data(), view);
}

}  // namespace

PlantedBackend::PlantedBackend() : claims(dropcheck::testing::ScriptedBackend::all_claims()) {}

Dropped PlantedBackend::draw(const Call& call) {
  const double p = rate ? rate(call.p) : call.p;
  Problem problem;
  problem.op = call.op;
  problem.shape = call.x.view.shape;
  const auto elements = static_cast<std::size_t>(call.x.view.count());
  const auto entries = static_cast<std::size_t>(mask_count(problem));
  Dropped dropped(elements, 0);
  for (std::size_t e = 0; e < entries; ++e) {
    const bool drop = static_cast<double>(engine_() >> 11) * 0x1p-53 < p;
    const std::size_t inner = elements / entries;
    for (std::size_t i = 0; i < inner; ++i) dropped[e * inner + i] = drop ? 1 : 0;
  }
  return dropped;
}

Expected<Observation> PlantedBackend::forward(const Call& call) {
  if (instead)
    if (auto answer = instead(call)) return *answer;
  if (!(call.p >= 0 && call.p <= 1)) return Error{ErrorCode::invalid_argument, "p must lie in [0, 1]"};
  if (call.seed) {
    engine_.seed(*call.seed);
    since_seed_ = 0;
  } else {
    ++since_seed_;
  }
  if (before_drawing) before_drawing(call, engine_);
  const TensorView& out = call.in_place ? call.x.view : call.y.view;
  const std::vector<double> x = numbers_of(call.x.view);
  const Drawn drawn{call, x, since_seed_};
  Observation seen;
  std::vector<double> y = x;
  Dropped dropped(x.size(), 0);
  if (call.mode == Mode::eval) {
    for (double& value : y) value = spoil_eval ? spoil_eval(value) : value;
  } else {
    if (call.p > 0 && call.p < 1) dropped = draw(call);
    if (call.p == 1) dropped.assign(x.size(), 1);
    if (spoil_mask) spoil_mask(drawn, dropped);
    const bool scales = call.p > 0 && call.p < 1;
    const reference::ScaleRule rule(reference::scale_forms(out.dtype)[0], scales ? call.p : 0.5, out.dtype);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const bool drop = dropped[i] != 0;
      if (is_alpha(call.op) && scales) {
        const auto branches = reference::alpha_values(x[i], call.p, out.dtype);
        y[i] = drop ? branches.dropped : branches.kept;
      } else {
        y[i] = drop ? 0.0 : scales ? rule(x[i]) : x[i];
      }
      if (spoil_value) y[i] = spoil_value(drawn, i, drop, y[i]);
    }
  }
  write(y, out);
  if (call.mask) {
    std::vector<std::byte> kept(dropped.size());
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const auto value = static_cast<std::uint8_t>(1 - dropped[i]);
      kept[i] = std::byte{spoil_returned_mask ? spoil_returned_mask(i, value) : value};
    }
    scatter(kept.data(), call.mask.view);
  }
  if (call.save_for_backward) {
    seen.saved.id = ++last_token_;
    saved_[seen.saved.id] = {call.op, call.p, call.mode, std::move(dropped)};
  }
  seen.produced_dtype = out.dtype;
  seen.produced_shape = out.shape;
  if (spoil_observation) spoil_observation(call, seen);
  return seen;
}

double PlantedBackend::kept_gradient(const Saved& saved, double dy, DType dtype) const {
  const bool plain = !is_alpha(saved.op);
  if (saved.mode == Mode::eval)
    return plain && eval_gradients_times_q
               ? reference::ScaleRule(reference::ScaleForm::times_q, saved.p, dtype)(dy)
               : dy;
  if (plain && unscaled_gradients) return dy;
  return reference::kept_gradient(reference::gradient_forms(saved.op, dtype)[0], dy, saved.p, dtype);
}

Expected<Observation> PlantedBackend::backward(const BackwardCall& call) {
  const auto found = saved_.find(call.saved.id);
  if (found == saved_.end()) return Error{ErrorCode::invalid_argument, "unknown token"};
  const Saved& saved = found->second;
  const DType dtype = call.dy.view.dtype;
  const std::vector<double> dy = numbers_of(call.dy.view);
  std::vector<double> dx(dy.size(), 0.0);
  for (std::size_t i = 0; i < dy.size(); ++i) {
    const bool drop = saved.dropped[i] != 0;
    if (!drop) dx[i] = kept_gradient(saved, dy[i], dtype);
    if (spoil_gradient) dx[i] = spoil_gradient(i, drop, dy[i], dx[i]);
  }
  write(dx, call.dx.view);
  return Observation{};
}

const Registry& suites_registry() {
  static const Registry registry = [] {
    Registry made;
    register_suites(made);
    return made;
  }();
  return registry;
}

const Registry& suites_registry(const std::string& dialect) {
  static std::map<std::string, Registry> registries;
  const auto [at, is_new] = registries.try_emplace(dialect);
  if (is_new) register_suites(at->second, builtin_dialect(dialect));
  return at->second;
}

Problem problem_of(const std::string& descriptor) {
  auto problem = parse_descriptor(descriptor);
  if (!problem) throw std::logic_error(problem.error().message);
  return *problem;
}

Judgement judge(const std::string& check_id, const std::string& protocol_id, const std::string& descriptor,
                Backend& backend, const Sampling& sampling) {
  const Registry& registry = sampling.registry != nullptr ? *sampling.registry : suites_registry();
  const Check* check = registry.check(check_id);
  const Protocol* protocol = registry.protocol(protocol_id);
  if (check == nullptr || protocol == nullptr) throw std::logic_error("no such check or protocol");
  const Problem problem = problem_of(descriptor);
  const SampleInfo info{protocol_id, problem, sampling.blocks,
                        problem.calls.value_or(protocol->default_calls)};
  if (!check->applies(info).applies)
    throw std::logic_error(std::string(check_id).append(" does not apply to ").append(descriptor));
  const auto seeds = sample_seeds(sampling.master_seed, info, 1,
                                  seed_slots(*protocol, info, backend.capabilities().seed_semantics),
                                  backend.capabilities().seed_bits);
  const std::atomic<bool> stop{false};
  BlockExecutor executor(backend, std::make_shared<InputCache>(), sampling.instances);
  std::vector<std::unique_ptr<Observer>> merged;
  for (std::uint64_t block = 0; block < info.blocks; ++block) {
    std::vector<std::unique_ptr<Observer>> observer;
    observer.push_back(check->observer(info));
    BlockFeed feed(observer, protocol->streaming, backend.capabilities().effective_rate, block);
    const auto trouble = executor.run(
        *protocol, info, block, seeds[block], [&](const StepRecord& record) { feed.observe(record); }, stop);
    feed.finish();
    if (trouble) {
      Judgement judgement;
      judgement.verdict = trouble->verdict;
      judgement.message = std::string("trouble: ").append(trouble->message);
      return judgement;
    }
    if (merged.empty()) merged = std::move(observer);
    else merged[0]->merge(*observer[0]);
  }
  JudgeContext context;
  context.sample = info;
  context.p = problem.p;
  context.alpha = check->is_exact() ? 0 : sampling.alpha;
  context.pit_key = pit_key(sampling.master_seed, info, check_id, 1);
  context.capabilities = &backend.capabilities();
  return check->judge(*merged[0], context);
}

}  // namespace dropcheck::suites::testing
