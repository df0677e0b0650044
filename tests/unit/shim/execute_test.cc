// SPDX-License-Identifier: Apache-2.0

#include "shim/execute.h"

#include <poll.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace vt::shim {
namespace {

constexpr int kLimitMs = 20000;

// A task whose keeper is a script, in bash: it has descriptors above 9.
class TerminalTaskTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const {
    return (dir_.path() / name).string();
  }
  std::unique_ptr<TerminalTask> Start(const std::string& keeper) {
    std::ofstream(Path("keeper")) << "#!/bin/bash\n" << keeper;
    std::filesystem::permissions(Path("keeper"),
                                 std::filesystem::perms::owner_all);
    vtask::v1::RunResponse::Execute request;
    request.set_program("/bin/true");
    request.set_cwd(dir_.path().string());
    sigset_t mask;
    ::sigemptyset(&mask);
    return TerminalTask::Start(request, Path("keeper"), mask);
  }

  test::TempDir dir_;
};

// Whoever closes such a socket with something unread in it gives the other side
// one ECONNRESET, ahead of what it has sent (Linux, unix_release_sock).
TEST_F(TerminalTaskTest, LastWordIsHeardAfterASignalThatNobodyRead) {
  ASSERT_EQ(::mkfifo(Path("go").c_str(), 0600), 0);
  const auto task =
      Start("printf 'S %d' $$ >&$2\nread -r word < go\nprintf 'X 15' >&$2\n");
  ASSERT_EQ(task->Read().kind, TerminalTask::News::Kind::kStarted);
  task->Signal(15);
  std::ofstream(Path("go")) << "on\n";
  pollfd gone = {task->fd(), 0, 0};
  ASSERT_EQ(::poll(&gone, 1, kLimitMs), 1);
  const TerminalTask::News news = task->Read();
  EXPECT_EQ(news.kind, TerminalTask::News::Kind::kEnded);
  EXPECT_EQ(news.wait_status, 15);
}

}  // namespace
}  // namespace vt::shim
