// The kill matrix as a picture: rows are mutants by family, columns the checks that fired at all, then the
// rivals.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "reports/escape.hpp"
#include "reports/kill_matrix.hpp"

namespace dropcheck::reports {
namespace {

constexpr int kSquare = 11, kGap = 2, kStep = kSquare + kGap, kLabel = 210, kHead = 230, kFont = 9;

constexpr const char *kNamed = "#1b4965", *kFired = "#62b6cb", *kSuspicious = "#f2cc8f", *kAsked = "#eef1f4",
                     *kMissed = "#c1121f", *kRival = "#bc6c25";

class Picture {
 public:
  explicit Picture(const KillMatrix& matrix) : matrix_(matrix) {
    for (const std::string& check : matrix.checks)
      if (fires(check)) checks_.push_back(check);
  }

  std::string text() {
    int x = kLabel;
    for (const std::string& check : checks_) {
      column(x, check);
      x += kStep;
    }
    const int rivals_at = x + 2 * kStep;
    x = rivals_at;
    for (const RivalScore& rival : matrix_.rivals) {
      column(x, rival.name);
      x += kStep;
    }
    width_ = std::max(x, 600) + kStep;
    y_ = kHead;
    std::string family;
    for (const MatrixRow& row : matrix_.mutants) {
      if (row.family != family) title(family = row.family);
      line(row, rivals_at);
    }
    if (!matrix_.clean.empty()) title("Clean");
    for (const MatrixRow& row : matrix_.clean) line(row, rivals_at);
    legend();
    std::string squares;
    for (const auto& [colour, path] : paths_)
      squares += fmt::format("<path fill=\"{}\" d=\"{}\"/>\n", colour, path);
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
        "font-family=\"sans-serif\" font-size=\"{2}\">\n<rect width=\"{0}\" height=\"{1}\" "
        "fill=\"#ffffff\"/>\n{3}{4}</svg>\n",
        width_, y_ + kStep, kFont, squares, body_);
  }

 private:
  bool fires(const std::string& check) const {
    const auto in = [&](const MatrixRow& row) {
      const auto said = row.ours.find(check);
      return (said != row.ours.end() && said->second == Said::fired) ||
             (row.named && row.named->asked && row.named->check == check);
    };
    return std::any_of(matrix_.mutants.begin(), matrix_.mutants.end(), in) ||
           std::any_of(matrix_.clean.begin(), matrix_.clean.end(), in);
  }

  void column(int x, const std::string& name) {
    body_ += fmt::format("<text transform=\"translate({},{}) rotate(-60)\">{}</text>\n", x + kSquare / 2,
                         kHead - 6, xml_text(name));
  }

  void title(const std::string& family) {
    y_ += kStep / 2;
    body_ +=
        fmt::format("<text x=\"4\" y=\"{}\" font-weight=\"bold\">{}</text>\n", y_ + kFont, xml_text(family));
    y_ += kStep;
  }

  /// Squares of one colour are one path, or the file would be megabytes.
  void square(int x, const char* fill) {
    paths_[fill] += fmt::format("M{} {}h{}v{}h-{}z", x, y_, kSquare, kSquare, kSquare);
  }

  void line(const MatrixRow& row, int rivals_at) {
    body_ += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", kLabel - 6, y_ + kFont,
                         xml_text(row.backend));
    int x = kLabel;
    for (const std::string& check : checks_) {
      const auto found = row.ours.find(check);
      const Said said = found == row.ours.end() ? Said::nothing : found->second;
      const bool is_named = row.named && row.named->asked && row.named->check == check;
      if (is_named) square(x, row.named->killed ? kNamed : kMissed);
      else if (said == Said::fired) square(x, kFired);
      else if (said == Said::suspicious) square(x, kSuspicious);
      else if (said == Said::passed) square(x, kAsked);
      x += kStep;
    }
    x = rivals_at;
    for (const RivalScore& rival : matrix_.rivals) {
      const auto found = row.rivals.find(rival.name);
      if (found != row.rivals.end() && found->second != Said::nothing)
        square(x, found->second == Said::fired ? kRival : kAsked);
      x += kStep;
    }
    y_ += kStep;
  }

  void legend() {
    y_ += kStep;
    int x = 8;
    const std::pair<const char*, const char*> entries[] = {{kNamed, "caught by the check named in advance"},
                                                           {kMissed, "missed by it"},
                                                           {kFired, "also fires"},
                                                           {kSuspicious, "suspicious"},
                                                           {kAsked, "passes"},
                                                           {kRival, "a rival's test fails"}};
    for (const auto& [colour, words] : entries) {
      square(x, colour);
      body_ += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", x + kStep + 2, y_ + kFont, words);
      x += 40 + static_cast<int>(std::string_view(words).size()) * 5;
    }
    width_ = std::max(width_, x);
    y_ += kStep;
  }

  const KillMatrix& matrix_;
  std::vector<std::string> checks_;
  std::string body_;                               // texts
  std::map<std::string_view, std::string> paths_;  // squares, by colour
  int y_ = kHead, width_ = 600;
};

}  // namespace

std::string kill_matrix_svg(const KillMatrix& matrix) { return Picture(matrix).text(); }

}  // namespace dropcheck::reports
