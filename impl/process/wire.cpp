#include "impl/process/wire.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "impl/process/members.hpp"

namespace dropcheck::process {
namespace {

constexpr std::size_t kSpillBytes = std::size_t{1} << 16;
constexpr std::size_t kKeptPayload = std::size_t{1} << 26;  // more is given back after the exchange
constexpr std::size_t kShownLine = 200;
constexpr milliseconds kDeafMoment{1000};  // for the last words of a child that reads no more

Error fault(std::string message) { return {ErrorCode::protocol, std::move(message)}; }

/// Brackets that are open at once, as far as a look without parsing tells. Deeper texts are not parsed:
/// copies and prints of a JSON value recurse.
bool is_shallow(std::string_view line) {
  std::size_t depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (in_text && c == '\\') ++i;
    else if (c == '"') in_text = !in_text;
    else if (!in_text && (c == '{' || c == '[') && ++depth > kMaxDepth) return false;
    else if (!in_text && (c == '}' || c == ']') && depth > 0) --depth;
  }
  return true;
}

/// Discarded unless the line is a JSON object (which is what JSON that begins with a brace is).
Json object_in(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos || line[first] != '{' || !is_shallow(line))
    return Json(Json::value_t::discarded);
  return Json::parse(line.begin(), line.end(), nullptr, false);
}

}  // namespace

std::string Stray::summary(std::size_t most_bytes) const {
  if (lines == 0) return {};
  std::string last = shown_tail(text.last(), most_bytes);
  if (text.total() > text.last().size() && !last.starts_with("...")) last.insert(0, "...");
  return fmt::format("{} {}: {}", lines, lines == 1 ? "line" : "lines", last);
}

/// How far one exchange has come.
struct Wire::State {
  std::uint64_t seq = 0;
  const Announced* announced = nullptr;
  std::vector<std::span<const std::byte>> to_send;  // from `sending` on, the first of them in part
  std::size_t sending = 0;
  std::uint64_t sent = 0, send_bytes = 0;
  bool deaf = false;  // the child closed its standard input
  Json header;        // null until it has come
  std::size_t got = 0;

  bool has_header() const { return !header.is_null(); }
};

Expected<Reply> Wire::exchange(Message message, const Announced& announced, Clock::time_point deadline) {
  State state;
  state.seq = next_seq_++;
  state.announced = &announced;
  std::uint64_t bytes = 0;
  for (const auto part : message.parts) bytes += part.size();
  message.header["seq"] = state.seq;
  if (bytes > 0) message.header["nbytes"] = bytes;
  std::string line = message.header.dump(-1, ' ', false, Json::error_handler_t::replace);
  line += '\n';
  if (line.size() > kMaxLineBytes) return Error{ErrorCode::internal, "a request to the adapter is too long"};
  state.to_send.push_back(std::as_bytes(std::span(line)));
  for (const auto part : message.parts)
    if (!part.empty()) state.to_send.push_back(part);
  state.send_bytes = line.size() + bytes;
  spill_.resize(kSpillBytes);
  if (payload_.capacity() > kKeptPayload) std::vector<std::byte>().swap(payload_);
  payload_.clear();

  while (true) {
    if (Status looked = look_at_lines(state); !looked) return looked.error();
    const bool all_sent = state.deaf || state.sending == state.to_send.size();
    if (all_sent && state.has_header() && state.got == payload_.size()) break;
    if (Status moved = advance(state, deadline); !moved) return moved.error();
    if (state.deaf) deadline = std::min(deadline, Clock::now() + kDeafMoment);
  }
  if (Status rest = look_at_rest(); !rest) return rest.error();
  return Reply{std::move(state.header), payload_};
}

Status Wire::advance(State& state, Clock::time_point deadline) {
  const bool sends = !state.deaf && state.sending < state.to_send.size();
  const auto out = sends ? state.to_send[state.sending] : std::span<const std::byte>();
  auto progress = child_.pump(out, std::span(payload_).subspan(state.got), spill_, deadline);
  if (!progress) {
    // One that reads no more has in fact ended, though its process may go on.
    if (progress.error().code == ErrorCode::timeout)
      return Error{state.deaf ? ErrorCode::crashed : ErrorCode::timeout, progress_of(state)};
    return progress.error();
  }
  state.deaf = state.deaf || progress->input_closed;
  state.sent += progress->written;
  if (progress->written > 0) {
    auto& part = state.to_send[state.sending];
    part = part.subspan(progress->written);
    if (part.empty()) ++state.sending;
  }
  const std::size_t for_payload = std::min(progress->read, payload_.size() - state.got);
  state.got += for_payload;
  pending_.append(reinterpret_cast<const char*>(spill_.data()), progress->read - for_payload);
  if (progress->ended) return Error{ErrorCode::crashed, progress_of(state)};
  return Done{};
}

