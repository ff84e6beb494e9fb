#include "tools/rival_suites.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <set>

#include "suites/rivals/rivals.hpp"

namespace dropcheck::tools {
namespace {

/// NAME of "rival:NAME.TEST"; empty for the ids of our own checks.
std::string rival_of(const std::string& id) {
  if (!id.starts_with(suites::kRivalPrefix)) return {};
  const std::size_t begin = suites::kRivalPrefix.size();
  return id.substr(begin, id.find('.') - begin);
}

}  // namespace

Status add_rivals(Registry& registry, const std::vector<std::string>& suites, const std::string& check_glob) {
  std::vector<std::string> asked = suites;
  asked.push_back(check_glob);
  std::set<std::string> wanted;
  for (const std::string& id : asked) {
    if (!id.starts_with(suites::kRivalPrefix)) continue;
    const std::string name = rival_of(id);
    bool any = false;
    for (const suites::RivalInfo& rival : suites::rivals()) {
      const std::string known(rival.name);
      if (fnmatch(name.c_str(), known.c_str(), 0) != 0) continue;
      wanted.insert(known);
      any = true;
    }
    if (any) continue;
    std::vector<std::string_view> names;
    for (const suites::RivalInfo& rival : suites::rivals()) names.push_back(rival.name);
    return Error{ErrorCode::invalid_argument,
                 fmt::format("rival '{}' is not known: write one of {} behind '{}'", name,
                             fmt::join(names, ", "), suites::kRivalPrefix)};
  }
  for (const suites::RivalInfo& rival : suites::rivals())
    if (wanted.contains(std::string(rival.name))) suites::register_rival(registry, rival.name);
  return Done{};
}

}  // namespace dropcheck::tools
