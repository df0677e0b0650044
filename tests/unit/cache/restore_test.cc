// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/restore.h"

#include <fcntl.h>
#include <unistd.h>

#include "daemon/base/consulted.h"
#include "daemon/base/unique_fd.h"
#include "daemon/cache/temporaries.h"
#include "daemon/fingerprint/sighting.h"
#include "daemon/fingerprint/sink.h"
#include "tests/unit/cache/cache_fixture.h"

namespace vt::cache {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::_;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using vtask::storage::v1::Output;

class RestoreTest : public CacheTest {
 protected:
  RestoreTest() : app_(Clone("app")) {}

  // Stores what is on disk at `outputs`.
  void StoreOutputs(const std::vector<std::string>& outputs) {
    app_.finished.outputs = outputs;
    Store(&app_);
  }
  // What is in the root.
  std::vector<std::string> Listing() const {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(app_.Path(""))) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  // Restores a result that no store would make.
  absl::Status RestoreForged(const std::string& path, Output::Type type) {
    Hit hit;
    Output* output = hit.result->add_outputs();
    output->set_path(path);
    output->set_type(type);
    output->set_mode(0644);
    output->set_link("target");
    output->set_inline_data("x");
    output->set_size(1);
    return cache_->Restore(app_.key, hit, &notes_);
  }

