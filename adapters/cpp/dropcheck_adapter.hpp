#pragma once
// Serves a dropout written in C++ to dropcheck, from a process of its own. C++17 and POSIX, one header
// without dependencies: copy it beside your code.
//
//   #include "dropcheck_adapter.hpp"
//
//   namespace da = dropcheck::adapter;
//
//   int main() {
//     da::Info info;
//     info.name = "my-dropout";
//     return da::serve(info, [](const da::Call& call, da::Tensor& x) {
//       da::Tensor y = x;
//       my_kernel(y.elements<float>(), y.count(), call.p, call.seed.value(), call.train);
//       return da::Result(std::move(y));
//     });
//   }
//
//   dropcheck run --backend=exec:./my_adapter
//
// In place, the function writes to x, and x is sent back, whatever was returned.
//
// Throw InvalidArgument (or std::invalid_argument) to refuse a request, as a p outside [0, 1] must be, and
// Unsupported for what cannot be done, which is never held against you. std::bad_alloc means that memory ran
// out. Any other exception is a failure.
//
// Standard output belongs to the protocol (harness/abi/adapter_protocol.md): what is printed goes to standard
// error. The other way for C++ is a plugin (harness/abi/dropcheck_plugin.hpp), which is loaded by dropcheck.

#include <fcntl.h>
#include <unistd.h>

#include <any>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <limits>
#include <locale>
#include <map>
#include <new>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dropcheck::adapter {

inline constexpr int kProtocolVersion = 1;
inline constexpr std::size_t kMaxLineBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxTextBytes = 4000;  // of a text in a reply: 4096 with the name of a fact

/// Throw one of these from the judged functions; see above.
struct InvalidArgument : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What the implementation is and can do. Empty means the protocol's default.
struct Info {
  std::string name;
  std::string implementation_version;
  std::string library;
  std::string device;
  std::vector<std::string> notes;
  std::vector<std::string> ops = {"dropout"};
  std::vector<std::string> dtypes = {"f32"};  // words of docs/descriptor.md
  std::string seed_semantics = "per_call";    // or "stateful", "fixed", "none"
  unsigned seed_bits = 64;
  std::string offset_unit;            // needed to get offsets
  bool mask = false;                  // results have a mask
  bool in_place = false;              // writes the result to x when asked to
  bool threads = false;               // sets the number of threads
  bool attributes = false;            // understands Call::attributes; needed to get them
  std::vector<std::string> features;  // further ones: "rng_words", "effective_rate"
  std::vector<std::string> forms;
  std::vector<std::string> promises;  // words that docs/adding_a_backend.md explains, e.g. "batch_split"
  std::string exact_stream;
  std::string conforms_to;
};

/// Bytes of one element of a dtype; 0 for an unknown word.
inline std::size_t item_bytes(std::string_view dtype) {
  if (dtype == "f32" || dtype == "i32") return 4;
  if (dtype == "f64" || dtype == "i64" || dtype == "c64") return 8;
  if (dtype == "f16" || dtype == "bf16") return 2;
  if (dtype == "u8" || dtype == "bool") return 1;
  return dtype == "c128" ? 16 : 0;
}

namespace detail {

/// A product that does not fit is refused.
inline std::size_t product(std::size_t a, std::size_t b) {
  if (b != 0 && a > std::numeric_limits<std::size_t>::max() / 2 / b)
    throw std::runtime_error("a tensor is too large");
  return a * b;
}

inline std::size_t element_count(const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  bool empty = false;
  for (const std::int64_t extent : shape) {
    empty = empty || extent == 0;
    if (extent != 0) count = product(count, static_cast<std::size_t>(extent));
  }
  return empty ? 0 : count;
}

}  // namespace detail

/// A dense tensor in row-major order. Half types are their bit patterns, std::uint16_t.
class Tensor {
 public:
  Tensor() = default;
  /// Every byte is 0. Throws for an unknown dtype.
  Tensor(std::string dtype, std::vector<std::int64_t> shape)
      : dtype_(std::move(dtype)), shape_(std::move(shape)) {
    if (item_bytes(dtype_) == 0) throw std::runtime_error("unknown dtype " + dtype_);
    count_ = detail::element_count(shape_);
    bytes_.resize(detail::product(count_, item_bytes(dtype_)));
  }

