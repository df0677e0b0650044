// SPDX-License-Identifier: Apache-2.0
//
// The accelerator, with the real library in real programs: what it saves, and
// that it is not missed where it does not work.

#include <sys/stat.h>

#include "absl/strings/str_cat.h"

#include "tests/integration/track/traced_fixture.h"

namespace vt::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

class HybridTest : public TracedTest {
 protected:
  uint64_t NotifiedReads() const {
    uint64_t count = 0;
    for (const auto& [number, times] : set_.notifications) {
      count += times;
    }
    return count;
  }
  // Reads of a hundred files.
  std::vector<std::string> ManyReads() {
    std::vector<std::string> ops;
    for (int i = 0; i < 100; ++i) {
      Write(absl::StrCat("f", i), "1");
      ops.push_back(absl::StrCat("read:f", i));
    }
    return ops;
  }
  void ExpectAllRead() {
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(At(absl::StrCat("f", i)).observed, track::kContent) << i;
    }
    EXPECT_THAT(Flaws(), IsEmpty());
  }
};

TEST_F(HybridTest, ReadsAreSignedAndNotNotified) {
  Do(ManyReads());
  ExpectAllRead();
  EXPECT_GE(set_.signed_records, 100U);
  EXPECT_LT(NotifiedReads(), 25U);
  EXPECT_EQ(set_.attachments, 1U);
  EXPECT_TRUE(At("f50").by_record);
  EXPECT_FALSE(At("f50").by_notification);
  ASSERT_GE(At("f50").first_program, 0);
  EXPECT_EQ(set_.programs[static_cast<size_t>(At("f50").first_program)],
            std::filesystem::canonical(VT_OPS).string());
}

TEST_F(HybridTest, EveryTierSigns) {
  for (int tier = 1; tier <= 3; ++tier) {
    tier_ = tier;
    Do(ManyReads());
    ExpectAllRead();
    EXPECT_GE(set_.signed_records, 100U) << tier;
    EXPECT_EQ(set_.tier, tier);
  }
}

TEST_F(HybridTest, SelfTestOfEveryTierFindsThatCallsCanBeSigned) {
  for (int forced = 0; forced <= 3; ++forced) {
    const track::Tier tier = track::SelfTest(forced);
    EXPECT_TRUE(tier.can_sign) << forced << ": " << tier.reason;
    EXPECT_GE(tier.level, forced);
    EXPECT_EQ(tier.wait_killable, forced < 3);
  }
}

TEST_F(HybridTest, WithoutTheLibraryAllIsNotified) {
  preload_.clear();
  Do(ManyReads());
  ExpectAllRead();
  EXPECT_EQ(set_.signed_records, 0U);
  EXPECT_GT(NotifiedReads(), 100U);
}

TEST_F(HybridTest, ChildWithoutTheVariableIsNotified) {
  Write("a", "1");
  Run({"/usr/bin/env", "-i", "/bin/cat", "a"});
  EXPECT_EQ(At("a").observed, track::kContent);
  EXPECT_TRUE(At("a").by_notification);
}

TEST_F(HybridTest, OtherRootEndsTheSigning) {
  std::vector<std::string> ops = ManyReads();
  ops.insert(ops.begin() + 50, "chroot:.");
  Do(std::move(ops));
  EXPECT_THAT(Flaws(), Contains(track::kSandboxRemapsFiles));
  EXPECT_TRUE(At("f10").by_record);
  EXPECT_FALSE(At("f90").by_record);
}

TEST_F(HybridTest, LibraryIsNoInput) {
  Do({"stat:a"});
  for (const track::Access& access : set_.accesses) {
    EXPECT_EQ(access.path.find("vt_preload"), std::string::npos) << access.path;
  }
}

}  // namespace
}  // namespace vt::test
