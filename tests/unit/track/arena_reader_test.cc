// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/arena_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vt::track {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ArenaReaderTest : public testing::Test {
 protected:
  // Four chunks.
  ArenaReaderTest() : memory_(4 * kChunkSize / sizeof(uint64_t)) { Reset(); }

  void Reset() {
    std::fill(memory_.begin(), memory_.end(), 0);
    reader_ = std::make_unique<ArenaReader>(
        [this](uint32_t index) { return index < 4 ? Chunk(index) : nullptr; });
  }

  char* Chunk(uint32_t index) {
    return reinterpret_cast<char*>(memory_.data()) + index * kChunkSize;
  }
  ChunkHeader* Header(uint32_t index) {
    return reinterpret_cast<ChunkHeader*>(Chunk(index));
  }

  // Appends a record as a writer does; `reference` gets what others name it by.
  Record* Append(uint32_t chunk, RecordKind kind, const std::string& path,
                 uint32_t epoch = 0, int error = 0, uint32_t base = 0,
                 uint32_t* reference = nullptr) {
    const auto size =
        static_cast<uint32_t>((sizeof(Record) + path.size() + 7) / 8 * 8);
    const uint32_t at =
        static_cast<uint32_t>(sizeof(ChunkHeader)) + Header(chunk)->used;
    Header(chunk)->used += size;
    auto* record = reinterpret_cast<Record*>(Chunk(chunk) + at);
    record->size = size;
    record->kind = static_cast<uint8_t>(kind);
    record->state = 1;
    record->path_size = static_cast<uint16_t>(path.size());
    record->base = base;
    record->result = -error;
    record->epoch = epoch;
    std::memcpy(record + 1, path.data(), path.size());
    if (reference != nullptr) {
      *reference = (kHeaderSize + chunk * kChunkSize + at) / 8;
    }
    return record;
  }

  std::vector<std::string> Read(uint32_t chunks, bool is_last = false,
                                uint32_t epoch = 100) {
    std::vector<std::string> got;
    reader_->Read(chunks, epoch, is_last, [&got](const SignedCall& call) {
      got.push_back(absl::StrCat(call.base, call.base.empty() ? "" : "|",
                                 call.name, call.error == 0 ? "" : "!"));
    });
    return got;
  }

  std::vector<uint64_t> memory_;
  std::unique_ptr<ArenaReader> reader_;
};

TEST_F(ArenaReaderTest, EmptyChunksGiveNothing) {
  EXPECT_THAT(Read(4), IsEmpty());
  EXPECT_EQ(reader_->damage(), "");
}

TEST_F(ArenaReaderTest, RecordsComeOnceAndInOrder) {
  Append(0, RecordKind::kRead, "/a");
  Append(0, RecordKind::kStat, "/b", 0, ENOENT);
  EXPECT_THAT(Read(1), ElementsAre("/a", "/b!"));
  Append(0, RecordKind::kAccess, "/c");
  EXPECT_THAT(Read(1), ElementsAre("/c"));
  EXPECT_THAT(Read(1, /*is_last=*/true), IsEmpty());
  EXPECT_EQ(reader_->count(), 3U);
}

TEST_F(ArenaReaderTest, OlderEpochsOfOtherChunksComeFirst) {
  Append(0, RecordKind::kRead, "/1", 1);
  Append(0, RecordKind::kRead, "/5", 5);
  Append(0, RecordKind::kRead, "/6", 6);
  Append(1, RecordKind::kRead, "/2", 2);
  Append(1, RecordKind::kRead, "/9", 9);
  Append(2, RecordKind::kRead, "/3", 3);
  EXPECT_THAT(Read(3), ElementsAre("/1", "/2", "/3", "/5", "/6", "/9"));
}

TEST_F(ArenaReaderTest, BaseMayBeInAnotherChunk) {
  uint32_t base = 0;
  Append(1, RecordKind::kBase, "/work", 0, 0, 0, &base);
  Append(0, RecordKind::kRead, "src/a", 0, 0, base);
  EXPECT_THAT(Read(2), ElementsAre("/work|src/a"));
  EXPECT_EQ(reader_->count(), 1U);
}

TEST_F(ArenaReaderTest, UnfinishedRecordIsWaitedFor) {
  Append(0, RecordKind::kRead, "/a");
  Record* slow = Append(0, RecordKind::kRead, "/slow");
  slow->state = 0;
  Append(0, RecordKind::kRead, "/b");
  EXPECT_THAT(Read(1), ElementsAre("/a"));
  slow->state = 1;
  EXPECT_THAT(Read(1), ElementsAre("/slow", "/b"));
}

TEST_F(ArenaReaderTest, UnfinishedRecordIsPassedOverAtTheEnd) {
  Append(0, RecordKind::kRead, "/killed")->state = 0;
  Append(0, RecordKind::kRead, "/b");
  EXPECT_THAT(Read(1), IsEmpty());
  EXPECT_THAT(Read(1, /*is_last=*/true), ElementsAre("/b"));
  EXPECT_EQ(reader_->damage(), "");
}

TEST_F(ArenaReaderTest, ReservedAndNeverBegunIsPassedOverAtTheEnd) {
  Header(0)->used += 48;  // killed between reserving and the first store
  Append(0, RecordKind::kRead, "/b");
  EXPECT_THAT(Read(1), IsEmpty());
  EXPECT_THAT(Read(1, /*is_last=*/true), ElementsAre("/b"));
  EXPECT_EQ(reader_->damage(), "");
}