  const std::string& dtype() const { return dtype_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::size_t count() const { return count_; }
  std::vector<unsigned char>& bytes() { return bytes_; }
  const std::vector<unsigned char>& bytes() const { return bytes_; }

  /// The first of count() elements. Throws when T has another size than an element.
  template <typename T>
  T* elements() {
    if (sizeof(T) != item_bytes(dtype_)) throw std::runtime_error("elements of another size than " + dtype_);
    return reinterpret_cast<T*>(bytes_.data());  // memory of operator new is aligned for every T here
  }
  template <typename T>
  const T* elements() const {
    return const_cast<Tensor*>(this)->elements<T>();
  }

 private:
  std::string dtype_ = "f32";
  std::vector<std::int64_t> shape_{0};
  std::size_t count_ = 0;
  std::vector<unsigned char> bytes_;
};

/// One request, apart from x.
struct Call {
  std::string op;
  double p = 0;  // may be outside [0, 1] or NaN, to see whether it is refused
  bool train = true;
  bool in_place = false;              // write the result to x
  std::optional<std::uint64_t> seed;  // absent: continue the stream
  std::uint64_t offset = 0;
  unsigned threads = 0;                  // 0: the implementation's default
  std::string attributes;                // a JSON object as text; empty for none
  std::vector<std::string> want;         // of "y", "mask", "packed_mask"; what is not wanted may be left out
  bool save = false;                     // a backward pass will follow
  std::map<std::string, Tensor> inputs;  // further inputs of forms

  bool wants(std::string_view name) const {
    for (const std::string& word : want)
      if (word == name) return true;
    return false;
  }
};

/// What a call returns.
struct Result {
  Result() = default;
  explicit Result(Tensor y_) : y(std::move(y_)) {}

