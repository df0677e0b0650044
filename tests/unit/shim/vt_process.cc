// SPDX-License-Identifier: Apache-2.0

#include "tests/unit/shim/vt_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <utility>

namespace vt::test {
namespace {

namespace fs = std::filesystem;

void Install(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (error) {
    fs::copy_file(from, to);
  }
}

}  // namespace

Program::~Program() {
  if (pid_ > 0 && out_.is_valid()) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

bool Program::ReadSome() {
  char buffer[65536];
  const ssize_t n = ::read(out_.get(), buffer, sizeof buffer);
  if (n > 0) {
    text_.append(buffer, static_cast<size_t>(n));
  }
  return n > 0;
}

bool Program::WaitFor(const std::string& text) {
  while (text_.find(text) == std::string::npos) {
    if (!ReadSome()) {
      return false;
    }
  }
  return true;
}

int Program::WaitStatus() {
  while (out_.is_valid() && ReadSome()) {
  }
  out_.Reset();
  int status = -1;
  ::waitpid(pid_, &status, 0);
  return status;
}

int Program::Wait() {
  const int status = WaitStatus();
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

VtTest::VtTest() : cwd_(temp_.path()) {
  fs::create_directories(path() / "bin");
  fs::create_directories(path() / "lib/vtask");
  fs::create_directories(path() / "state/vtask");
  Install(VT_TEST_VT, path() / "bin/vt");
  Install(VT_TEST_FAKE_DAEMON, path() / "bin/vtaskd");
  Install(VT_TEST_KEEPER, path() / "lib/vtask/vt-keeper");
  env_ = {{"XDG_RUNTIME_DIR", path() / "run"},
          {"XDG_CACHE_HOME", path() / "cache"},
          {"XDG_STATE_HOME", path() / "state"},
          {"PATH", "/usr/bin:/bin"}};
}

VtTest::~VtTest() {
  for (const pid_t pid : Starts()) {
    // Its number may be another process's by now.
    std::error_code gone;
    const fs::path program =
        fs::read_symlink("/proc/" + std::to_string(pid) + "/exe", gone);
    if (!gone && program == path() / "bin/vtaskd") {
      ::kill(pid, SIGKILL);
      HasEnded(pid, 10'000);
    }
  }
}

bool VtTest::HasEnded(pid_t pid, int timeout_ms) {
  const base::UniqueFd process(
      static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd wait = {process.get(), POLLIN, 0};
  return !process.is_valid() || ::poll(&wait, 1, timeout_ms) > 0;
}

Program VtTest::Start(const std::vector<std::string>& args) {
  std::vector<std::string> words = {"vt"};
  words.insert(words.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  std::vector<std::string> entries;
  for (const auto& [name, value] : env_) {
    entries.push_back(name + "=" + value);
  }
  std::vector<char*> envp;
  for (std::string& entry : entries) {
    envp.push_back(entry.data());
  }
  envp.push_back(nullptr);
  const std::string program = path() / "bin/vt";
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(ends[1], 1);
    ::dup2(ends[1], 2);
    ::setpgid(0, 0);
    if (ignore_interrupts_) {
      ::signal(SIGINT, SIG_IGN);
    }
    if (::chdir(cwd_.c_str()) != 0) {
      ::_exit(126);
    }
    ::execve(program.c_str(), argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  return Program(pid, base::UniqueFd(ends[0]));
}

VtTest::Result VtTest::Run(const std::vector<std::string>& args) {
  Program program = Start(args);
  const int code = program.Wait();
  return {code, program.output()};
}

std::vector<pid_t> VtTest::Starts() const {
  std::ifstream file(path() / "state/vtask/starts");
  std::vector<pid_t> pids;
  for (pid_t pid = 0; file >> pid;) {
    pids.push_back(pid);
  }
  return pids;
}

void VtTest::SetMode(const std::string& mode) const {
  std::ofstream(path() / "state/vtask/mode") << mode;
}

}  // namespace vt::test
