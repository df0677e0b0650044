// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/arena.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include <gtest/gtest.h>

#include "tests/unit/track/fake_process.h"

namespace vt::track {
namespace {

TEST(ArenaTest, TellsTheWritersWhatTheyMustKnow) {
  const auto arena = Arena::Create(/*signature=*/77, /*chunk_count=*/3);
  ASSERT_NE(arena, nullptr);
  test::FakeArena task(arena->fd());
  EXPECT_EQ(task.header()->magic, kArenaMagic);
  EXPECT_EQ(task.header()->version, kArenaVersion);
  EXPECT_EQ(task.header()->signature, 77U);
  EXPECT_EQ(task.header()->chunk_count, 3U);
  EXPECT_TRUE(task.may_sign());
  arena->SetEpoch(5);
  arena->SetFlags(kFlagHold);
  EXPECT_EQ(task.epoch(), 5U);
  EXPECT_FALSE(task.may_sign());
  arena->ClearFlags(kFlagHold);
  EXPECT_TRUE(task.may_sign());
  EXPECT_TRUE(arena->is_intact());
}

TEST(ArenaTest, NobodyCanShrinkOrGrowIt) {
  const auto arena = Arena::Create(1, 2);
  ASSERT_NE(arena, nullptr);
  EXPECT_NE(::ftruncate(arena->fd(), 0), 0);
  EXPECT_NE(::ftruncate(arena->fd(), 1 << 30), 0);
  EXPECT_NE(::fcntl(arena->fd(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  struct stat status;
  ASSERT_EQ(::fstat(arena->fd(), &status), 0);
  EXPECT_EQ(status.st_size, kHeaderSize + 2 * kChunkSize);
  EXPECT_LE(status.st_blocks, 8);  // one page, so far
}

TEST(ArenaTest, ChunksOfTasksAreSeen) {
  const auto arena = Arena::Create(1, 2);
  test::FakeArena task(arena->fd());
  EXPECT_EQ(arena->used_chunks(), 0U);
  task.TakeChunk()[100] = 'x';
  EXPECT_EQ(arena->used_chunks(), 1U);
  ASSERT_NE(arena->Chunk(0), nullptr);
  EXPECT_EQ(arena->Chunk(0)[100], 'x');
  EXPECT_EQ(arena->Chunk(2), nullptr);
  EXPECT_EQ(arena->Chunk(0xffffffff), nullptr);
}

TEST(ArenaTest, MoreChunksThanThereAreAreNotCounted) {
  const auto arena = Arena::Create(1, 2);
  test::FakeArena task(arena->fd());
  task.header()->next_chunk = 0xffffffff;
  EXPECT_EQ(arena->used_chunks(), 2U);
}

TEST(ArenaTest, LossIsNoDamage) {
  const auto arena = Arena::Create(1, 2);
  test::FakeArena task(arena->fd());
  EXPECT_FALSE(arena->is_lost());
  task.header()->flags |= kFlagLost;
  EXPECT_TRUE(arena->is_lost());
  EXPECT_TRUE(arena->is_intact());
}

TEST(ArenaTest, FlagThatATaskClearsIsDamage) {
  const auto arena = Arena::Create(1, 2);
  test::FakeArena task(arena->fd());
  arena->SetFlags(kFlagSlow);
  task.header()->flags = 0;
  EXPECT_FALSE(arena->is_intact());
}

}  // namespace
}  // namespace vt::track