  std::optional<Tensor> y;
  std::optional<std::vector<bool>> mask;  // true: kept
  std::any saved;                         // handed to backward
  std::map<std::string, Tensor> outputs;  // further outputs of forms
  std::optional<std::uint64_t> rng_words;
  std::optional<double> effective_p;
  std::vector<std::string> warnings;
  std::map<std::string, std::string> facts;
};

using Forward = std::function<Result(const Call& call, Tensor& x)>;
/// dx for the call that returned `saved`, which stays until it is released.
using Backward = std::function<Tensor(std::any& saved, const Tensor& dy)>;

// ---- half types

inline std::uint32_t float_bits(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_from_bits(std::uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Rounded to nearest even.
inline std::uint16_t bf16_from_float(float value) {
  const std::uint32_t bits = float_bits(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

inline float float_from_bf16(std::uint16_t pattern) {
  return float_from_bits(static_cast<std::uint32_t>(pattern) << 16);
}

/// Rounded to nearest even, to infinity from 65520 up.
inline std::uint16_t f16_from_float(float value) {
  const std::uint32_t bits = float_bits(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude >= 65520.0f) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x1p-14f) {  // subnormal: multiples of 2^-24; nearbyint rounds to even
    return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(std::nearbyint(magnitude * 0x1p24f)));
  }
  const std::uint32_t rebased = (bits & 0x7fffffffu) - (std::uint32_t{112} << 23);  // exponent bias 127 to 15
  return static_cast<std::uint16_t>(sign | (rebased + 0xfffu + (rebased >> 13 & 1u)) >> 13);
}

inline float float_from_f16(std::uint16_t pattern) {
  const std::uint32_t sign = (pattern & 0x8000u) << 16;
  const std::uint32_t exponent = pattern >> 10 & 0x1fu;
  const std::uint32_t fraction = pattern & 0x3ffu;
  if (exponent == 31) return float_from_bits(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0) return float_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return sign != 0 ? -magnitude : magnitude;
}

namespace detail {

/// The other side broke the framing; nothing after it can be read.
struct WireError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The input ended between two frames.
struct EndOfInput {};

// ---- JSON

/// A JSON value. Numbers keep their text, so that 64-bit integers are not rounded; objects and arrays keep
/// theirs for members that are handed on.
struct Json {
  enum class Kind { null, boolean, number, text, array, object };
  Kind kind = Kind::null;
  bool boolean = false;
  std::string text;  // of a text its characters, of all others as written
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> members;

  const Json* find(std::string_view name) const {
    for (const auto& [key, value] : members)
      if (key == name) return &value;
    return nullptr;
  }
};

/// Reads one JSON text strictly (RFC 8259); nesting up to 64.
class JsonReader {
 public:
  explicit JsonReader(std::string_view input) : input_(input) {}

  Json read() {
    Json value = read_value(0);
    skip_blanks();
    if (at_ != input_.size()) fail("text after its end");
    return value;
  }

 private:
  [[noreturn]] static void fail(const char* what) {
    throw WireError(std::string("a request line is no JSON: ") + what);
  }

  void skip_blanks() {
    while (at_ < input_.size() && std::strchr(" \t\r\n", input_[at_]) != nullptr && input_[at_] != '\0')
      ++at_;
  }

  char peek() const { return at_ < input_.size() ? input_[at_] : '\0'; }

  bool take(char wanted) {
    if (peek() != wanted || at_ >= input_.size()) return false;
    ++at_;
    return true;
  }

  void expect(char wanted, const char* what) {
    if (!take(wanted)) fail(what);
  }

  Json read_value(int depth) {
    if (depth > 64) fail("nested too deeply");
    skip_blanks();
    const std::size_t begin = at_;
    Json value;
    switch (peek()) {
      case '{': read_object(value, depth); break;
      case '[': read_array(value, depth); break;
      case '"':
        value.kind = Json::Kind::text;
        value.text = read_text();
        return value;
      case 't': read_word(value, "true", Json::Kind::boolean); break;
      case 'f': read_word(value, "false", Json::Kind::boolean); break;
      case 'n': read_word(value, "null", Json::Kind::null); break;
      default: read_number(value);
    }
    value.text = std::string(input_.substr(begin, at_ - begin));
    return value;
  }

  void read_object(Json& value, int depth) {
    value.kind = Json::Kind::object;
    expect('{', "no object");
    skip_blanks();
    if (take('}')) return;
    do {
      skip_blanks();
      if (peek() != '"') fail("a member without a name");
      std::string name = read_text();
      skip_blanks();
      expect(':', "a member without a value");
      value.members.emplace_back(std::move(name), read_value(depth + 1));
      skip_blanks();
    } while (take(','));
    expect('}', "an object that does not end");
  }

  void read_array(Json& value, int depth) {
    value.kind = Json::Kind::array;
    expect('[', "no array");
    skip_blanks();
    if (take(']')) return;
    do {
      value.items.push_back(read_value(depth + 1));
      skip_blanks();
    } while (take(','));
    expect(']', "an array that does not end");
  }

  void read_word(Json& value, std::string_view word, Json::Kind kind) {
    if (input_.substr(at_, word.size()) != word) fail("an unknown word");
    at_ += word.size();
    value.kind = kind;
    value.boolean = word == "true";
  }

  bool skip_digits() {
    const std::size_t begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > begin;
  }

  void read_number(Json& value) {
    value.kind = Json::Kind::number;
    take('-');
    if (!take('0') && !skip_digits()) fail("an unexpected character");
    if (take('.') && !skip_digits()) fail("a number without digits after its point");
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!skip_digits()) fail("a number without an exponent");
    }
  }

  std::string read_text() {
    std::string text;
    expect('"', "no text");
    for (;;) {
      if (at_ >= input_.size()) fail("a text that does not end");
      const char c = input_[at_++];
      if (c == '"') return text;
      if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a text");
      if (c == '\\') {
        read_escape(text);
      } else {
        text.push_back(c);
      }
    }
  }

  void read_escape(std::string& text) {
    static constexpr std::string_view kEscapes = "\"\\/bfnrt";
    static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (take('u')) {
      append_utf8(text, read_code_point());
      return;
    }
    const std::size_t which = at_ < input_.size() ? kEscapes.find(input_[at_]) : std::string_view::npos;
    if (which == std::string_view::npos) fail("an unknown escape");
    ++at_;
    text.push_back(kMeanings[which]);
  }

  std::uint32_t read_code_point() {
    const std::uint32_t first = read_four_digits();
    if (first < 0xd800 || first > 0xdfff) return first;
    if (first > 0xdbff || !take('\\') || !take('u')) fail("half a surrogate pair");
    const std::uint32_t second = read_four_digits();
    if (second < 0xdc00 || second > 0xdfff) fail("half a surrogate pair");
    return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
  }

  std::uint32_t read_four_digits() {
    std::uint32_t value = 0;
    for (int k = 0; k < 4; ++k) {
      static constexpr std::string_view kDigits = "0123456789abcdef";
      const char c = peek();
      const std::size_t digit = kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
      if (digit == std::string_view::npos) fail("an escape without four digits");
      value = value * 16 + static_cast<std::uint32_t>(digit);
      ++at_;
    }
    return value;
  }

  static void append_utf8(std::string& text, std::uint32_t code) {
    const auto put = [&text](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xc0 | code >> 6);
      put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      put(0xe0 | code >> 12);
      put(0x80 | (code >> 6 & 0x3f));
      put(0x80 | (code & 0x3f));
    } else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3f));
      put(0x80 | (code >> 6 & 0x3f));
      put(0x80 | (code & 0x3f));
    }
  }

  std::string_view input_;
  std::size_t at_ = 0;
};

