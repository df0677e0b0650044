// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/digest_table.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "daemon/fingerprint/sink.h"

namespace vt::fingerprint {
namespace {

constexpr int64_t kNow = 1'700'000'000'123'456'789;

KnownContent Settled(uint64_t inode) {
  KnownContent entry;
  entry.identity = {/*device=*/0xfd00 + inode % 3, inode, /*size=*/inode * 7,
                    kNow - static_cast<int64_t>(inode), kNow};
  entry.content = Sha256(std::to_string(inode));
  entry.known_since_ns = LastChange(entry.identity);
  entry.contains_root = inode % 2 == 0;
  entry.is_settled = true;
  return entry;
}

bool Equal(const std::optional<KnownContent>& a, const KnownContent& b) {
  return a.has_value() && a->identity == b.identity &&
         a->content == b.content && a->known_since_ns == b.known_since_ns &&
         a->contains_root == b.contains_root && a->is_settled == b.is_settled;
}

TEST(DigestTableTest, HoldsWhatAMapWouldHold) {
  DigestTable table;
  std::map<uint64_t, KnownContent> truth;
  std::mt19937 random(1);
  for (int i = 0; i < 40'000; ++i) {
    const uint64_t key = random() % 5000;
    switch (random() % 4) {
      case 0:
        EXPECT_EQ(table.Erase(key), truth.erase(key) > 0);
        break;
      case 1:
        EXPECT_EQ(table.Find(key).has_value(), truth.count(key) > 0);
        break;
      default:
        truth[key] = Settled(random());
        truth[key].is_settled = random() % 8 != 0;
        table.Put(key, truth[key]);
    }
    ASSERT_EQ(table.size(), truth.size());
  }
  for (const auto& [key, entry] : truth) {
    ASSERT_TRUE(Equal(table.Find(key), entry)) << key;
  }
  for (const auto& [key, entry] : truth) {
    ASSERT_TRUE(table.Erase(key));
    ASSERT_FALSE(table.Find(key).has_value());
  }
  EXPECT_EQ(table.size(), 0U);
}

TEST(DigestTableTest, AfterClearItIsEmptyAndTakesMore) {
  DigestTable table;
  for (uint64_t key = 0; key < 3000; ++key) {
    table.Put(key, Settled(key));
  }
  table.Clear();
  EXPECT_EQ(table.size(), 0U);
  EXPECT_FALSE(table.Find(7).has_value());
  table.Put(7, Settled(8));
  EXPECT_TRUE(Equal(table.Find(7), Settled(8)));
}

TEST(DigestTableTest,
     ASettledEntryIsKnownNoEarlierThanItWasAndNoLaterThanItsChange) {
  DigestTable table;
  KnownContent entry = Settled(1);
  const int64_t change = LastChange(entry.identity);
  entry.known_since_ns = change - 3'000'000;
  table.Put(1, entry);
  EXPECT_EQ(table.Find(1)->known_since_ns, entry.known_since_ns);
  // Longer before the change than there is room for.
  entry.known_since_ns = change - 3'600'000'000'000;
  table.Put(1, entry);
  EXPECT_GT(table.Find(1)->known_since_ns, entry.known_since_ns);
  EXPECT_LE(table.Find(1)->known_since_ns, change);
  // One that is not settled has all the room: its times may lie in the future.
  entry.is_settled = false;
  table.Put(1, entry);
  EXPECT_TRUE(Equal(table.Find(1), entry));
}

TEST(DigestTableTest, WhatItCannotHoldExactlyIsNotInIt) {
  DigestTable table;
  table.Put(1, Settled(1));
  KnownContent large = Settled(1);
  large.identity.size = (uint64_t{1} << 52) - 1;
  table.Put(1, large);
  EXPECT_TRUE(Equal(table.Find(1), large));
  large.identity.size += 1;
  table.Put(1, large);
  EXPECT_FALSE(table.Find(1).has_value());

  for (uint64_t device = 0; device < 5000; ++device) {
    KnownContent entry = Settled(2);
    entry.identity.device = device << 32;
    table.Put(device, entry);
    const auto found = table.Find(device);
    ASSERT_TRUE(!found.has_value() || Equal(found, entry)) << device;
  }
  EXPECT_GT(table.size(), 4000U);
  EXPECT_FALSE(table.Find(4999).has_value());
}

}  // namespace
}  // namespace vt::fingerprint
