// SPDX-License-Identifier: Apache-2.0
//
// Lookups that know what an earlier one has found.

#include "daemon/cache/parts.h"

#include "daemon/base/consulted.h"
#include "daemon/fingerprint/file_digests.h"
#include "tests/unit/cache/cache_fixture.h"

namespace vt::cache {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

using vtask::storage::v1::PathSet;

constexpr int kMany = 20;  // enough for a part of their own

class PartsTest : public CacheTest {
 protected:
  PartsTest() : app_(Clone("app")) {
    for (int i = 0; i < kMany; ++i) {
      const std::string path = absl::StrCat("src/", i);
      app_.Write(path, "one");
      app_.Observes(Observation::CONTENT, path);
    }
    app_.Write("package.json", "one");
    app_.Observes(Observation::CONTENT, "package.json");
  }

  // As a run looks up: somebody notes what is consulted.
  LookupResult LookUp(const Evaluation& before = {}) {
    consulted_ = {};
    const base::ConsultedScope scope(&consulted_);
    return cache_->Lookup(app_.key, before);
  }
  // Of the hit there must be.
  Evaluation Known() {
    LookupResult found = LookUp();
    EXPECT_TRUE(found.hit.has_value());
    return found.hit.has_value() ? found.hit->evaluation : Evaluation{};
  }
  // The part that has consulted `path` becomes current.
  void Vouch(const std::string& path, Evaluation* evaluation) {
    for (Evaluation::Part& part : evaluation->parts) {
      if (Names(part.consulted).contains(app_.Path(path))) {
        part.is_current = true;
      }
    }
  }
  static std::set<std::string> Names(const base::Consulted& consulted) {
    std::set<std::string> names;
    for (const base::Consulted::Path& path : consulted.paths) {
      names.insert(path.path);
    }
    return names;
  }