/// A text as JSON: its last kMaxTextBytes, bytes outside of ASCII as '?', which keeps any text valid.
inline std::string json_text(std::string_view text) {
  if (text.size() > kMaxTextBytes) text.remove_prefix(text.size() - kMaxTextBytes);
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result.push_back('\\');
      result.push_back(c);
    } else if (c == '\n') {
      result += "\\n";
    } else {
      result.push_back(byte < 0x20 ? ' ' : byte >= 0x7f ? '?' : c);
    }
  }
  return result + "\"";
}

/// A number as JSON, whatever the locale.
template <typename T>
std::string printed(T value) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(std::numeric_limits<double>::max_digits10);
  out << value;
  return out.str();
}

inline std::string quoted_list(const std::vector<std::string>& words) {
  std::string result = "[";
  for (const std::string& word : words) result += (result.size() > 1 ? "," : "") + json_text(word);
  return result + "]";
}

/// The members of an object, one after the other.
class ObjectWriter {
 public:
  void add(std::string_view name, const std::string& json) { text_ += "," + json_text(name) + ":" + json; }
  void add_text(std::string_view name, const std::string& value) {
    if (!value.empty()) add(name, json_text(value));
  }
  void add_list(std::string_view name, const std::vector<std::string>& words) {
    if (!words.empty()) add(name, quoted_list(words));
  }
  /// Each member behind a comma.
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// ---- members of requests

inline std::int64_t integer(const Json& value, const char* name) {
  std::istringstream in(value.text);
  in.imbue(std::locale::classic());
  std::int64_t result = -1;
  if (value.kind != Json::Kind::number || !(in >> result) || !in.eof() || result < 0)
    throw std::runtime_error(std::string(name) + " is no integer from 0");
  return result;
}

inline std::uint64_t integer64(const Json& value, const char* name) {
  std::istringstream in(value.text);
  in.imbue(std::locale::classic());
  std::uint64_t result = 0;
  if (value.kind != Json::Kind::number || value.text[0] == '-' || !(in >> result) || !in.eof())
    throw std::runtime_error(std::string(name) + " is no integer of 64 bits");
  return result;
}

/// A JSON number, or one of the texts for numbers that JSON lacks.
inline double number(const Json* value, const char* name) {
  if (value != nullptr && value->kind == Json::Kind::text) {
    if (value->text == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (value->text == "inf") return std::numeric_limits<double>::infinity();
    if (value->text == "-inf") return -std::numeric_limits<double>::infinity();
    if (value->text == "-0") return -0.0;
  }
  if (value == nullptr || value->kind != Json::Kind::number)
    throw std::runtime_error(std::string(name) + " is no number");
  std::istringstream in(value->text);
  in.imbue(std::locale::classic());
  double result = 0;
  in >> result;
  return result;
}

inline std::string word(const Json& request, std::string_view name, const char* otherwise) {
  const Json* value = request.find(name);
  if (value == nullptr) return otherwise;
  if (value->kind != Json::Kind::text) throw std::runtime_error(std::string(name) + " is no text");
  return value->text;
}

inline bool flag(const Json& request, std::string_view name, bool otherwise) {
  const Json* value = request.find(name);
  if (value == nullptr) return otherwise;
  if (value->kind != Json::Kind::boolean) throw std::runtime_error(std::string(name) + " is no boolean");
  return value->boolean;
}

inline std::vector<std::string> words(const Json& request, std::string_view name,
                                      std::vector<std::string> otherwise) {
  const Json* list = request.find(name);
  if (list == nullptr) return otherwise;
  std::vector<std::string> result;
  for (const Json& item : list->items) {
    if (item.kind != Json::Kind::text) throw std::runtime_error(std::string(name) + " is no list of texts");
    result.push_back(item.text);
  }
  return result;
}

/// The description of a tensor.
struct Described {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::optional<double> value;  // of every element, where no bytes are sent

  std::size_t nbytes() const { return product(element_count(shape), item_bytes(dtype)); }
};

inline std::vector<Described> described_in(const Json& request, std::string_view member) {
  std::vector<Described> result;
  const Json* list = request.find(member);
  if (list == nullptr) return result;
  for (const Json& item : list->items) {
    Described entry;
    entry.name = word(item, "name", "");
    entry.dtype = word(item, "dtype", "");
    if (entry.name.empty()) throw std::runtime_error("a tensor has no name");
    if (item_bytes(entry.dtype) == 0) throw std::runtime_error(entry.name + " has no known dtype");
    const Json* shape = item.find("shape");
    if (shape == nullptr || shape->kind != Json::Kind::array)
      throw std::runtime_error(entry.name + " has no shape");
    for (const Json& extent : shape->items) entry.shape.push_back(integer(extent, "an extent"));
    if (member == "fill") entry.value = number(item.find("value"), "value");
    result.push_back(std::move(entry));
  }
  return result;
}

template <typename T>
void fill_elements(Tensor& tensor, T value) {
  T* const first = tensor.elements<T>();
  for (std::size_t i = 0; i < tensor.count(); ++i) first[i] = value;
}

/// A tensor whose elements are all `value`, rounded to the dtype.
inline Tensor constant(const Described& entry) {
  Tensor tensor(entry.dtype, entry.shape);
  const double value = entry.value.value();
  if (entry.dtype == "f64") fill_elements(tensor, value);
  else if (entry.dtype == "f32") fill_elements(tensor, static_cast<float>(value));
  else if (entry.dtype == "f16") fill_elements(tensor, f16_from_float(static_cast<float>(value)));
  else if (entry.dtype == "bf16") fill_elements(tensor, bf16_from_float(static_cast<float>(value)));
  else throw Unsupported("no constant inputs of dtype " + entry.dtype);
  return tensor;
}

// ---- the wire

/// Frames over two descriptors.
class Wire {
 public:
  Wire(int in, int out) : in_(in), out_(out), chunk_(std::size_t{1} << 16) {}

  /// The next line without its line feed; throws EndOfInput.
  std::string read_line() {
    std::string line;
    for (;;) {
      if (begin_ == end_ && !refill()) {
        if (line.empty()) throw EndOfInput();
        throw WireError("the input ended inside a line");
      }
      const unsigned char* const first = chunk_.data() + begin_;
      const void* const feed = std::memchr(first, '\n', end_ - begin_);
      const std::size_t size = feed != nullptr
                                   ? static_cast<std::size_t>(static_cast<const unsigned char*>(feed) - first)
                                   : end_ - begin_;
      line.append(reinterpret_cast<const char*>(first), size);
      begin_ += size;
      if (line.size() > kMaxLineBytes) throw WireError("a request line is longer than 1 MiB");
      if (feed != nullptr) {
        ++begin_;
        return line;
      }
    }
  }

  void read_into(unsigned char* to, std::size_t count) {
    const std::size_t held = count < end_ - begin_ ? count : end_ - begin_;
    if (held > 0) std::memcpy(to, chunk_.data() + begin_, held);
    begin_ += held;
    for (std::size_t got = held; got < count;) {
      const std::size_t more = read_some(to + got, count - got);
      if (more == 0) throw WireError("the input ended inside a frame");
      got += more;
    }
  }

  void skip(std::uint64_t count) {
    unsigned char discarded[4096];
    while (count > 0) {
      const std::size_t step = count < sizeof discarded ? static_cast<std::size_t>(count) : sizeof discarded;
      read_into(discarded, step);
      count -= step;
    }
  }

  void write(const void* from, std::size_t count) {
    const auto* at = static_cast<const unsigned char*>(from);
    while (count > 0) {
      const ssize_t done = ::write(out_, at, count);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) throw WireError("nobody reads the replies");
      at += done;
      count -= static_cast<std::size_t>(done);
    }
  }

 private:
  std::size_t read_some(unsigned char* to, std::size_t count) {
    for (;;) {
      const ssize_t got = ::read(in_, to, count);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) throw WireError("the input cannot be read");
    }
  }

