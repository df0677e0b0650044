// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/verify.h"

#include <filesystem>
#include <random>

#include "tests/unit/cache/cache_fixture.h"

namespace vt::cache {
namespace {

using test::IsOk;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What a flipped bit must never change: what a hit gives.
struct Restored {
  std::string out, small, link, log;
  mode_t mode = 0;
  friend bool operator==(const Restored& a, const Restored& b) {
    return a.out == b.out && a.small == b.small && a.link == b.link &&
           a.log == b.log && a.mode == b.mode;
  }
};

class VerifyTest : public CacheTest {
 protected:
  VerifyTest() : app_(Clone("app")) {
    app_.Observes(Observation::CONTENT, "in");
    app_.Observes(Observation::LISTING, "src");
    app_.finished.outputs = {"link", "out", "small"};
    app_.Write("in", "input");
    app_.Write("src/a", "");
    MakeOutputs();
    app_.Logs(Text(5000));
    Store(&app_);
  }
  static std::string Text(int lines) {
    std::string text;
    for (int i = 0; i < lines; ++i) {
      absl::StrAppend(&text, "line ", i, "\n");
    }
    return text;
  }
  void MakeOutputs() {
    app_.Write("out", Text(3000));
    app_.Write("small", "a small one");
    std::filesystem::remove(app_.Path("link"));
    std::filesystem::create_symlink("out", app_.Path("link"));
  }
  VerifyReport Verify() {
    absl::StatusOr<VerifyReport> report = cache_->Verify(nullptr);
    EXPECT_THAT(report, IsOk());
    return report.ok() ? *std::move(report) : VerifyReport();
  }
  // nullopt: no hit, or it cannot be restored.
  std::optional<Restored> Use() {
    for (const char* path : {"out", "small", "link"}) {
      app_.Remove(path);
    }
    const LookupResult found = cache_->Lookup(app_.key);
    if (!found.hit.has_value() ||
        !cache_->Restore(app_.key, *found.hit, &notes_).ok()) {
      return std::nullopt;
    }
    const auto log = cache_->ReadLog(*found.hit);
    if (!log.ok() || log->empty()) {
      return std::nullopt;
    }
    Restored restored;
    restored.out = app_.Read("out");
    restored.small = app_.Read("small");
    restored.link = std::filesystem::read_symlink(app_.Path("link")).string();
    restored.log = (*log)[0].data();
    restored.mode = app_.Stat("out").st_mode;
    return restored;
  }
  std::vector<std::filesystem::path> Files(const std::string& folder) const {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(
             Directory() + "/" + folder, error)) {
      if (entry.is_regular_file()) {
        files.push_back(entry.path());
      }
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  static std::string ReadAll(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream content;
    content << file.rdbuf();
    return content.str();
  }
  static void WriteAll(const std::filesystem::path& path,
                       const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  Workspace app_;
  std::mt19937 random_{20261123};
};

TEST_F(VerifyTest, AWholeCacheIsFoundWhole) {
  const VerifyReport report = Verify();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.blobs, 2U);
  EXPECT_GE(report.records, 6U);
  EXPECT_EQ(report.damaged, 0U);
  EXPECT_TRUE(Use().has_value());
}

TEST_F(VerifyTest, EveryFlippedBitOfABlobIsFound) {
  for (int round = 0; round < 40; ++round) {
    const auto blobs = Files("blobs");
    ASSERT_EQ(blobs.size(), 2U);
    const auto& blob = blobs[random_() % 2];
    std::string bytes = ReadAll(blob);
    const size_t at = random_() % bytes.size();
    const int bit = static_cast<int>(random_() % 8);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
    WriteAll(blob, bytes);
    const VerifyReport report = Verify();
    EXPECT_EQ(report.damaged, 1U) << blob << " byte " << at << " bit " << bit;
    EXPECT_EQ(report.missing, 1U);
    EXPECT_FALSE(std::filesystem::exists(blob));
    EXPECT_THAT(Files("quarantine"), testing::Not(IsEmpty()));
    EXPECT_FALSE(Use().has_value()) << "a miss, and no error";
    MakeOutputs();
    Store(&app_);
    ASSERT_TRUE(Use().has_value());
  }
}

TEST_F(VerifyTest, ATruncatedBlobIsFound) {
  const auto blobs = Files("blobs");
  std::filesystem::resize_file(blobs[0], 0);
  std::filesystem::resize_file(blobs[1], 100);
  EXPECT_EQ(Verify().damaged, 2U);
}

// In what RocksDB gives back, past its checksums.
TEST_F(VerifyTest, EveryFlippedBitOfARecordIsFoundOrHarmless) {
  const std::optional<Restored> good = Use();
  ASSERT_TRUE(good.has_value());
  int found = 0;
  for (int round = 0; round < 60; ++round) {
    cache_.reset();
    std::string what;
    {
      auto database = store::Database::Open(Directory() + "/db");
      ASSERT_THAT(database, IsOk());
      std::vector<std::tuple<store::Table, std::string, std::string>> records;
      for (int t = 1; t < store::kTableCount; ++t) {
        const auto table = static_cast<store::Table>(t);
        ASSERT_THAT((*database)->Scan(
                        table, "",
                        [&](absl::string_view key, absl::string_view value) {
                          records.emplace_back(table, key, value);
                          return true;
                        }),
                    IsOk());
      }
      auto& [table, key, value] = records[random_() % records.size()];
      const size_t at = random_() % value.size();
      const int bit = static_cast<int>(random_() % 8);
      value[at] = static_cast<char>(value[at] ^ (1 << bit));
      what = absl::StrCat("table ", static_cast<int>(table), " byte ", at,
                          " of ", value.size(), " bit ", bit);
      store::Batch batch;
      batch.Put(table, key, value);
      ASSERT_THAT((*database)->Write(batch), IsOk());
    }
    Reopen();
    const VerifyReport report = Verify();
    found += report.damaged + report.missing > 0 ? 1 : 0;
    // Whatever is left after it tells the truth.
    if (const std::optional<Restored> now = Use()) {
      EXPECT_TRUE(*now == *good) << what;
    } else {
      MakeOutputs();
      Store(&app_);
      ASSERT_TRUE(Use().has_value()) << what;
    }
    EXPECT_THAT(Verify().problems, IsEmpty()) << what;
  }
  // Times, orders and provenance are harmless; the rest is found.
  EXPECT_GT(found, 15);
}

// In its files: found, or never noticed, and never an error of a run.
TEST_F(VerifyTest, EveryFlippedBitOfTheDatabaseIsFoundOrHarmless) {
  const std::optional<Restored> good = Use();
  ASSERT_TRUE(good.has_value());
  for (int round = 0; round < 25; ++round) {
    cache_->Close();  // flushes
    auto files = Files("db");
    files.erase(std::remove_if(files.begin(), files.end(),
                               [](const auto& path) {
                                 return std::filesystem::file_size(path) == 0 ||
                                        path.filename().string().find("LOG") ==
                                            0;
                               }),
                files.end());
    const auto& file = files[random_() % files.size()];
    std::string bytes = ReadAll(file);
    const size_t at = random_() % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random_() % 8)));
    WriteAll(file, bytes);
    const std::string what = absl::StrCat(file.string(), " byte ", at);
    Reopen();
    ASSERT_NE(cache_, nullptr) << what;
    if (const std::optional<Restored> now = Use()) {
      EXPECT_TRUE(*now == *good) << what;
    }
    Verify();
    EXPECT_THAT(Verify().problems, IsEmpty()) << what;
    if (const std::optional<Restored> now = Use()) {
      EXPECT_TRUE(*now == *good) << what;
    } else {
      MakeOutputs();
      Store(&app_);
      ASSERT_TRUE(Use().has_value()) << what;
    }
  }
}

TEST_F(VerifyTest, ItCanBeCancelled) {
  EXPECT_TRUE(absl::IsCancelled(
      cache_->Verify([](const Progress&) { return false; }).status()));
  EXPECT_TRUE(Use().has_value());
}

// It may take seconds to read one.
TEST_F(VerifyTest, WithinABlobItTellsHowFarItIsAndCanBeCancelled) {
  std::optional<Progress> in_first;
  EXPECT_TRUE(absl::IsCancelled(
      cache_
          ->Verify([&](const Progress& progress) {
            if (absl::string_view(progress.what) == "checking blobs") {
              in_first = progress;
            }
            return !in_first.has_value();
          })
          .status()));
  ASSERT_TRUE(in_first.has_value());
  EXPECT_EQ(in_first->done, 0U);
  EXPECT_EQ(in_first->total, Files("blobs").size());
  EXPECT_THAT(Files("quarantine"), IsEmpty());
  EXPECT_TRUE(Use().has_value());
}

}  // namespace
}  // namespace vt::cache
