#pragma once
// Reads the fields of one untrusted JSON object. The first thing that is missing or of the wrong type is kept
// as a sentence; nothing is ever thrown.

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reports/json_scalar.hpp"

namespace dropcheck::reports {

class JsonFields {
 public:
  /// `fault` is shared with the readers of nested objects and keeps the first fault. `path` names the object
  /// in it.
  JsonFields(const Json& object, std::string& fault, std::string path = {});

  void text(const char* key, std::string& out);
  void optional_text(const char* key, std::string& out);
  void texts(const char* key, std::vector<std::string>& out);
  void flag(const char* key, bool& out);
  void real(const char* key, double& out);
  void seed(const char* key, std::uint64_t& out);
  void count(const char* key, std::uint64_t& out);
  /// A count that fits an unsigned of 32 bits.
  void small_count(const char* key, unsigned& out);
  /// Calls `read` on an object; returns false when it is absent (a fault unless `optional`).
  bool object(const char* key, const std::function<void(JsonFields)>& read, bool optional = false);
  /// Calls `read` on every object of a list.
  void objects(const char* key, const std::function<void(JsonFields)>& read);
  /// Calls `read` on every member of an object of values.
  void members(const char* key, const std::function<bool(const std::string&, const Json&)>& read,
               const char* wanted);

  /// A word of a closed list.
  template <typename Word, typename From>
  void word(const char* key, Word& out, From from) {
    std::string name;
    text(key, name);
    if (failed()) return;
    if (const auto value = from(name)) {
      out = *value;
    } else {
      fail(key, "holds a word that this version does not know");
    }
  }
  template <typename Word, typename From>
  void words(const char* key, std::vector<Word>& out, From from) {
    std::vector<std::string> names;
    texts(key, names);
    for (const std::string& name : names) {
      const auto value = from(name);
      if (!value) return fail(key, "holds a word that this version does not know");
      out.push_back(*value);
    }
  }

  bool has(const char* key) const { return object_->is_object() && object_->contains(key); }
  bool failed() const { return !fault_->empty(); }
  void fail(std::string_view key, std::string_view what);

 private:
  const Json* find(const char* key);
  std::string path_to(std::string_view key) const;

  const Json* object_;
  std::string* fault_;
  std::string path_;
};

}  // namespace dropcheck::reports
