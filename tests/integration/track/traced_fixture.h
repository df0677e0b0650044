// SPDX-License-Identifier: Apache-2.0
//
// A workspace in a temporary directory, and programs run in it under the
// Tracker. Built twice: with VT_TEST_HYBRID the preload library is loaded, and
// reads are signed.

#pragma once

#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/track/access_set.h"
#include "daemon/track/not_stored.h"
#include "tests/integration/track/run_traced.h"
#include "tests/support/temp_dir.h"

namespace vt::test {

class TracedTest : public testing::Test {
 protected:
  TracedTest() : root_((temp_.path() / "work").string()) {
    std::filesystem::create_directory(root_);
  }

  std::string Path(const std::string& name) const {
    return absl::StrCat(root_, "/", name);
  }
  void Write(const std::string& name, const std::string& content) {
    std::ofstream(Path(name)) << content;
  }
  std::string Read(const std::string& name) const {
    std::ifstream in(Path(name));
    return {std::istreambuf_iterator<char>(in),
            std::istreambuf_iterator<char>()};
  }
  bool Exists(const std::string& name) const {
    return std::filesystem::exists(Path(name));
  }

  // Runs `argv` in the workspace; results in `set_` and `status_`.
  void Run(std::vector<std::string> argv) {
    TracedRun run;
    run.argv = std::move(argv);
    run.env = {"PATH=/usr/bin:/bin"};
    run.cwd = run.root = root_;
    run.own_directories = own_directories_;
    run.allowed_services = allowed_services_;
    run.tier = tier_;
    run.strict = strict_;
    run.preload = preload_;
    run.stderr_fd = 2;
    absl::StatusOr<TracedResult> result = RunTraced(run);
    ASSERT_TRUE(result.ok()) << result.status();
    set_ = std::move(result->set);
    status_ = result->status;
    pid_ = result->pid;
  }
  // Runs the helper `ops` with these.
  void Do(std::vector<std::string> ops) {
#ifdef VT_TEST_HYBRID
    // So many calls, and the library asks for the arena.
    ops.insert(ops.begin(), 8, "stat:/");
#endif
    ops.insert(ops.begin(), VT_OPS);
    Run(std::move(ops));
    ASSERT_EQ(status_, 0);
  }

  // What is known of a path, relative to the workspace or absolute; an empty
  // Access if nothing.
  track::Access At(const std::string& name) const {
    const std::string path = name[0] == '/' ? name : Path(name);
    for (const track::Access& access : set_.accesses) {
      if (access.path == path) {
        return access;
      }
    }
    return {};
  }
  bool IsKnown(const std::string& name) const { return !At(name).path.empty(); }
  bool IsInput(const std::string& name) const { return At(name).observed != 0; }
  std::vector<int> Flaws() const {
    std::vector<int> reasons;
    for (const track::Flaw& flaw : set_.flaws) {
      reasons.push_back(flaw.reason);
    }
    return reasons;
  }
  std::vector<std::string> Outputs() const {
    std::vector<std::string> names;
    for (const track::Access& access : set_.accesses) {
      if (access.is_output) {
        names.push_back(access.path.substr(root_.size() + 1));
      }
    }
    return names;
  }

  TempDir temp_;
  const std::string root_;
  std::vector<std::string> own_directories_;
  std::vector<std::string> allowed_services_;
  int tier_ = 0;
  bool strict_ = false;
#ifdef VT_TEST_HYBRID
  std::string preload_ = VT_TEST_HYBRID;
#else
  std::string preload_;
#endif
  track::AccessSet set_;
  int status_ = -1;
  pid_t pid_ = 0;
};

}  // namespace vt::test
