// The reference's own layers under the suite: what it has passes, what it has not is said to be missing.
#include "reference/reference_backend.hpp"
#include "suites/catalogue.hpp"
#include "suites/embedding/testing/embedding_testing.hpp"

namespace dropcheck::suites::embedding {
namespace {

using testing::judge;
using testing::protocols_of;

TEST(ReferenceLayers, PassTheChecksOfWhatTheyHaveAndAreUnsupportedElsewhere) {
  for (const CheckInfo& info : catalogue()) {
    if (info.suite() != "embedding") continue;
    for (const std::string& protocol : protocols_of(info.id)) {
      for (const std::uint64_t seed : {1, 2, 3}) {
        reference::ReferenceBackend backend;
        const Judgement j = judge(info.id, protocol, backend, seed);
        if (info.id != "embedding.modes") {  // of modules, which it has not
          EXPECT_EQ(j.verdict, Verdict::pass) << info.id << ": " << j.message;
          EXPECT_GT(j.comparisons, 0u) << info.id;
        } else {
          EXPECT_EQ(j.verdict, Verdict::unsupported) << info.id << ": " << j.message;
          EXPECT_THAT(j.message, ::testing::HasSubstr("does not claim form")) << info.id;
        }
      }
    }
  }
}

}  // namespace
}  // namespace dropcheck::suites::embedding