  bool refill() {
    begin_ = 0;
    end_ = read_some(chunk_.data(), chunk_.size());
    return end_ > 0;
  }

  int in_;
  int out_;
  std::vector<unsigned char> chunk_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

/// Keeps standard input and output for the protocol: descriptor 0 is then empty, and what is written to
/// descriptor 1 goes to standard error. Child processes do not inherit the two.
inline Wire take_standard_streams() {
  std::fflush(stdout);
  const int in = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  const int out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (in < 0 || out < 0 || nothing < 0) throw WireError("standard input and output cannot be taken");
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  ::close(nothing);
  for (const int descriptor : {in, out})
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
  std::setvbuf(stdout, nullptr, _IOLBF, 4096);
  return Wire(in, out);
}

// ---- the adapter

/// What a reply consists of: further members of its line, and tensors.
struct Reply {
  ObjectWriter members;
  std::vector<std::pair<std::string, Tensor>> tensors;
};

inline bool contains(const std::vector<std::string>& list, std::string_view name) {
  for (const std::string& item : list)
    if (item == name) return true;
  return false;
}

inline Tensor mask_tensor(const std::vector<bool>& mask, const std::vector<std::int64_t>& shape) {
  const bool whole = mask.size() == element_count(shape);
  Tensor tensor("u8", whole ? shape : std::vector<std::int64_t>{static_cast<std::int64_t>(mask.size())});
  for (std::size_t i = 0; i < mask.size(); ++i) tensor.bytes()[i] = mask[i] ? 1 : 0;
  return tensor;
}

/// Least significant bit first.
inline Tensor packed_mask_tensor(const std::vector<bool>& mask, const std::vector<std::int64_t>& shape) {
  if (mask.size() != element_count(shape)) throw std::runtime_error("the mask has another size than x");
  Tensor tensor("u8", {static_cast<std::int64_t>((mask.size() + 7) / 8)});
  for (std::size_t i = 0; i < mask.size(); ++i)
    if (mask[i]) tensor.bytes()[i / 8] = static_cast<unsigned char>(tensor.bytes()[i / 8] | 1u << i % 8);
  return tensor;
}

class Adapter {
 public:
  Adapter(Info info, Forward forward, Backward backward)
      : info_(std::move(info)), forward_(std::move(forward)), backward_(std::move(backward)) {}

