#include "suites/dialects/row.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "harness/core/descriptor.hpp"
#include "harness/core/element.hpp"
#include "suites/dense_bytes.hpp"

namespace dropcheck::suites {
namespace {

/// The first element at which the bytes differ.
std::size_t first_difference(const std::vector<std::byte>& a, const std::vector<std::byte>& b,
                             std::size_t element) {
  const std::size_t n = std::min(a.size(), b.size());
  const auto at = std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n), b.begin()).first;
  return static_cast<std::size_t>(at - a.begin()) / element;
}

}  // namespace

Version version_of(std::string_view text) {
  Version version;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    int number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < 0) break;
    version.push_back(number);
    if (next == end || *next != '.') break;
    at = next + 1;
  }
  return version;
}

void RowTrial::test(Statistic statistic, std::string what_failed) {
  statistics_.push_back(std::move(statistic));
  failures_.push_back(std::move(what_failed));
}

Judgement RowTrial::judgement(const std::string& what_held) const {
  Judgement exact = finding_.judgement(what_held);
  const auto add = [](std::string& text, const char* label, const std::vector<std::string>& more) {
    if (more.empty()) return;
    std::vector<std::string> once;
    for (const std::string& m : more)
      if (std::find(once.begin(), once.end(), m) == once.end()) once.push_back(m);
    text.append(fmt::format("; {}{}", label, fmt::join(once, "; ")));
  };
  if (exact.comparisons == 0 && statistics_.empty()) {
    Judgement nothing;
    nothing.verdict = Verdict::unsupported;
    nothing.message = left_out_.empty() ? "nothing of this row can be compared here" : left_out_.front();
    return nothing;
  }
  Judgement judgement = std::move(exact);
  if (judgement.verdict == Verdict::pass && !statistics_.empty()) {
    const std::uint64_t compared = judgement.comparisons;
    Judgement tested =
        judge_statistics(statistics_, std::max<std::uint64_t>(compared, 1), [&](const Statistic& s) {
          for (std::size_t i = 0; i < statistics_.size(); ++i)
            if (statistics_[i].name == s.name) return failures_[i];
          return s.name;
        });
    if (tested.message.empty()) tested.message = what_held;
    judgement = std::move(tested);
  } else {
    judgement.statistics = statistics_;
  }
  if (judgement.verdict == Verdict::pass) add(judgement.message, "", notes_);
  add(judgement.message, "left out: ", left_out_);
  return judgement;
}

std::string RowTrial::place(std::size_t i) const {
  const Step& s = step(i);
  Problem shown = s.problem;
  const double p = shown.p;
  if (!(p >= 0 && p <= 1)) shown.p = 0.5;  // the grammar has no bad p
  std::string text = print_descriptor(shown);
  if (shown.p != p) text.append(fmt::format(" with p = {}", p));
  for (const auto& [name, value] : s.attributes)
    text.append(
        std::visit([&, &key = name](const auto& v) { return fmt::format(", {} {}", key, v); }, value));
  if (reply(i).seed) text.append(fmt::format(", seed {}", *reply(i).seed));
  return fmt::format("call {} ({})", reply(i).index + 1, text);
}

bool RowTrial::answered(std::size_t i) {
  const Reply& r = reply(i);
  if (r.answered()) return true;
  if (r.unsupported() && step(i).skip_unclaimed) {
    leave_out(r.refusal->message);
    return false;
  }
  require(false, [&] { return fmt::format("{} is refused: {}", place(i), r.refusal->message); });
  return false;
}

void RowTrial::require_refusal(std::size_t i, std::string_view text) {
  const Reply& r = reply(i);
  if (r.unsupported() && r.refusal->message.starts_with("the backend does not claim")) {
    leave_out(r.refusal->message);
    return;
  }
  require(!r.answered(), [&] { return fmt::format("{} is accepted; it must be refused", place(i)); });
  if (r.answered()) return;
  if (!is_pytorch()) {
    if (r.refusal->message.find(text) == std::string::npos)
      note(fmt::format("refused in other words than PyTorch's: {}", r.refusal->message));
    return;
  }
  require(r.refusal->message.find(text) != std::string::npos, [&] {
    return fmt::format("{} is refused with the words '{}'; expected are '{}'", place(i), r.refusal->message,
                       text);
  });
}

void RowTrial::require_identity(std::size_t i) {
  if (!answered(i)) return;
  const Reply& r = reply(i);
  const std::size_t size = size_of(step(i).problem.dtype);
  require_all(std::max<std::uint64_t>(r.x.size() / size, 1), differing(r.x, r.y, size), [&] {
    const std::size_t e = first_difference(r.x, r.y, size);
    return fmt::format("{}: {} of {} elements differ from the input; element {} was {} and is {}", place(i),
                       differing(r.x, r.y, size), r.x.size() / size, e, value(i, r.x, e), value(i, r.y, e));
  });
}

void RowTrial::require_equal(std::size_t a, std::size_t b, std::string_view what) {
  if (!answered(a) || !answered(b)) return;
  const std::size_t size = size_of(step(a).problem.dtype);
  const std::uint64_t count = differing(reply(a).y, reply(b).y, size);
  require_all(std::max<std::uint64_t>(reply(a).y.size() / size, 1), count, [&] {
    return fmt::format("{}: {} of {} elements differ, the first is element {}; {} and {}", what, count,
                       reply(a).y.size() / size, first_difference(reply(a).y, reply(b).y, size), place(a),
                       place(b));
  });
}

void RowTrial::require_words(std::size_t i, std::uint64_t words) {
  if (!answered(i)) return;
  const auto& counted = reply(i).seen.rng_words;
  if (!counted) return leave_out("the backend does not count the generator words of a call");
  require(*counted == words, [&] {
    return fmt::format("{} uses {} generator words; it must use {}", place(i), *counted, words);
  });
}

void RowTrial::require_alias(std::size_t i, bool aliases) {
  if (!answered(i)) return;
  const auto& told = reply(i).seen.aliases_input;
  if (!told || !is_pytorch())  // who is lent an output cannot return its input
    return leave_out("whether the result is the input itself is asked of PyTorch only");
  require(*told == aliases, [&] {
    return fmt::format("{} returns {}; it must return {}", place(i),
                       *told ? "the input itself" : "a new tensor",
                       aliases ? "the input itself" : "a new tensor");
  });
}

double RowTrial::value(std::size_t i, const std::vector<std::byte>& bytes, std::size_t e) const {
  const DType dtype = step(i).problem.dtype;
  const std::size_t at = e * size_of(dtype);
  DROPCHECK_CHECK(at + size_of(dtype) <= bytes.size());
  return load_element(bytes.data() + at, dtype);
}

std::size_t RowTrial::elements(std::size_t i, const std::vector<std::byte>& bytes) const {
  return bytes.size() / size_of(step(i).problem.dtype);
}

std::vector<bool> RowTrial::dropped(std::size_t i) const {
  std::vector<bool> drops(elements(i, reply(i).y));
  for (std::size_t e = 0; e < drops.size(); ++e) drops[e] = value(i, reply(i).y, e) == 0;
  return drops;
}

}  // namespace dropcheck::suites