TEST_F(ArenaReaderTest, FullChunkIsReadToItsEnd) {
  const std::string name = "/" + std::string(99, 'x');  // 120 bytes a record
  constexpr size_t kCount = (kChunkSize - sizeof(ChunkHeader)) / 120;
  for (size_t i = 0; i < kCount; ++i) {
    Append(0, RecordKind::kRead, name);
  }
  Header(0)->used += 120;  // it found no room, and went elsewhere
  Header(0)->used += 4096;
  EXPECT_EQ(Read(1).size(), kCount);
  EXPECT_THAT(Read(1, /*is_last=*/true), IsEmpty());
  EXPECT_EQ(reader_->damage(), "");
}

TEST_F(ArenaReaderTest, LongestNameIsRead) {
  const std::string name = "/" + std::string(4094, 'x');
  Append(0, RecordKind::kRead, name);
  EXPECT_THAT(Read(1), ElementsAre(name));
}

TEST_F(ArenaReaderTest, EveryOddFieldIsDamage) {
  struct Case {
    const char* what;
    std::function<void(Record*)> spoil;
  };
  const Case cases[] = {
      {"size not of units", [](Record* r) { r->size += 4; }},
      {"size too small", [](Record* r) { r->size = 8; }},
      {"size under the name", [](Record* r) { r->path_size = 4000; }},
      {"size out of the chunk", [](Record* r) { r->size = kChunkSize; }},
      {"size enormous", [](Record* r) { r->size = 0xfffffff8; }},
      {"no kind", [](Record* r) { r->kind = 0; }},
      {"unknown kind", [](Record* r) { r->kind = kLastRecordKind + 1; }},
      {"no name", [](Record* r) { r->path_size = 0; }},
      {"name with a NUL",
       [](Record* r) { reinterpret_cast<char*>(r + 1)[1] = '\0'; }},
      {"relative without a base",
       [](Record* r) { reinterpret_cast<char*>(r + 1)[0] = 'x'; }},
      {"positive result", [](Record* r) { r->result = 1; }},
      {"no errno", [](Record* r) { r->result = -4096; }},
      {"from the future", [](Record* r) { r->epoch = 101; }},
      {"absolute with a base", [](Record* r) { r->base = 8192 / 8; }},
      {"base in the header",
       [](Record* r) {
         reinterpret_cast<char*>(r + 1)[0] = 'x';
         r->base = 1;
       }},
      {"base beyond the end",
       [](Record* r) {
         reinterpret_cast<char*>(r + 1)[0] = 'x';
         r->base = 0xffffffff;
       }},
      {"base in a chunk header",
       [](Record* r) {
         reinterpret_cast<char*>(r + 1)[0] = 'x';
         r->base = kHeaderSize / 8;
       }},
      {"base in an empty place",
       [](Record* r) {
         reinterpret_cast<char*>(r + 1)[0] = 'x';
         r->base = (kHeaderSize + 5000) / 8;
       }},
      {"base is itself",
       [](Record* r) {
         reinterpret_cast<char*>(r + 1)[0] = 'x';
         r->base = (kHeaderSize + 16 + 24) / 8;
       }},
  };
  for (const Case& test : cases) {
    Reset();
    Append(0, RecordKind::kRead, "/1");
    test.spoil(Append(0, RecordKind::kRead, "/spoilt"));
    Append(0, RecordKind::kRead, "/3");
    EXPECT_THAT(Read(1), ElementsAre("/1")) << test.what;
    EXPECT_NE(reader_->damage(), "") << test.what;
    EXPECT_THAT(Read(1, /*is_last=*/true), IsEmpty()) << test.what;
  }
}

TEST_F(ArenaReaderTest, RelativeBaseIsDamage) {
  uint32_t base = 0;
  Append(0, RecordKind::kBase, "work", 0, 0, 0, &base);
  Append(0, RecordKind::kRead, "a", 0, 0, base);
  EXPECT_THAT(Read(1), IsEmpty());
  EXPECT_NE(reader_->damage(), "");
}

TEST_F(ArenaReaderTest, UseThatIsNoMultipleOfUnitsIsDamage) {
  Header(0)->used = 4;
  EXPECT_THAT(Read(1), IsEmpty());
  EXPECT_NE(reader_->damage(), "");
}

TEST_F(ArenaReaderTest, ChunkThatCannotBeMappedIsDamage) {
  EXPECT_THAT(Read(5), IsEmpty());
  EXPECT_NE(reader_->damage(), "");
}

// What is written over between two records is not believed either.
TEST_F(ArenaReaderTest, ScribblingWhileItIsReadDoesNoHarm) {
  for (int i = 0; i < 100; ++i) {
    Append(0, RecordKind::kRead, absl::StrCat("/", i));
  }
  int count = 0;
  reader_->Read(1, 100, /*is_last=*/true, [&](const SignedCall&) {
    if (++count == 50) {
      std::memset(Chunk(0) + sizeof(ChunkHeader), 0xa5,
                  kChunkSize - sizeof(ChunkHeader));
      Header(0)->used = 0xffffffff;
    }
  });
  EXPECT_EQ(count, 50);
  EXPECT_NE(reader_->damage(), "");
}

}  // namespace
}  // namespace vt::track