Status Wire::look_at_lines(State& state) {
  // Bytes of a frame that is not whole yet are no lines.
  while (state.got == payload_.size()) {
    const std::size_t end = pending_.find('\n', std::max(begin_, searched_));
    if (end == std::string::npos) {
      pending_.erase(0, begin_);
      begin_ = 0;
      searched_ = pending_.size();
      if (pending_.size() > kMaxLineBytes)
        return fault(fmt::format("a line on standard output is longer than {} bytes: '{}'", kMaxLineBytes,
                                 shown_head(pending_, kShownLine)));
      return Done{};
    }
    const std::string_view line = std::string_view(pending_).substr(begin_, end - begin_);
    if (line.size() > kMaxLineBytes)
      return fault(fmt::format("a line on standard output is longer than {} bytes: '{}'", kMaxLineBytes,
                               shown_head(line, kShownLine)));
    begin_ = searched_ = end + 1;
    Json object = object_in(line);
    if (!object.is_discarded() && object.contains("seq")) {
      if (Status begun = begin_payload(state, std::move(object)); !begun) return begun;
      continue;
    }
    if (!is_text(line))
      return fault(
          fmt::format("{} bytes that are no text stand between frames: something was printed inside a "
                      "frame, or nbytes was smaller than what was sent",
                      line.size() + 1));
    if (object.is_discarded() && line.find("\"seq\"") != std::string_view::npos)
      return fault(
          fmt::format("a line speaks of \"seq\" and is no JSON object: '{}' (end other output with a line "
                      "feed, or send it to standard error)",
                      shown_head(line, kShownLine)));
    ++stray_.lines;
    stray_.text.add(std::string_view(pending_).substr(begin_ - line.size() - 1, line.size() + 1));
  }
  return Done{};
}

Status Wire::begin_payload(State& state, Json header) {
  const Json& seq = header["seq"];
  if (state.has_header())
    return fault(fmt::format("a second reply, to seq {}, follows the one to seq {}", shown(seq), state.seq));
  if (!seq.is_number_integer() || seq != state.seq)
    return fault(fmt::format("it replies to seq {} instead of {}", shown(seq), state.seq));
  std::uint64_t bytes = 0;
  if (header.contains("nbytes")) {
    if (!header["nbytes"].is_number_unsigned())
      return fault(
          fmt::format("it announces nbytes {}: an integer from 0 on is needed", shown(header["nbytes"])));
    bytes = header["nbytes"].get<std::uint64_t>();
  }
  const auto expected = (*state.announced)(header);
  if (!expected) return expected.error();
  if (bytes != *expected)
    return fault(fmt::format("it announces {} bytes where {} must follow", bytes, *expected));
  try {
    payload_.resize(bytes);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::resource_exhausted, fmt::format("no memory for a reply of {} bytes", bytes)};
  }
  state.got = std::min<std::size_t>(payload_.size(), unread().size());
  if (state.got > 0) std::memcpy(payload_.data(), unread().data(), state.got);
  begin_ += state.got;
  searched_ = begin_;
  state.header = std::move(header);
  return Done{};
}

Status Wire::look_at_rest() const {
  if (is_text(unread(), true)) return Done{};
  return fault(
      fmt::format("{} bytes that are no text follow the reply: something was printed inside the frame, or "
                  "nbytes is smaller than what was sent",
                  unread().size()));
}

std::string Wire::progress_of(const State& state) const {
  std::string came;
  if (state.has_header())
    came = fmt::format("{} of the {} bytes of its reply had come", state.got, payload_.size());
  else if (!unread().empty())
    came = fmt::format("half a line had come: '{}'", shown_head(unread(), kShownLine));
  else came = "no reply had come";
  if (state.sent < state.send_bytes)
    came += fmt::format(", and {} of the {} bytes of the request were taken{}", state.sent, state.send_bytes,
                        state.deaf ? " when its standard input closed" : "");
  return came;
}

}  // namespace dropcheck::process
