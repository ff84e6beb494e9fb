#pragma once
// What the exchanges with one adapter share: its claims, its processes and how it is asked.

#include <optional>
#include <set>
#include <string>

#include "impl/process/protocol.hpp"
#include "tools/adapter_answers.hpp"
#include "tools/adapter_exchanges.hpp"

namespace dropcheck::tools {

/// A `run` request. What is left out is filled in from the claims.
struct RunRequest {
  Shape shape;
  Json p = 0.5;
  bool train = true;
  std::optional<Op> op = {};
  std::optional<DType> dtype = {};
  std::uint64_t seed = 1;  // sent where seeds can be set
  bool continues = false;  // without a seed
  std::vector<std::string> want = {"y"};
  std::optional<Json> fill = {};  // the value of a constant x
  Json further = Json::object();  // members that the request has besides
};

/// The tensors that came back are those that were asked for, in dtype, shape and size.
struct RunAnswer {
  Bytes x;                             // that was sent
  std::map<std::string, Bytes> bytes;  // of what came
  Json header;
  double seconds = 0;

  const Bytes& y() const { return bytes.at("y"); }
};

class AdapterTrial {
 public:
  AdapterTrial(std::string command, const process::Options& deadlines)
      : command_(std::move(command)),
        deadlines_(deadlines),
        main_(command_, deadlines, stray_),
        other_(command_, deadlines, stray_) {}

  // --- what is known

  /// Set by the first exchanges.
  std::optional<process::Claims> claims;
  const Capabilities& capabilities() const { return claims->capabilities; }
  Op op() const;        // that most exchanges are asked with: dropout where it is claimed
  DType dtype() const;  // f32 where it is claimed
  bool has_seeds() const;
  std::uint64_t highest_seed() const;
  const process::Stray& stray() const { return stray_; }
  const process::Options& deadlines() const { return deadlines_; }

  /// `extents`, with as many further small extents as the operator needs.
  Shape shape_of(Op op, Shape extents) const;
  Shape small() const { return shape_of(op(), {3, 4}); }
  /// 4096 places for entries of a mask: two masks agree by chance with probability 2^-4096.
  Shape wide() const { return shape_of(op(), {64, 64}); }

  // --- asking; each throws Stop when the answer is not one

  /// The process that most exchanges are asked of, started again when it was lost.
  AdapterSession& main() { return running(main_); }
  /// A second one beside it.
  AdapterSession& other() { return running(other_); }
  /// Starts a session's process, in place of one that runs.
  RawReply start(AdapterSession& session, const Json& further = Json::object());
  AdapterSession& main_session() { return main_; }
  AdapterSession& other_session() { return other_; }

  RawReply ask(AdapterSession& session, const Json& header, BytesView bytes = {});
  /// A request and a reply of any content.
  RawReply ask_run(AdapterSession& session, const RunRequest& request);
  /// Stops unless the tensors asked for came.
  RunAnswer run(const RunRequest& request) { return run(main(), request); }
  RunAnswer run(AdapterSession& session, const RunRequest& request);
  /// dx of the call that was saved under this number, for dy.
  Bytes backward(const Json& saved, BytesView dy, const Shape& shape);
  /// The refusal that a reply carries, if it is one. Remembers those without a message.
  std::optional<Error> refusal_in(const RawReply& reply);
  const std::set<std::string>& silent_refusals() const { return silent_refusals_; }

  /// What was sent for x.
  Bytes values_of(const RunRequest& request) const;

  /// Why nothing more is tried; empty while something is.
  const std::string& given_up() const { return given_up_; }
  void give_up(std::string reason) { given_up_ = std::move(reason); }

 private:
  AdapterSession& running(AdapterSession& session);
  [[noreturn]] void stop_for(const Error& error);
  Json header_of(const RunRequest& request) const;

  std::string command_;
  process::Options deadlines_;
  process::Stray stray_;
  AdapterSession main_, other_;
  std::set<std::string> silent_refusals_;
  unsigned starts_ = 0, timeouts_ = 0;
  std::string given_up_;
};

/// How an error of a session or a refusal of something claimed stands in the table.
Finding finding_of(const Error& error);

}  // namespace dropcheck::tools
