// SPDX-License-Identifier: Apache-2.0

#include "daemon/watch/dependents.h"

#include <map>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

namespace vt::watch {
namespace {

using Leases = std::set<uint32_t>;

class DependentsTest : public testing::Test {
 protected:
  void Add(Aspect aspect, uint32_t lease) {
    dependents_.Add(aspect, lease,
                    [this](uint32_t id) { return dead_.count(id) == 0; });
  }
  Leases End(Aspect aspect) {
    Leases ended;
    dependents_.End(aspect, [&](uint32_t id) { ended.insert(id); });
    return ended;
  }
  void Purge() {
    dependents_.Purge([this](uint32_t id) { return dead_.count(id) == 0; });
  }

  Dependents dependents_;
  Leases dead_;
};

TEST_F(DependentsTest, AnEventEndsTheLeasesOnThatOnce) {
  Add(kItself, 1);
  Add(kListing, 2);
  Add(kSubDirectories, 3);
  Add(AspectOfName("a"), 4);
  Add(AspectOfName("a"), 5);
  EXPECT_EQ(End(AspectOfName("b")), Leases());
  EXPECT_EQ(End(AspectOfName("a")), Leases({4, 5}));
  EXPECT_EQ(End(AspectOfName("a")), Leases());
  EXPECT_EQ(End(kListing), Leases({2}));
  EXPECT_EQ(End(kItself), Leases({1}));
  Add(AspectOfName("a"), 6);
  EXPECT_EQ(End(AspectOfName("a")), Leases({6}));
  EXPECT_EQ(End(kSubDirectories), Leases({3}));
}

TEST_F(DependentsTest, ANameIsNoneOfTheOthers) {
  std::set<Aspect> aspects;
  for (int i = 0; i < 100'000; ++i) {
    const Aspect aspect = AspectOfName(absl::StrCat("file", i));
    EXPECT_GT(aspect, kSubDirectories);
    aspects.insert(aspect);
  }
  EXPECT_GT(aspects.size(), 99'990U);
  // Their hashes are 0, 1 and 2.
  for (const char* name : {"khnmhzf", "wiztbdk", "bjimxro"}) {
    EXPECT_GT(AspectOfName(name), kSubDirectories) << name;
  }
}

TEST_F(DependentsTest, WhatIsPurgedOrEndedLeavesItEmpty) {
  Add(AspectOfName("a"), 1);
  Add(AspectOfName("b"), 2);
  Purge();
  EXPECT_FALSE(dependents_.empty());
  End(AspectOfName("a"));
  dead_ = {2};
  Purge();
  EXPECT_TRUE(dependents_.empty());
  EXPECT_EQ(End(AspectOfName("b")), Leases());

  Add(kItself, 3);
  Leases ended;
  dependents_.EndAll([&](uint32_t id) { ended.insert(id); });
  EXPECT_EQ(ended, Leases({3}));
  EXPECT_TRUE(dependents_.empty());
}

TEST_F(DependentsTest, ItForgetsNobodyWhoIsAlive) {
  std::map<Aspect, Leases> truth;
  std::mt19937 random(1);
  for (uint32_t id = 1; id < 60'000; ++id) {
    const auto aspect = static_cast<Aspect>(random() % 300);
    switch (random() % 8) {
      case 0: {
        const Leases ended = End(aspect);
        for (const uint32_t lease : truth[aspect]) {
          EXPECT_TRUE(ended.count(lease) > 0 || dead_.count(lease) > 0);
        }
        for (const uint32_t lease : ended) {
          EXPECT_EQ(truth[aspect].count(lease), 1U);
        }
        truth.erase(aspect);
        break;
      }
      case 1:
        dead_.insert(id - static_cast<uint32_t>(random() % std::min(id, 200U)));
        break;
      default:
        Add(aspect, id);
        truth[aspect].insert(id);
        if (random() % 4 == 0) {
          Add(aspect, id);
        }
    }
    if (random() % 5000 == 0) {
      Purge();
    }
  }
}

}  // namespace
}  // namespace vt::watch