  Workspace app_;
  base::Consulted consulted_;
};

TEST_F(PartsTest, ADirectoryOfManyIsAPartTheOthersShareOne) {
  Store(&app_);
  const Evaluation known = Known();
  ASSERT_THAT(known.parts, SizeIs(2));
  EXPECT_THAT(Names(known.parts[0].consulted), SizeIs(kMany));
  EXPECT_THAT(Names(known.parts[1].consulted),
              ElementsAre(app_.Path("package.json")));
  EXPECT_THAT(Names(consulted_), Not(Contains(app_.Path("package.json"))));
}

TEST_F(PartsTest, AListingBelongsToItsDirectory) {
  PathSet path_set;
  for (int i = 0; i < kMany; ++i) {
    path_set.add_observations()->set_path(absl::StrCat("src/", i));
  }
  path_set.add_observations()->set_path("src");  // what it is
  Observation* listing = path_set.add_observations();
  listing->set_path("src");
  listing->set_kind(Observation::LISTING);
  const std::vector<std::vector<int>> parts = PartsOf(path_set);
  ASSERT_THAT(parts, SizeIs(2));
  EXPECT_THAT(parts[0], SizeIs(kMany + 1));
  EXPECT_THAT(parts[0], Contains(kMany + 1));
  EXPECT_THAT(parts[1], ElementsAre(kMany));
}

TEST_F(PartsTest, EveryObservationIsInOnePart) {
  PathSet path_set;
  for (int i = 0; i < 1000; ++i) {
    path_set.add_observations()->set_path(
        absl::StrCat("d", i % 300, "/", i % 7 == 0 ? "x/" : "", i));
  }
  std::set<int> seen;
  size_t count = 0;
  for (const std::vector<int>& part : PartsOf(path_set)) {
    seen.insert(part.begin(), part.end());
    count += part.size();
  }
  EXPECT_THAT(seen, SizeIs(1000));
  EXPECT_EQ(count, 1000U);
}

TEST_F(PartsTest, WhatIsCurrentIsNotLookedAt) {
  Store(&app_);
  Evaluation known = Known();
  Vouch("src/0", &known);
  app_.Write("src/0", "another");  // against what was promised
  const LookupResult found = LookUp(known);
  ASSERT_TRUE(found.hit.has_value());
  EXPECT_EQ(found.hit->strong, known.strong);
  const Evaluation& again = found.hit->evaluation;
  ASSERT_THAT(again.parts, SizeIs(2));
  EXPECT_TRUE(again.parts[0].is_current);
  EXPECT_THAT(again.parts[0].consulted.paths, SizeIs(kMany));  // as it came
  EXPECT_FALSE(again.parts[1].is_current);
}

TEST_F(PartsTest, WhatIsNotCurrentIsLookedAt) {
  Store(&app_);
  Evaluation known = Known();
  for (Evaluation::Part& part : known.parts) {
    part.consulted = {};
  }
  const LookupResult same = LookUp(known);
  ASSERT_TRUE(same.hit.has_value());
  EXPECT_THAT(Names(same.hit->evaluation.parts[0].consulted), SizeIs(kMany));
  for (const char* path : {"src/7", "package.json"}) {
    app_.Write(path, "another");
    const LookupResult found = LookUp(known);
    ASSERT_FALSE(found.hit.has_value());
    ASSERT_THAT(found.miss.differences, SizeIs(1));
    EXPECT_EQ(found.miss.differences[0].path(), path);
    app_.Write(path, "one");
  }
}

TEST_F(PartsTest, WhatHasChangedMayHitAnotherResult) {
  Store(&app_);
  const Evaluation first = Known();
  app_.Write("package.json", "two");
  Store(&app_);
  const Evaluation second = Known();
  EXPECT_NE(first.strong, second.strong);
  Evaluation known = first;
  Vouch("src/0", &known);
  const LookupResult found = LookUp(known);
  ASSERT_TRUE(found.hit.has_value());
  EXPECT_EQ(found.hit->strong, second.strong);
  // Nobody vouches for a part of this evaluation.
  EXPECT_THAT(found.hit->evaluation.parts,
              Each(Field(&Evaluation::Part::is_current, false)));
  EXPECT_THAT(Names(found.hit->evaluation.parts[0].consulted), SizeIs(kMany));
}

TEST_F(PartsTest, AResultThatIsGoneIsNoHit) {
  Store(&app_);
  Evaluation known = Known();
  for (Evaluation::Part& part : known.parts) {
    part.is_current = true;
  }
  EXPECT_TRUE(LookUp(known).hit.has_value());
  EXPECT_THAT(cache_->Clean(), test::IsOk());
  EXPECT_FALSE(LookUp(known).hit.has_value());
}

TEST_F(PartsTest, WhatIsInTheWayOfTheOutputsIsLookedAtAlways) {
  app_.Write("out", "made");
  app_.finished.outputs = {"out"};
  Store(&app_);
  Evaluation known = Known();
  for (Evaluation::Part& part : known.parts) {
    part.is_current = true;
  }
  app_.Remove("out");
  app_.Write("out/mine", "something else");
  EXPECT_FALSE(LookUp(known).hit.has_value());
}

// What an earlier path set has asked is not asked again, nor noted.
TEST_F(PartsTest, TheSecondPathSetIsNotInParts) {
  Store(&app_);
  Workspace other(Clone("app"));
  other.Observes(Observation::CONTENT, "src/0");
  other.Write("package.json", "two");
  other.Observes(Observation::CONTENT, "package.json");
  other.Observes(Observation::CONTENT, "other.json");
  Store(&other);
  app_.Write("package.json", "one");
  const LookupResult found = LookUp();
  ASSERT_TRUE(found.hit.has_value());
  EXPECT_THAT(found.hit->evaluation.parts, IsEmpty());
  EXPECT_THAT(found.hit->evaluation.path_set, IsEmpty());
  EXPECT_THAT(Names(consulted_), SizeIs(kMany + 2));
}

TEST_F(PartsTest, WhereNobodyNotesThereAreNone) {
  Store(&app_);
  const LookupResult found = cache_->Lookup(app_.key);
  ASSERT_TRUE(found.hit.has_value());
  EXPECT_THAT(found.hit->evaluation.parts, IsEmpty());
  // And that is not taken for "all of it is current".
  app_.Write("src/0", "another");
  EXPECT_FALSE(LookUp(found.hit->evaluation).hit.has_value());
}

}  // namespace
}  // namespace vt::cache