  Workspace app_;
};

TEST_F(RestoreTest, BringsBackFilesModesLinksAndEmptyDirectories) {
  app_.Write("dist/big.js", std::string(10'000, 'x'));
  app_.Write("dist/small.js", "1");
  app_.Write("dist/empty.js", "");
  ::chmod(app_.Path("dist/small.js").c_str(), 0755);
  ::chmod(app_.Path("dist/big.js").c_str(), 0600);
  std::filesystem::create_directory(app_.Path("dist/none"));
  ::chmod(app_.Path("dist/none").c_str(), 0711);
  std::filesystem::create_symlink("small.js", app_.Path("dist/link"));
  StoreOutputs({"dist", "dist/big.js", "dist/small.js", "dist/empty.js",
                "dist/none", "dist/link"});
  app_.Remove("dist");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Read("dist/big.js"), std::string(10'000, 'x'));
  EXPECT_EQ(app_.Stat("dist/big.js").st_mode & 07777, 0600U);
  EXPECT_EQ(app_.Read("dist/small.js"), "1");
  EXPECT_EQ(app_.Stat("dist/small.js").st_mode & 07777, 0755U);
  EXPECT_EQ(app_.Read("dist/empty.js"), "");
  EXPECT_EQ(app_.Stat("dist/none").st_mode, mode_t{S_IFDIR | 0711});
  EXPECT_EQ(std::filesystem::read_symlink(app_.Path("dist/link")), "small.js");
}

TEST_F(RestoreTest, CreatesParentsThatNobodyRecorded) {
  app_.Write("a/b/c/out", "1");
  StoreOutputs({"a/b/c/out"});
  app_.Remove("a");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Read("a/b/c/out"), "1");
}

TEST_F(RestoreTest, IdenticalFilesAreLeftAlone) {
  app_.Write("dist/a", std::string(3000, 'a'));
  app_.Write("dist/map", "at " + app_.key.root);
  app_.Write("dist/b", "old");
  StoreOutputs({"dist", "dist/a", "dist/b", "dist/map"});
  app_.Write("dist/b", "new");
  const struct stat a = app_.Stat("dist/a");
  const struct stat map = app_.Stat("dist/map");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Read("dist/b"), "old");
  for (const auto& [name, before] :
       {std::pair("dist/a", a), std::pair("dist/map", map)}) {
    const struct stat after = app_.Stat(name);
    EXPECT_EQ(after.st_ino, before.st_ino) << name;
    EXPECT_EQ(after.st_ctim.tv_sec, before.st_ctim.tv_sec);
    EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
  }
}

// Who opens a file for writing leaves its permissions, who replaces it does
// not: only a run knows.
TEST_F(RestoreTest, OtherPermissionsAreNoHit) {
  app_.Write("out", "1");
  std::filesystem::create_directory(app_.Path("dist"));
  StoreOutputs({"dist", "out"});
  for (const char* path : {"dist", "out"}) {
    const mode_t mode = app_.Stat(path).st_mode & 07777;
    ::chmod(app_.Path(path).c_str(), 0700);
    EXPECT_EQ(Reasons(app_), absl::StrCat("FILE CHANGED ", path));
    ::chmod(app_.Path(path).c_str(), mode);
  }
  EXPECT_TRUE(Hits(app_));
}

TEST_F(RestoreTest, AFileWithOtherNamesIsNoHitUnlessItIsEqual) {
  app_.Write("out", "1");
  StoreOutputs({"out"});
  std::filesystem::create_hard_link(app_.Path("out"), app_.Path("other"));
  EXPECT_TRUE(Hits(app_));
  app_.Write("other", "mine");
  EXPECT_EQ(Reasons(app_), "FILE CHANGED out");
}

TEST_F(RestoreTest, NothingTemporaryIsLeft) {
  app_.Write("dist/a", std::string(3000, 'a'));
  StoreOutputs({"dist/a"});
  app_.Remove("dist/a");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(
      std::distance(std::filesystem::directory_iterator(app_.Path("dist")), {}),
      1);
}

// A run would follow the link, fail on the directory, and so on.
TEST_F(RestoreTest, NothingIsReplacedBySomethingOfAnotherType) {
  const auto make = [&](const std::string& type) {
    app_.Remove("out");
    if (type == "directory") {
      std::filesystem::create_directory(app_.Path("out"));
    } else if (type == "link") {
      std::filesystem::create_symlink("x", app_.Path("out"));
    } else if (type == "file") {
      app_.Write("out", "1");
    } else {
      ::mkfifo(app_.Path("out").c_str(), 0644);
    }
    return app_.Stat("out").st_ino;
  };
  for (const char* stored : {"file", "link", "directory"}) {
    make(stored);
    StoreOutputs({"out"});
    for (const char* found : {"file", "link", "directory", "pipe"}) {
      if (std::string(found) == stored) {
        continue;
      }
      // Whoever comes between the look and the restoring is seen, too.
      app_.Remove("out");
      const LookupResult result = cache_->Lookup(app_.key);
      ASSERT_TRUE(result.hit.has_value());
      const ino_t inode = make(found);
      EXPECT_EQ(Reasons(app_), "FILE CHANGED out") << stored << " " << found;
      EXPECT_THAT(cache_->Restore(app_.key, *result.hit, &notes_),
                  StatusIs(absl::StatusCode::kFailedPrecondition,
                           HasSubstr("'out' is a ")));
      EXPECT_EQ(app_.Stat("out").st_ino, inode);
    }
  }
}

TEST_F(RestoreTest, NothingIsTouchedIfOneOutputIsInTheWay) {
  app_.Write("a", "1");
  app_.Write("b", "1");
  StoreOutputs({"a", "b"});
  app_.Write("a", "edited");
  const LookupResult result = cache_->Lookup(app_.key);
  ASSERT_TRUE(result.hit.has_value());
  app_.Remove("b");
  std::filesystem::create_directory(app_.Path("b"));
  EXPECT_FALSE(cache_->Restore(app_.key, *result.hit, &notes_).ok());
  EXPECT_EQ(app_.Read("a"), "edited");
}

TEST_F(RestoreTest, DirectoriesThatNobodyRecordedFollowTheUmask) {
  app_.Write("a/b/out", "1");
  app_.key.umask = 027;
  StoreOutputs({"a/b/out"});
  app_.Remove("a");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Stat("a").st_mode & 07777, 0750U);
  EXPECT_EQ(app_.Stat("a/b").st_mode & 07777, 0750U);
  app_.key.umask = 022;
  EXPECT_EQ(Reasons(app_), "UMASK CHANGED ");
}

// As those that mkdir makes there.
TEST_F(RestoreTest, DirectoriesThatNobodyRecordedKeepTheGroupOfThoseAbove) {
  app_.Write("a/b/out", "1");
  StoreOutputs({"a/b/out"});
  app_.Remove("a");
  ::chmod(app_.Path("").c_str(), 02755);
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Stat("a").st_mode & 07777, 02755U);
  EXPECT_EQ(app_.Stat("a/b").st_mode & 07777, 02755U);
}

TEST_F(RestoreTest, WithoutOutputsTheUmaskDoesNotMatter) {
  StoreOutputs({});
  app_.key.umask = 077;
  EXPECT_TRUE(Hits(app_));
}

TEST_F(RestoreTest, AReadOnlyDirectoryIsFilled) {
  app_.Write("dist/a", "1");
  ::chmod(app_.Path("dist").c_str(), 0555);
  StoreOutputs({"dist", "dist/a"});
  ::chmod(app_.Path("dist").c_str(), 0755);
  app_.Remove("dist");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Read("dist/a"), "1");
  EXPECT_EQ(app_.Stat("dist").st_mode & 07777, 0555U);
  ::chmod(app_.Path("dist").c_str(), 0755);
}

