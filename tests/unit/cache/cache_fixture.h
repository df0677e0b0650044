// SPDX-License-Identifier: Apache-2.0
//
// A cache, workspaces and actions to try it with. Times are set on the files:
// nothing waits for a clock.

#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/cache/action_cache.h"
#include "daemon/fingerprint/sink.h"
#include "daemon/store/database.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::cache {

using vtask::storage::v1::LogChunk;
using vtask::storage::v1::Observation;
using vtask::storage::v1::Value;
using vtask::v1::Difference;
using vtask::v1::NotStored;

// One clone of a repository, and the action "build" in it. Thread-compatible.
class Workspace {
 public:
  explicit Workspace(const std::filesystem::path& root) : root_(root) {
    std::filesystem::create_directories(root_);
    key.root = root_.string();
    key.env = std::make_shared<const base::EnvMap>();
    key.position = "app#build";
    key.description.set_program("vite");
    finished.duration = absl::Seconds(2);
  }

  std::string Path(const std::string& path) const {
    return (root_ / path).string();
  }
  void Write(const std::string& path, const std::string& content) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(Path(path), std::ios::binary) << content;
  }
  std::string Read(const std::string& path) const {
    std::ifstream file(Path(path), std::ios::binary);
    if (!file) {
      return "(missing)";
    }
    std::stringstream content;
    content << file.rdbuf();
    return content.str();
  }
  void Remove(const std::string& path) const {
    std::filesystem::remove_all(Path(path));
  }
  bool Exists(const std::string& path) const {
    return std::filesystem::exists(std::filesystem::symlink_status(Path(path)));
  }
  struct stat Stat(const std::string& path) const {
    struct stat st = {};
    ::lstat(Path(path).c_str(), &st);
    return st;
  }
  void SetEnv(base::EnvMap env) {
    key.env = std::make_shared<const base::EnvMap>(std::move(env));
  }

  Observation* Observes(Observation::Kind kind, const std::string& path) {
    Observation* observation = finished.path_set.add_observations();
    observation->set_kind(kind);
    observation->set_path(path);
    return observation;
  }
  void Logs(const std::string& text, bool is_stderr = false) {
    LogChunk& chunk = finished.log.emplace_back();
    chunk.set_data(text);
    chunk.set_is_stderr(is_stderr);
  }
  // The action starts now: later than everything written before.
  void Starts() {
    finished.started = absl::Now() + absl::Seconds(1);
    finished.started_file_clock_ns = absl::ToUnixNanos(finished.started);
  }

  ActionKey key;
  FinishedAction finished;

 private:
  std::filesystem::path root_;
};

class CacheTest : public testing::Test {
 protected:
  CacheTest() { Reopen(); }

  void Reopen() {
    cache_.reset();
    absl::StatusOr<std::unique_ptr<ActionCache>> cache =
        ActionCache::Open(Directory());
    EXPECT_THAT(cache, test::IsOk());
    if (cache.ok()) {
      cache_ = *std::move(cache);
    }
  }
  std::string Directory() const { return (dir_.path() / "cache").string(); }
  std::filesystem::path Clone(const std::string& name) const {
    return dir_.path() / name;
  }

  void Store(Workspace* workspace) {
    workspace->Starts();
    const std::optional<NotStored> why =
        cache_->Store(workspace->key, workspace->finished);
    EXPECT_FALSE(why.has_value()) << why->DebugString();
  }
  bool Hits(const Workspace& workspace) {
    return cache_->Lookup(workspace.key).hit.has_value();
  }
  // "kind change name-or-path" of each difference, joined by "; ".
  std::string Reasons(const Workspace& workspace) {
    const LookupResult result = cache_->Lookup(workspace.key);
    if (result.hit.has_value()) {
      return "hit";
    }
    std::string text = result.miss.first_run ? "first run" : "";
    for (const Difference& difference : result.miss.differences) {
      absl::StrAppend(&text, text.empty() ? "" : "; ",
                      Difference::Kind_Name(difference.kind()), " ",
                      Difference::Change_Name(difference.change()), " ",
                      difference.name(), difference.path());
    }
    return text;
  }
  absl::Status Restore(const Workspace& workspace) {
    const LookupResult result = cache_->Lookup(workspace.key);
    if (!result.hit.has_value()) {
      return absl::NotFoundError("no hit");
    }
    return cache_->Restore(workspace.key, *result.hit, &notes_);
  }

  test::TempDir dir_;
  std::unique_ptr<ActionCache> cache_;
  std::vector<std::string> notes_;
};

}  // namespace vt::cache
