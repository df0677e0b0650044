// SPDX-License-Identifier: Apache-2.0
//
// What real programs do too seldom to be waited for; the rules themselves are
// tested by real programs (tests/integration/track).

#include "daemon/track/access_log.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "daemon/track/not_stored.h"
#include "tests/support/temp_dir.h"

namespace vt::track {
namespace {

class AccessLogTest : public testing::Test {
 protected:
  AccessLogTest()
      : root_(temp_.path().string()),
        log_(root_, /*own_directories=*/{}, /*digest=*/nullptr) {}

  std::string Path(const std::string& name) const { return root_ + "/" + name; }

  // What a name that is missing resolves to.
  Resolved Missing(const std::string& name,
                   const std::string& first_missing = "") const {
    Resolved at;
    at.kind = Resolved::Kind::kMissing;
    at.path = Path(name);
    at.first_missing = first_missing.empty() ? "" : Path(first_missing);
    return at;
  }

  Access Find(const AccessSet& set, const std::string& name) const {
    for (const Access& access : set.accesses) {
      if (access.path == Path(name)) {
        return access;
      }
    }
    return {};
  }

  test::TempDir temp_;
  const std::string root_;
  AccessLog log_;
};

// One thread makes the directory while another already opens a file in it: the
// directory was not there when the open was heard, but when it was done.
TEST_F(AccessLogTest, FileMadeInADirectoryThatWasBeingMadeIsAnOutput) {
  log_.Mutate(Missing("out"), Change::kCreateDirectory);
  log_.Mutate(Missing("out/file", "out"), Change::kCreate);
  log_.Mutate(Missing("out/sub/none", "out"), Change::kCreate);
  std::filesystem::create_directory(Path("out"));
  std::ofstream(Path("out/file")) << "x";
  AccessSet set;
  log_.Finish(0, &set);
  const Access file = Find(set, "out/file");
  EXPECT_TRUE(file.is_output);
  EXPECT_TRUE(file.mutated);
  EXPECT_EQ(file.pre_state, PreState::kMissing);
  EXPECT_EQ(file.observed, 0U);
  EXPECT_FALSE(Find(set, "out/sub/none").is_output);
  EXPECT_TRUE(set.flaws.empty());
}

// That `src` comes, without a `none` in it, changes nothing.
TEST_F(AccessLogTest, OfAMissingPathOnlyTheEndIsObserved) {
  log_.Observe(Missing("src/none", "src"), kContent);
  log_.Observe(Missing("lib/../none", "lib"), kContent);
  AccessSet set;
  log_.Finish(0, &set);
  EXPECT_TRUE(Find(set, "src/none").missing);
  EXPECT_EQ(Find(set, "src").observed, 0U);
  // Here the end cannot be named, and it is there as soon as `lib` is.
  EXPECT_TRUE(Find(set, "lib").missing);
  EXPECT_EQ(Find(set, "none").observed, 0U);
}

}  // namespace
}  // namespace vt::track
