#include "tools/adapter_session.hpp"

#include <fmt/format.h>

#include <array>

#include "impl/process/protocol.hpp"
#include "impl/process/text.hpp"

namespace dropcheck::tools {
namespace {

using process::Clock;

constexpr std::uint64_t kMoreBytes = std::uint64_t{1} << 20;  // than a sensible reply has
constexpr std::size_t kShownError = 300;                      // of the last words
constexpr milliseconds kOwnEnd{1000};  // for one that is just dying to die in its own way

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Any count that makes sense is believed: whether it fits the tensors is for the exchange to say.
Expected<std::uint64_t> bytes_that_follow(const Json& header, std::uint64_t sent) {
  const auto flag = [&](const char* key) { return header.contains(key) && header[key] == true; };
  if (flag("skipped") || flag("errored")) return std::uint64_t{0};
  if (!header.contains("nbytes")) {
    if (sent > 0 && header.contains("tensors"))
      return Error{ErrorCode::protocol, "it lists tensors and says no 'nbytes'"};
    return std::uint64_t{0};
  }
  const auto bytes = header["nbytes"].get<std::uint64_t>();  // the wire has looked at its type
  const std::uint64_t most = kMoreBytes + 8 * sent;
  if (bytes > most)
    return Error{ErrorCode::protocol,
                 fmt::format("it announces {} bytes where at most {} make sense", bytes, most)};
  return bytes;
}

}  // namespace

AdapterSession::~AdapterSession() {
  if (child_) end(milliseconds(0));
}

Expected<RawReply> AdapterSession::start(const Json& further) {
  if (child_) end(milliseconds(0));
  auto child = process::Child::start(command_, deadlines_.limits);
  if (!child) return child.error();
  child_ = std::move(*child);
  wire_.emplace(*child_, stray_);
  has_run_ = false;
  Json header = process::start_request().header;
  header.update(further);
  auto reply = ask(header);
  if (reply) start_reply_ = reply->header;
  return reply;
}

Expected<RawReply> AdapterSession::ask(const Json& header, BytesView bytes) {
  if (!child_) return Error{ErrorCode::internal, "no process of the adapter runs"};
  const std::string cmd = header.value("cmd", "");
  const milliseconds limit =
      cmd == "start" || (cmd == "run" && !has_run_) ? deadlines_.first : deadlines_.every;
  const std::uint64_t sent = bytes.size();
  process::Message message{header, {}};
  if (!bytes.empty()) message.parts.push_back(bytes);
  const auto begin = Clock::now();
  auto reply = wire_->exchange(
      std::move(message), [sent](const Json& line) { return bytes_that_follow(line, sent); }, begin + limit);
  if (!reply) return lost(reply.error(), limit);
  has_run_ = has_run_ || cmd == "run";
  return RawReply{std::move(reply->header), Bytes(reply->payload.begin(), reply->payload.end()),
                  seconds_since(begin)};
}

void AdapterSession::count_from(std::uint64_t seq) {
  if (wire_) wire_->count_from(seq);
}

Expected<SessionEnd> AdapterSession::stop(milliseconds patience) {
  const auto begin = Clock::now();
  if (auto reply = ask({{"cmd", "stop"}}); !reply) return reply.error();
  SessionEnd ended;
  std::array<std::byte, 4096> after;
  while (!ended.by_itself) {
    const auto progress = child_->pump({}, {}, after, begin + patience);
    if (!progress) break;
    ended.by_itself = progress->ended;
  }
  ended.seconds = seconds_since(begin);
  // One that closed its output may be on its way out.
  const auto left = std::chrono::duration_cast<milliseconds>(begin + patience - Clock::now());
  ended.text = end(ended.by_itself ? std::max(left, milliseconds(0)) : milliseconds(0));
  ended.by_itself = ended.by_itself && !ended.text.starts_with("did not end");
  ended.left_behind = left_behind_;
  return ended;
}

SessionEnd AdapterSession::close_input(milliseconds patience) {
  SessionEnd ended;
  const auto begin = Clock::now();
  ended.text = end(patience);
  ended.seconds = seconds_since(begin);
  ended.by_itself = !ended.text.starts_with("did not end");
  ended.left_behind = left_behind_;
  return ended;
}

std::uint64_t AdapterSession::standard_error_bytes() const {
  return child_ ? child_->standard_error_bytes() : error_bytes_;
}

std::string AdapterSession::standard_error() const {
  return child_ ? std::string(child_->standard_error()) : last_words_;
}

std::string AdapterSession::end(milliseconds patience) {
  std::string ending = child_->end(patience);
  last_words_ = child_->standard_error();
  error_bytes_ = child_->standard_error_bytes();
  left_behind_ = child_->left_behind();
  wire_.reset();
  child_.reset();
  return ending;
}

Error AdapterSession::lost(const Error& error, milliseconds limit) {
  const bool crashed = error.code == ErrorCode::crashed;
  const std::string ending = end(crashed ? kOwnEnd : milliseconds(0));
  std::string message = error.message;
  if (crashed) message = fmt::format("the program {}: {}", ending, error.message);
  if (error.code == ErrorCode::timeout)
    message = fmt::format("no whole reply within {} s: {}", static_cast<double>(limit.count()) / 1000,
                          error.message);
  if (const std::string words = process::shown_tail(last_words_, kShownError); !words.empty())
    message += fmt::format("; its last words on standard error: {}", words);
  return {error.code, message};
}

}  // namespace dropcheck::tools
