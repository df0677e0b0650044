// SPDX-License-Identifier: Apache-2.0

#include "shim/start.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <vector>

#include "daemon/base/path.h"
#include "daemon/base/unique_fd.h"
#include "shim/exit_code.h"

namespace vt::shim {
namespace {

constexpr int kReadySeconds = 30;  // guess; opening a large store takes < 1 s

off_t SizeOf(const std::string& path) {
  struct stat facts = {};
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_size : 0;
}

// The last line that was appended to `path` since it had `old_size` bytes. The
// keeper's own word on the death, which may come before or after we look,
// counts only if there is no other: the daemon's says why.
std::string LastNewLine(const std::string& path, off_t old_size) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char tail[2048];
  const off_t size = SizeOf(path);
  const off_t begin = std::max(size - static_cast<off_t>(sizeof tail),
                               size >= old_size ? old_size : off_t{0});
  const ssize_t n =
      fd.is_valid() ? ::pread(fd.get(), tail, sizeof tail, begin) : ssize_t{0};
  std::string text(tail, static_cast<size_t>(std::max(n, ssize_t{0})));
  std::string last;
  std::string keepers;
  for (size_t line = 0, end = 0; line < text.size(); line = end + 1) {
    end = std::min(text.find('\n', line), text.size());
    const std::string words = text.substr(line, end - line);
    if (words.rfind("vt-keeper:", 0) == 0) {
      keepers = words;
    } else if (!words.empty()) {
      last = words;
    }
  }
  return last.empty() ? keepers : last;
}

// What the daemon says on the pipe: all up to a newline or the end. False when
// nothing came in time.
bool ReadAnswer(int fd, std::string* answer) {
  const time_t deadline = ::time(nullptr) + kReadySeconds;
  while (answer->find('\n') == std::string::npos) {
    pollfd wait = {fd, POLLIN, 0};
    const time_t left = deadline - ::time(nullptr);
    if (left <= 0) {
      return false;
    }
    if (::poll(&wait, 1, static_cast<int>(left * 1000)) <= 0) {
      continue;
    }
    char buffer[512];
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) {
      return true;
    }
    answer->append(buffer, static_cast<size_t>(n));
  }
  answer->resize(answer->find('\n'));
  return true;
}

// Runs the keeper, which puts itself and the daemon into the background. False
// with errno if it cannot even be forked.
bool SpawnKeeper(std::vector<std::string> args, int ready_fd) {
  std::vector<char*> argv;
  argv.reserve(args.size() + 1);
  for (std::string& arg : args) {
    argv.push_back(arg.data());
  }
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::fcntl(ready_fd, F_SETFD, 0);
    ::execv(argv[0], argv.data());
    const std::string text =
        "error: starting `" + args[0] + "`: " + std::strerror(errno) + "\n";
    static_cast<void>(::write(ready_fd, text.data(), text.size()) == 0);
    ::_exit(127);
  }
  while (child > 0 && ::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return child > 0;
}

}  // namespace

Programs FindPrograms() {
  char own[PATH_MAX] = {};
  const ssize_t n = ::readlink("/proc/self/exe", own, sizeof own - 1);
  std::string path(own, static_cast<size_t>(std::max(n, ssize_t{0})));
  // After an upgrade under our feet, proc(5) adds this to the name.
  constexpr char kDeleted[] = " (deleted)";
  const size_t suffix = path.rfind(kDeleted);
  if (suffix != std::string::npos &&
      suffix + sizeof kDeleted - 1 == path.size()) {
    path.resize(suffix);
  }
  const std::string bin(base::Dirname(path));
  return {base::JoinPath(bin, "vtaskd"),
          base::NormalizePath(base::JoinPath(bin, "../lib/vtask/vt-keeper"))};
}

MaybeFailure StartDaemon(const Directories& directories) {
  if (std::getenv("VT_ACTION") != nullptr) {
    // A daemon born in here would inherit the task's tracing, and could never
    // track anything itself.
    return Failure{
        kExitUnavailable,
        "this is a task of a vtaskd that does not answer; no other one is "
        "started from inside it (VT_ACTION is set)"};
  }
  const Programs programs = FindPrograms();
  for (const std::string* program : {&programs.daemon, &programs.keeper}) {
    if (::access(program->c_str(), X_OK) != 0) {
      return Failure{kExitUnavailable, "cannot start vtaskd: `" + *program +
                                           "`: " + std::strerror(errno)};
    }
  }
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return Failure{
        kExitUnavailable,
        std::string("cannot start vtaskd: pipe: ") + std::strerror(errno)};
  }
  const base::UniqueFd reader(ends[0]);
  base::UniqueFd writer(ends[1]);
  const std::string log = directories.Log();
  const off_t log_size = SizeOf(log);
  const std::string ready = std::to_string(writer.get());
  std::vector<std::string> command = {programs.keeper,
                                      "--ready-fd",
                                      ready,
                                      "--log",
                                      log,
                                      "--",
                                      programs.daemon,
                                      "--cache-dir",
                                      directories.cache,
                                      "--runtime-dir",
                                      directories.runtime,
                                      "--state-dir",
                                      directories.state,
                                      "--socket",
                                      directories.Socket(),
                                      "--ready-fd",
                                      ready};
  if (directories.one_shot) {
    command.emplace_back("--one-shot");
  }
  if (!SpawnKeeper(std::move(command), writer.get())) {
    return Failure{
        kExitUnavailable,
        std::string("cannot start vtaskd: fork: ") + std::strerror(errno)};
  }
  writer.Reset();
  std::string answer;
  if (!ReadAnswer(reader.get(), &answer)) {
    return Failure{kExitUnavailable,
                   "vtaskd was started but is not ready after " +
                       std::to_string(kReadySeconds) + " s; its log is `" +
                       log + "`"};
  }
  if (answer == "ok") {
    return std::nullopt;
  }
  constexpr char kError[] = "error: ";
  if (answer.rfind(kError, 0) == 0) {
    return Failure{kExitUnavailable,
                   "cannot start vtaskd: " + answer.substr(sizeof kError - 1)};
  }
  const std::string last = LastNewLine(log, log_size);
  return Failure{kExitUnavailable,
                 "vtaskd died while it was starting; its log is `" + log + "`" +
                     (last.empty() ? "" : " and ends: " + last)};
}

}  // namespace vt::shim
