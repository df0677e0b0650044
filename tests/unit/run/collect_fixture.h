// SPDX-License-Identifier: Apache-2.0
//
// Collect over accesses, reports and nested actions that a test makes up.

#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/run/collect.h"
#include "tests/support/temp_dir.h"

namespace vt::run {

class CollectTest : public testing::Test {
 protected:
  using Access = track::Access;
  using Observation = vtask::storage::v1::Observation;

  CollectTest()
      : root_(std::filesystem::canonical(dir_.path()).string()),
        files_(nullptr) {
    description_.mutable_input()->set_automatic(true);
    description_.mutable_output()->set_automatic(true);
    description_.set_track(true);
    description_.set_honor_opt_out(true);
    description_.set_toolchain_executed(true);
  }

  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(
        std::filesystem::path(root_ + "/" + path).parent_path());
    std::ofstream(root_ + "/" + path) << text;
  }

  Access& Saw(const std::string& path, uint32_t observed) {
    Access access;
    access.path = path[0] == '/' ? path
                  : path.empty() ? root_
                                 : root_ + "/" + path;
    access.observed = observed;
    accesses_.accesses.push_back(access);
    return accesses_.accesses.back();
  }

  Access& Made(const std::string& path) {
    Access& access = Saw(path, 0);
    access.mutated = access.is_output = true;
    access.pre_state = track::PreState::kMissing;
    return access;
  }

  // A file that was written over; permissions before, and of a new one.
  Access& Kept(const std::string& path, uint32_t before, uint32_t new_mode) {
    Access& access = Made(path);
    access.pre_state = track::PreState::kFile;
    access.is_kept = true;
    access.pre_mode = S_IFREG | before;
    access.new_mode = new_mode;
    return access;
  }

  Collected Run() {
    std::sort(accesses_.accesses.begin(), accesses_.accesses.end(),
              [](const Access& a, const Access& b) { return a.path < b.path; });
    CollectInput input;
    input.root = root_;
    input.description = &description_;
    input.accesses = &accesses_;
    input.reports = &reports_;
    input.nest = &nest_;
    input.user_untracked = untracked_;
    input.globs_before = globs_before_;
    input.files = &files_;
    input.is_own_output = [this](const std::string& path,
                                 const base::Digest& digest) {
      return path == own_path_ && digest == own_digest_;
    };
    input.is_own_mode = [this](const std::string& path, uint32_t mode) {
      return path == own_path_ && mode == own_mode_;
    };
    return Collect(input);
  }

  static const Observation* Find(const Collected& collected,
                                 Observation::Kind kind,
                                 const std::string& path) {
    for (const Observation& o : collected.action.path_set.observations()) {
      if (o.kind() == kind && o.path() == path) {
        return &o;
      }
    }
    return nullptr;
  }

  static std::string Names(const Collected& collected) {
    std::string names;
    for (const Observation& o : collected.action.path_set.observations()) {
      names += Observation::Kind_Name(o.kind()) + " " + o.path() + "\n";
    }
    return names;
  }

  test::TempDir dir_;
  const std::string root_;
  fingerprint::FileDigests files_;
  vtask::storage::v1::WeakDescription description_;
  track::AccessSet accesses_;
  ipc::ToolReports reports_;
  Nest nest_;
  std::vector<std::string> untracked_;
  std::optional<vtask::storage::v1::Value> globs_before_;
  std::string own_path_;
  base::Digest own_digest_;
  uint32_t own_mode_ = 0;
};

}  // namespace vt::run