  /// Answers until stop or the end of input.
  void serve(Wire& wire) {
    for (bool stopped = false; !stopped;) {
      std::string line;
      try {
        line = wire.read_line();
      } catch (const EndOfInput&) {
        return;
      }
      const Json request = JsonReader(line).read();
      if (request.kind != Json::Kind::object) throw WireError("a request line is no JSON object");
      send(wire, request, answer(wire, request));
      const Json* const command = request.find("cmd");
      stopped = command != nullptr && command->text == "stop";
    }
  }

 private:
  static void send(Wire& wire, const Json& request, const Reply& reply) {
    const Json* const seq = request.find("seq");
    std::string line = "{\"seq\":" + (seq == nullptr                  ? "null"
                                      : seq->kind == Json::Kind::text ? json_text(seq->text)
                                                                      : seq->text);
    line += reply.members.text();
    if (!reply.tensors.empty()) {
      std::size_t nbytes = 0;
      std::string list;
      for (const auto& [name, tensor] : reply.tensors) {
        std::string shape;
        for (const std::int64_t extent : tensor.shape())
          shape += (shape.empty() ? "" : ",") + printed(extent);
        list += (list.empty() ? "{\"name\":" : ",{\"name\":") + json_text(name) +
                ",\"dtype\":" + json_text(tensor.dtype()) + ",\"shape\":[" + shape + "]}";
        nbytes += tensor.bytes().size();
      }
      line += ",\"tensors\":[" + list + "],\"nbytes\":" + printed(nbytes);
    }
    line += "}\n";
    wire.write(line.data(), line.size());
    for (const auto& [name, tensor] : reply.tensors) wire.write(tensor.bytes().data(), tensor.bytes().size());
  }

  Reply answer(Wire& wire, const Json& request) {
    try {
      std::map<std::string, Tensor> inputs = read_payload(wire, request);
      const std::string command = word(request, "cmd", "");
      if (command == "start") return start(request);
      if (command == "run") return run(request, std::move(inputs));
      if (command == "backward") return backward(request, std::move(inputs));
      if (command == "release") return release(request);
      if (command == "stop") return {};
      throw std::runtime_error("unknown cmd " + command);
    } catch (const WireError&) {
      throw;
    } catch (const Unsupported& error) {
      Reply reply;
      reply.members.add("skipped", "true");
      reply.members.add("message", json_text(error.what()));
      return reply;
    } catch (const InvalidArgument& error) {
      return errored(error.what(), "invalid_argument");
    } catch (const std::invalid_argument& error) {
      return errored(error.what(), "invalid_argument");
    } catch (const std::bad_alloc&) {
      return errored("out of memory", "out_of_memory");
    } catch (const std::exception& error) {
      return errored(error.what(), "failed");
    } catch (...) {
      return errored("something that is no std::exception was thrown", "failed");
    }
  }

  static Reply errored(const std::string& message, const char* kind) {
    Reply reply;
    reply.members.add("errored", "true");
    reply.members.add("message", json_text(message));
    reply.members.add("kind", json_text(kind));
    return reply;
  }