TEST_F(RestoreTest, PathsOutsideTheRootAreRefused) {
  for (const char* path : {"../x", "/tmp/x", "a/../../x", "", ".", "a//b"}) {
    EXPECT_THAT(RestoreForged(path, Output::FILE),
                StatusIs(absl::StatusCode::kFailedPrecondition, _))
        << path;
  }
  EXPECT_FALSE(std::filesystem::exists(Clone("x")));
}

TEST_F(RestoreTest, NothingIsWrittenThroughALink) {
  app_.Write("dist/a", "1");
  StoreOutputs({"dist/a"});
  app_.Remove("dist");
  std::filesystem::create_directory(Clone("victim"));
  std::filesystem::create_directory_symlink(Clone("victim"), app_.Path("dist"));
  EXPECT_EQ(Reasons(app_), "FILE CHANGED dist");
  for (const Output::Type type :
       {Output::FILE, Output::SYMLINK, Output::DIRECTORY}) {
    EXPECT_THAT(RestoreForged("dist/b", type),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("'dist' is not a directory")));
  }
  EXPECT_TRUE(std::filesystem::is_empty(Clone("victim")));
  EXPECT_TRUE(S_ISLNK(app_.Stat("dist").st_mode));
}

TEST_F(RestoreTest, ADamagedBlobIsDataLossAndTheNextStoreHealsIt) {
  const std::string content(5000, 'x');
  app_.Write("out", content);
  StoreOutputs({"out"});
  app_.Remove("out");
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(Directory() + "/blobs")) {
    if (entry.is_regular_file()) {
      std::ofstream(entry.path(), std::ios::binary) << "\x01garbage";
    }
  }
  const uint64_t before = cache_->generation();
  EXPECT_THAT(Restore(app_), StatusIs(absl::StatusCode::kDataLoss, _));
  EXPECT_FALSE(app_.Exists("out"));
  // Another hit may need it, too.
  EXPECT_NE(cache_->generation(), before);

  app_.Write("out", content);
  StoreOutputs({"out"});
  app_.Remove("out");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Read("out"), content);
}

// Over 1 MiB it goes in pieces.
TEST_F(RestoreTest, LargeFilesComeBack) {
  std::string random(3'000'001, '\0');
  uint32_t state = 1;
  for (char& c : random) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  std::string text(5'000'000, ' ');
  for (size_t i = 0; i < text.size(); i += 7) {
    text[i] = static_cast<char>('a' + i % 23);
  }
  app_.Write("random", random);
  app_.Write("text", text);
  app_.Write("exact", std::string(size_t{4} << 18, 'x') + "y");
  StoreOutputs({"random", "text", "exact"});
  for (const char* path : {"random", "text", "exact"}) {
    app_.Remove(path);
  }
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_TRUE(app_.Read("random") == random);
  EXPECT_TRUE(app_.Read("text") == text);
  EXPECT_EQ(app_.Read("exact").size(), (size_t{4} << 18) + 1);
  const struct stat before = app_.Stat("text");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Stat("text").st_ino, before.st_ino);
}

