// SPDX-License-Identifier: Apache-2.0
//
// VtTest: the real `vt` and `vt-keeper`, an installed-looking tree in a
// temporary directory, and the fake daemon in vtaskd's place.

#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace vt::test {

// A running program; its stdout and stderr are one pipe.
class Program {
 public:
  Program(pid_t pid, base::UniqueFd out) : pid_(pid), out_(std::move(out)) {}
  Program(Program&&) = default;
  Program& operator=(Program&&) = default;
  ~Program();

  pid_t pid() const { return pid_; }
  const std::string& output() const { return text_; }
  // Reads until `text` has come (true) or the output has ended.
  bool WaitFor(const std::string& text);
  void CloseOutput() { out_.Reset(); }
  // Reads the rest, waits; the wait(2) status.
  int WaitStatus();
  // The same as a shell's $?.
  int Wait();

 private:
  bool ReadSome();

  pid_t pid_;
  base::UniqueFd out_;
  std::string text_;
};

class VtTest : public testing::Test {
 protected:
  VtTest();
  ~VtTest() override;

  // Starts bin/vt with `args`.
  Program Start(const std::vector<std::string>& args);
  struct Result {
    int code = -1;
    std::string output;
  };
  // Starts it, and waits.
  Result Run(const std::vector<std::string>& args);

  // The pids of the daemons that were started, in order.
  std::vector<pid_t> Starts() const;
  void SetMode(const std::string& mode) const;
  // Whether the process has ended, reaped or not; waits `timeout_ms` for it.
  static bool HasEnded(pid_t pid, int timeout_ms = 0);

  std::filesystem::path path() const { return temp_.path(); }

 private:
  const TempDir temp_;

 protected:
  std::map<std::string, std::string> env_;
  std::string cwd_;
  bool ignore_interrupts_ = false;  // as `&` in a script does
};

}  // namespace vt::test