  /// The tensors of a frame by name. The frame is read to its end in any case.
  static std::map<std::string, Tensor> read_payload(Wire& wire, const Json& request) {
    std::uint64_t nbytes = 0;
    const Json* const member = request.find("nbytes");
    try {
      if (member != nullptr) nbytes = integer64(*member, "nbytes");
    } catch (const std::exception&) {
      throw WireError("nbytes is no count");
    }
    std::map<std::string, Tensor> tensors;
    std::vector<Described> entries;
    try {
      entries = described_in(request, "tensors");
      std::uint64_t needed = 0;
      for (const Described& entry : entries) needed += entry.nbytes();
      if (needed != nbytes)
        throw std::runtime_error("the frame has " + printed(nbytes) + " bytes, its tensors need " +
                                 printed(needed));
      for (const Described& entry : entries) tensors.emplace(entry.name, Tensor(entry.dtype, entry.shape));
      if (tensors.size() != entries.size()) throw std::runtime_error("a frame names a tensor twice");
    } catch (...) {
      wire.skip(nbytes);
      throw;
    }
    for (const Described& entry : entries) {
      std::vector<unsigned char>& bytes = tensors.at(entry.name).bytes();
      wire.read_into(bytes.data(), bytes.size());
    }
    return tensors;
  }

  Reply start(const Json& request) const {
    const Json* const version = request.find("version");
    if (version == nullptr || integer(*version, "version") != kProtocolVersion)
      throw std::runtime_error("this adapter speaks version 1 of the protocol");
    Reply reply;
    ObjectWriter& out = reply.members;
    out.add("version", printed(kProtocolVersion));
    out.add("name", json_text(info_.name));
    out.add_text("implementation_version", info_.implementation_version);
    out.add_text("library", info_.library);
    out.add_text("device", info_.device);
    out.add_list("notes", info_.notes);
    out.add_list("ops", info_.ops);
    out.add_list("dtypes", info_.dtypes);
    out.add_text("seed_semantics", info_.seed_semantics);
    out.add("seed_bits", printed(info_.seed_bits));
    out.add_text("offset_unit", info_.offset_unit);
    out.add_list("features", features());
    out.add_text("exact_stream", info_.exact_stream);
    out.add_text("conforms_to", info_.conforms_to);
    out.add_list("forms", info_.forms);
    out.add_list("promises", info_.promises);
    return reply;
  }

  std::vector<std::string> features() const {
    std::vector<std::string> result = info_.features;
    result.push_back("constant_input");
    if (info_.mask) result.insert(result.end(), {"mask", "packed_mask"});
    if (info_.in_place) result.push_back("in_place");
    if (info_.threads) result.push_back("threads");
    if (backward_) result.push_back("backward");
    return result;
  }

  /// Adds the constant inputs of a request.
  void add_constants(const Json& request, std::map<std::string, Tensor>& inputs) const {
    for (const Described& entry : described_in(request, "fill"))
      inputs.insert_or_assign(entry.name, constant(entry));
    for (const auto& [name, tensor] : inputs)
      if (!contains(info_.dtypes, tensor.dtype()))
        throw Unsupported("dtype " + tensor.dtype() + " is not supported");
  }

  Reply run(const Json& request, std::map<std::string, Tensor> inputs) {
    Call call = read_call(request);
    check_claimed(call);
    add_constants(request, inputs);
    const auto found = inputs.find("x");
    if (found == inputs.end()) throw std::runtime_error("the request has no x");
    Tensor x = std::move(found->second);
    inputs.erase(found);
    if (!inputs.empty() && info_.forms.empty()) throw Unsupported("further inputs are not supported");
    call.inputs = std::move(inputs);
    Result result = forward_(call, x);
    if (call.in_place) result.y = x;
    return reply_to(call, x, result);
  }

  static Call read_call(const Json& request) {
    Call call;
    call.op = word(request, "op", "dropout");
    call.p = number(request.find("p"), "p");
    call.train = flag(request, "train", true);
    call.in_place = flag(request, "in_place", false);
    call.save = flag(request, "save", false);
    call.want = words(request, "want", {"y"});
    if (const Json* const seed = request.find("seed")) call.seed = integer64(*seed, "seed");
    if (const Json* const offset = request.find("offset")) call.offset = integer64(*offset, "offset");
    if (const Json* const threads = request.find("threads"))
      call.threads = static_cast<unsigned>(integer(*threads, "threads"));
    const Json* const attributes = request.find("attributes");
    if (attributes != nullptr && !attributes->members.empty()) call.attributes = attributes->text;
    return call;
  }