// A dependent looks at it right away, and so does the next run.
TEST_F(RestoreTest, WhatWasRestoredIsNotReadAgain) {
  const std::string with_root = "at " + app_.key.root + ", and so on";
  app_.Write("dist/big.js", std::string(10'000, 'x'));
  app_.Write("dist/map", std::string(2'000, 'm') + with_root);
  app_.Write("dist/small.js", with_root);
  StoreOutputs({"dist/big.js", "dist/map", "dist/small.js"});
  app_.Remove("dist");
  EXPECT_THAT(Restore(app_), IsOk());
  struct stat status = app_.Stat("dist/big.js");
  const base::UniqueFd fd(
      ::open(app_.Path("dist/big.js").c_str(), O_RDONLY | O_CLOEXEC));
  if (!fingerprint::HasStampForEachChange(fd.get(), status)) {
    GTEST_SKIP() << "REQUIRES(multigrain): stamps with the tick";
  }
  const uint64_t reads = cache_->files().reads();
  for (const char* const name : {"dist/big.js", "dist/map", "dist/small.js"}) {
    const fingerprint::FileState state = cache_->files().Look(
        app_.key.root, app_.Path(name), /*follow=*/false, /*content=*/true);
    bool contains_root = false;
    EXPECT_EQ(state.content,
              fingerprint::FileDigests::ContentDigest(
                  app_.key.root, app_.Read(name), &contains_root));
    EXPECT_EQ(state.contains_root, contains_root);
  }
  EXPECT_EQ(cache_->files().reads(), reads);
}

TEST_F(RestoreTest, AChangeRightAfterARestoreIsSeen) {
  const std::string before(3'000, 'a');
  const std::string after(3'000, 'b');
  app_.Write("out", before);
  StoreOutputs({"out"});
  for (int i = 0; i < 300; ++i) {
    app_.Remove("out");
    ASSERT_THAT(Restore(app_), IsOk());
    app_.Write("out", after);
    EXPECT_EQ(cache_->files()
                  .Look(app_.key.root, app_.Path("out"), /*follow=*/false,
                        /*content=*/true)
                  .content,
              fingerprint::Sha256(after))
        << i;
  }
}

TEST_F(RestoreTest, ALargeFileThatNamesTheRootAnywhereIsBoundToIt) {
  for (const size_t at : {size_t{0}, (size_t{256} << 10) - 5,
                          (size_t{512} << 10) - 1, size_t{1'900'000}}) {
    std::string content(2'000'000, '-');
    content.replace(at, app_.key.root.size(), app_.key.root);
    app_.Write("out", content);
    StoreOutputs({"out"});
    const LookupResult result = cache_->Lookup(app_.key);
    ASSERT_TRUE(result.hit.has_value());
    EXPECT_EQ(result.hit->result->root(), app_.key.root) << at;
    app_.Remove("out");
    EXPECT_THAT(Restore(app_), IsOk());
    EXPECT_TRUE(app_.Read("out") == content);
    EXPECT_THAT(Restore(app_), IsOk());
  }
}

TEST_F(RestoreTest, ADamagedLargeBlobLeavesNothing) {
  const std::string content(3'000'000, 'x');
  app_.Write("out", content);
  StoreOutputs({"out"});
  app_.Remove("out");
  std::filesystem::path blob;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(Directory() + "/blobs")) {
    blob = entry.is_regular_file() ? entry.path() : blob;
  }
  std::stringstream good;
  good << std::ifstream(blob, std::ios::binary).rdbuf();
  for (const auto& bad :
       {good.str().substr(0, good.str().size() / 2), good.str().substr(0, 1),
        std::string(), good.str() + "more",
        good.str().substr(0, 3000) + "?" + good.str().substr(3001)}) {
    std::ofstream(blob, std::ios::binary) << bad;
    EXPECT_THAT(Restore(app_), StatusIs(absl::StatusCode::kDataLoss, _));
    EXPECT_TRUE(std::filesystem::is_empty(app_.key.root));
  }
}

TEST_F(RestoreTest, ManyFilesComeBackByManyThreads) {
  std::vector<std::string> outputs;
  for (int i = 0; i < 700; ++i) {
    std::string path =
        absl::StrCat("dist/", i % 13, "/deep/", i % 5, "/", i, ".js");
    app_.Write(path, absl::StrCat("content ", i, std::string(i * 7, 'x')));
    outputs.push_back(std::move(path));
  }
  StoreOutputs(outputs);
  app_.Remove("dist");
  EXPECT_THAT(Restore(app_), IsOk());
  for (int i = 0; i < 700; ++i) {
    EXPECT_EQ(app_.Read(outputs[i]),
              absl::StrCat("content ", i, std::string(i * 7, 'x')));
  }
}

// Or a known hit would outlive a change of those that another thread saw.
TEST_F(RestoreTest, WhatEachOfManyThreadsLooksAtIsNoted) {
  std::vector<std::string> outputs;
  for (int i = 0; i < 500; ++i) {
    outputs.push_back(absl::StrCat("dist/", i));
    app_.Write(outputs.back(), absl::StrCat("content ", i));
  }
  StoreOutputs(outputs);
  const LookupResult found = cache_->Lookup(app_.key);
  ASSERT_TRUE(found.hit.has_value());
  base::Consulted consulted;
  {
    const base::ConsultedScope scope(&consulted);
    EXPECT_THAT(cache_->Restore(app_.key, *found.hit, &notes_), IsOk());
  }
  // By the search for obstacles and by the restorer, at least.
  std::map<std::string, int> looks;
  for (const base::Consulted::Path& path : consulted.paths) {
    ++looks[path.path];
  }
  const int of_first = looks[app_.Path(outputs[0])];
  EXPECT_GE(of_first, 2);
  for (const std::string& output : outputs) {
    EXPECT_EQ(looks[app_.Path(output)], of_first) << output;
  }
}

TEST_F(RestoreTest, ALostBlobAmongManyIsAnError) {
  std::vector<std::string> outputs;
  for (int i = 0; i < 300; ++i) {
    outputs.push_back(absl::StrCat("dist/", i));
    app_.Write(outputs.back(), absl::StrCat(i, std::string(2000, 'x')));
  }
  StoreOutputs(outputs);
  app_.Remove("dist");
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(Directory() + "/blobs")) {
    if (entry.is_regular_file()) {
      std::filesystem::remove(entry.path());
      break;
    }
  }
  EXPECT_THAT(Restore(app_), StatusIs(absl::StatusCode::kDataLoss, _));
}

// Process 1 lives, but was not started then.
TEST_F(RestoreTest, WhatAKilledDaemonLeftIsRemoved) {
  app_.Write("dist/a", "a");
  app_.Write("b", "b");
  StoreOutputs({"b", "dist", "dist/a"});
  app_.Remove("dist/a");
  app_.Write("dist/.vtask-tmp-1-12345678901234-7", "half");
  std::filesystem::create_directory(app_.Path("dist/.vtask-tmp-999999999-5-8"));
  app_.Write("dist/.vtask-tmp-999999999-5-9/sub/a", "half");
  app_.Write("dist/.vtask-tmp-mine", "not ours");
  app_.Write("dist/.vtask-tmp-x-1-2", "not ours");
  app_.Write(".vtask-tmp-1-12345678901234-7", "elsewhere");
  const std::string living = absl::StrCat("dist/", TemporaryName());
  app_.Write(living, "being written");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_FALSE(app_.Exists("dist/.vtask-tmp-1-12345678901234-7"));
  EXPECT_FALSE(app_.Exists("dist/.vtask-tmp-999999999-5-8"));
  EXPECT_FALSE(app_.Exists("dist/.vtask-tmp-999999999-5-9"));
  EXPECT_TRUE(app_.Exists("dist/.vtask-tmp-mine"));
  EXPECT_TRUE(app_.Exists("dist/.vtask-tmp-x-1-2"));
  EXPECT_TRUE(app_.Exists(living));
  // Nothing was written there.
  EXPECT_TRUE(app_.Exists(".vtask-tmp-1-12345678901234-7"));
}

// And not only when something is restored beside it.
TEST_F(RestoreTest, WhatAKilledDaemonWasFillingIsRemoved) {
  app_.Write("dist/a", "a");
  StoreOutputs({"dist", "dist/a"});
  const std::string record = absl::StrCat(Directory(), "/staged");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_TRUE(std::filesystem::is_empty(record));  // there it was
  app_.Remove("dist");
  EXPECT_THAT(Restore(app_), IsOk());
  std::stringstream recorded;
  recorded << std::ifstream(record, std::ios::binary).rdbuf();
  EXPECT_EQ(recorded.str().find(app_.Path(".vtask-tmp-")), 0U);

  const std::string living = TemporaryName();
  std::ofstream file(record, std::ios::binary | std::ios::app);
  for (const std::string& name :
       {std::string(".vtask-tmp-999999999-5-9"), living, std::string("dist")}) {
    app_.Write(name + "/sub/a", "half");
    file << app_.Path(name) << '\0';
  }
  file << app_.Path("gone/.vtask-tmp-999999999-5-9") << '\0' << "half a pa";
  file.close();
  Reopen();
  EXPECT_FALSE(app_.Exists(".vtask-tmp-999999999-5-9"));
  EXPECT_TRUE(app_.Exists(living));
  EXPECT_TRUE(app_.Exists("dist/a"));
  EXPECT_TRUE(std::filesystem::is_empty(record));
}

// Where they are two files. Elsewhere it is an error (CheckCase).
TEST_F(RestoreTest, NamesThatDifferInCaseAreTwoFiles) {
  app_.Write("README", "1");
  app_.Write("readme", "2");
  StoreOutputs({"README", "readme"});
  app_.Remove("README");
  app_.Remove("readme");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Read("README"), "1");
  EXPECT_EQ(app_.Read("readme"), "2");
  // One file under both names stands for such a file system.
  app_.Remove("readme");
  std::filesystem::create_hard_link(app_.Path("README"), app_.Path("readme"));
  EXPECT_FALSE(Restore(app_).ok());
}

// Killed after any file: what is there is whole, the rest comes next time.
TEST_F(RestoreTest, AHalfRestoredHitIsAHit) {
  app_.Write("dist/a", "1");
  app_.Write("dist/deep/b", std::string(5000, 'b'));
  ::chmod(app_.Path("dist/deep").c_str(), 0711);
  StoreOutputs({"dist", "dist/a", "dist/deep", "dist/deep/b"});
  app_.Remove("dist/deep");
  app_.Write("dist/.vtask-tmp-1-1", "half");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Read("dist/deep/b"), std::string(5000, 'b'));
  EXPECT_EQ(app_.Stat("dist/deep").st_mode & 07777, 0711U);
}

// Both directories, with what is in them, or neither.
TEST_F(RestoreTest, ADirectoryComesBackWholeOrNotAtAll) {
  const std::string large(100 << 10, 'x');
  app_.Write("dist/a", "a");
  app_.Write("dist/sub/b", large);
  StoreOutputs({"dist", "dist/a", "dist/sub", "dist/sub/b"});
  app_.Remove("dist");
  std::filesystem::rename(Directory() + "/blobs", Directory() + "/lost");
  EXPECT_THAT(Restore(app_), StatusIs(absl::StatusCode::kDataLoss, _));
  EXPECT_THAT(Listing(), IsEmpty());
  std::filesystem::remove_all(Directory() + "/blobs");
  std::filesystem::rename(Directory() + "/lost", Directory() + "/blobs");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Read("dist/sub/b"), large);
  EXPECT_THAT(Listing(), ElementsAre("dist"));
}

TEST_F(RestoreTest, ALostBlobIsDataLoss) {
  app_.Write("out", std::string(5000, 'x'));
  StoreOutputs({"out"});
  app_.Remove("out");
  std::filesystem::remove_all(Directory() + "/blobs");
  EXPECT_THAT(Restore(app_), StatusIs(absl::StatusCode::kDataLoss, _));
}

TEST_F(RestoreTest, EveryBitOfABlobIsChecked) {
  std::string content;
  for (int i = 0; i < 3000; ++i) {
    content += static_cast<char>('a' + i * 7 % 23);
  }
  app_.Write("out", content);
  StoreOutputs({"out"});
  app_.Remove("out");
  std::filesystem::path blob;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(Directory() + "/blobs")) {
    blob = entry.is_regular_file() ? entry.path() : blob;
  }
  std::stringstream good;
  good << std::ifstream(blob, std::ios::binary).rdbuf();
  for (size_t i = 0; i < good.str().size(); ++i) {
    std::string bad = good.str();
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    std::ofstream(blob, std::ios::binary) << bad;
    const absl::Status status = Restore(app_);
    // A flipped bit may leave the bytes as they were (frame flags), never
    // anything else.
    EXPECT_TRUE(absl::IsDataLoss(status) || app_.Read("out") == content) << i;
    app_.Remove("out");
  }
}

TEST_F(RestoreTest, DeletionsAreRepeatedOnlyForEqualContent) {
  app_.Write("old.js", "generated");
  auto& deletion = app_.finished.deletions.emplace_back();
  deletion.set_path("old.js");
  const base::Digest digest = fingerprint::Sha256("generated");
  deletion.set_content_digest(std::string(digest.AsBytes()));
  StoreOutputs({});
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_FALSE(app_.Exists("old.js"));
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_THAT(notes_, IsEmpty());

  app_.Write("old.js", "written by hand");
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Read("old.js"), "written by hand");
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("old.js")));
}

// `mv in out`: after a failed restore it runs, and needs `in`.
TEST_F(RestoreTest, NothingIsDeletedIfAnOutputIsLost) {
  const std::string content(5000, 'x');
  app_.Write("out", content);
  app_.Write("in", content);
  auto& deletion = app_.finished.deletions.emplace_back();
  deletion.set_path("in");
  const base::Digest digest = fingerprint::Sha256(content);
  deletion.set_content_digest(std::string(digest.AsBytes()));
  StoreOutputs({"out"});
  app_.Remove("out");
  std::filesystem::remove_all(Directory() + "/blobs");
  EXPECT_THAT(Restore(app_), StatusIs(absl::StatusCode::kDataLoss, _));
  EXPECT_TRUE(app_.Exists("in"));
}

}  // namespace
}  // namespace vt::cache