  /// Throws Unsupported for what was not claimed, rather than answer another question.
  void check_claimed(const Call& call) const {
    const bool seeds = info_.seed_semantics == "per_call" || info_.seed_semantics == "stateful";
    const bool wants_mask = call.wants("mask") || call.wants("packed_mask");
    if (!contains(info_.ops, call.op)) throw Unsupported("operator " + call.op + " is not supported");
    if (call.in_place && !info_.in_place) throw Unsupported("working in place is not supported");
    if (call.save && !backward_) throw Unsupported("there is no backward pass");
    if (call.threads != 0 && !info_.threads) throw Unsupported("the number of threads cannot be set");
    if (call.offset != 0 && info_.offset_unit.empty()) throw Unsupported("offsets are not supported");
    if (!call.attributes.empty() && !info_.attributes) throw Unsupported("attributes are not supported");
    if (wants_mask && !info_.mask) throw Unsupported("there is no mask");
    if (call.seed && !seeds) throw Unsupported("seeds cannot be set");
    if (!call.seed && info_.seed_semantics == "per_call") throw std::runtime_error("every call needs a seed");
  }

  Reply reply_to(const Call& call, const Tensor& x, Result& result) {
    Reply reply;
    for (const std::string& name : call.want) reply.tensors.emplace_back(name, output(name, x, result));
    if (result.rng_words) reply.members.add("rng_words", printed(*result.rng_words));
    if (result.effective_p && std::isfinite(*result.effective_p))
      reply.members.add("effective_p", printed(*result.effective_p));
    reply.members.add_list("warnings", result.warnings);
    if (!result.facts.empty()) {
      std::string facts;
      for (const auto& [name, value] : result.facts)
        facts += (facts.empty() ? "" : ",") + json_text(name) + ":" + json_text(value);
      reply.members.add("facts", "{" + facts + "}");
    }
    if (call.save) reply.members.add("saved", printed(keep(std::move(result.saved))));
    return reply;
  }

  static Tensor output(const std::string& name, const Tensor& x, Result& result) {
    if (name == "mask" || name == "packed_mask") {
      if (!result.mask) throw std::runtime_error("the function returned no mask");
      return name == "mask" ? mask_tensor(*result.mask, x.shape())
                            : packed_mask_tensor(*result.mask, x.shape());
    }
    if (name == "y" && result.y) return std::move(*result.y);
    const auto found = result.outputs.find(name);
    if (found == result.outputs.end()) throw std::runtime_error("the function returned no " + name);
    return std::move(found->second);
  }

  std::uint64_t keep(std::any saved) {
    if (!saved.has_value())
      throw std::runtime_error("a backward pass will follow, but the result has nothing saved");
    saved_.emplace(++last_token_, std::move(saved));
    return last_token_;
  }

  Reply backward(const Json& request, std::map<std::string, Tensor> inputs) {
    if (!backward_) throw Unsupported("there is no backward pass");
    const Json* const attributes = request.find("attributes");
    const bool options = attributes != nullptr && !attributes->members.empty();
    if (options || words(request, "want", {"dx"}) != std::vector<std::string>{"dx"})
      throw Unsupported("a backward pass gives dx alone, without options");
    add_constants(request, inputs);
    if (inputs.size() != 1 || inputs.count("dy") == 0) throw Unsupported("a backward pass takes dy alone");
    const auto found = saved_.find(token_of(request));
    if (found == saved_.end()) throw std::runtime_error("no such call is saved");
    Reply reply;
    reply.tensors.emplace_back("dx", backward_(found->second, inputs.at("dy")));
    return reply;
  }

  Reply release(const Json& request) {
    saved_.erase(token_of(request));
    return {};
  }

  static std::uint64_t token_of(const Json& request) {
    const Json* const saved = request.find("saved");
    if (saved == nullptr) throw std::runtime_error("the request names no saved call");
    return integer64(*saved, "saved");
  }

  Info info_;
  Forward forward_;
  Backward backward_;
  std::map<std::uint64_t, std::any> saved_;
  std::uint64_t last_token_ = 0;
};

inline bool is_little_endian() {
  const std::uint16_t one = 1;
  unsigned char first = 0;
  std::memcpy(&first, &one, 1);
  return first == 1;
}

}  // namespace detail

/// Answers dropcheck's requests until it stops the program. Returns the exit status of the program: 0, or 1
/// when the requests cannot be understood, with a sentence on standard error.
inline int serve(const Info& info, const Forward& forward, const Backward& backward = {}) {
  try {
    if (!detail::is_little_endian())
      throw detail::WireError("the protocol is little-endian, this machine is not");
    detail::Wire wire = detail::take_standard_streams();
    detail::Adapter(info, forward, backward).serve(wire);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dropcheck_adapter: %s\n", error.what());
    return 1;
  }
}

}  // namespace dropcheck::adapter
