// SPDX-License-Identifier: Apache-2.0

#include "shim/doctor_checks.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

#include "daemon/base/json_text.h"
#include "daemon/base/path.h"
#include "daemon/base/unique_fd.h"
#include "daemon/base/version.h"

namespace vt::shim {
namespace {

using State = Check::State;

// Below this the cache soon cannot store anything (guess).
constexpr uint64_t kFewBytes = uint64_t{256} << 20;
// Debian's default is 1024; a run of a few tasks needs some hundred (guess).
constexpr rlim_t kFewDescriptors = 1024;
// A workspace with its node_modules has some ten thousand directories (guess);
// what cannot be watched is looked at each time instead.
constexpr int64_t kFewWatches = 65536;
constexpr int64_t kFewInstances = 16;

// Where inotify, locks or renames cannot be trusted (decisions H19). Numbers
// without a name in linux/magic.h are those of their file systems.
const char* RemoteFileSystem(const struct statfs& info) {
  switch (static_cast<unsigned long>(info.f_type)) {
    case NFS_SUPER_MAGIC:
      return "NFS";
    case SMB_SUPER_MAGIC:
    case 0xFF534D42:  // cifs
    case 0xFE534D42:  // smb2
      return "SMB";
    case FUSE_SUPER_MAGIC:
      return "FUSE";
    case V9FS_MAGIC:
      return "9p";
    case AFS_SUPER_MAGIC:
    case CODA_SUPER_MAGIC:
      return "a network";
    default:
      return nullptr;
  }
}

Check Problem(Check check, const std::string& text, const std::string& remedy) {
  check.state = State::kProblem;
  check.text += text;
  check.remedy = remedy;
  return check;
}

Check Warning(Check check, const std::string& text, const std::string& remedy) {
  check = Problem(std::move(check), text, remedy);
  check.state = State::kWarning;
  return check;
}

int64_t ReadNumber(const std::string& path) {
  std::ifstream file(path);
  int64_t number = -1;
  file >> number;
  return file ? number : -1;
}

// Empty, or why a Unix socket does not work there.
std::string TrySocket(const std::string& directory) {
  const base::UniqueFd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const base::UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const base::UniqueFd parent(
      ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string name = "doctor." + std::to_string(::getpid());
  // Long names go through a descriptor, as everywhere (decisions H19).
  const std::string address_name =
      "/proc/self/fd/" + std::to_string(parent.get()) + "/" + name;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, address_name.c_str(), address_name.size() + 1);
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  const bool works = server.is_valid() && client.is_valid() &&
                     parent.is_valid() &&
                     ::bind(server.get(), generic, sizeof address) == 0 &&
                     ::listen(server.get(), 1) == 0 &&
                     ::connect(client.get(), generic, sizeof address) == 0;
  const std::string why = works ? "" : std::strerror(errno);
  ::unlinkat(parent.get(), name.c_str(), 0);
  return why;
}

std::string TryPipe(const std::string& directory) {
  const std::string path =
      directory + "/doctor." + std::to_string(::getpid()) + ".pipe";
  const bool works =
      ::mkfifo(path.c_str(), S_IRUSR | S_IWUSR) == 0 &&
      base::UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK))
          .is_valid();
  const std::string why = works ? "" : std::strerror(errno);
  ::unlink(path.c_str());
  return why;
}

// The first line that `program --version` prints; empty if it fails.
std::string VersionOf(const std::string& program) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return "";
  }
  const base::UniqueFd read_end(ends[0]);
  base::UniqueFd write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  char* argv[] = {const_cast<char*>(program.c_str()),
                  const_cast<char*>("--version"), nullptr};
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  write_end.Reset();
  if (error != 0) {
    return "";
  }
  std::string text(256, '\0');
  const ssize_t n = ::read(read_end.get(), text.data(), text.size());
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0 ? text.substr(0, text.find('\n')) : "";
}

const char* Word(State state) {
  return state == State::kOk        ? "ok"
         : state == State::kWarning ? "warning"
                                    : "problem";
}

}  // namespace

Check CheckDirectory(const std::string& name, const std::string& directory,
                     uid_t uid, bool must_be_private) {
  Check check{name, State::kOk, directory, ""};
  std::string existing = directory;
  struct stat info = {};
  while (::stat(existing.c_str(), &info) != 0) {
    if (errno != ENOENT || existing == "/" || existing.empty()) {
      return Problem(check, std::string(": ") + std::strerror(errno),
                     "make it readable for you, or choose another");
    }
    existing = std::string(base::Dirname(existing));
  }
  const bool is_there = existing == directory;
  if (!S_ISDIR(info.st_mode)) {
    return Problem(check, ": `" + existing + "` is not a directory",
                   "move it away");
  }
  if (::access(existing.c_str(), W_OK | X_OK) != 0) {
    return Problem(check, ": `" + existing + "` cannot be written",
                   "make it yours: chown, chmod u+rwx");
  }
  if (is_there && must_be_private &&
      (info.st_uid != uid || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)) {
    return Problem(check, ": others can write it, or it is not yours",
                   "remove it, or make it yours with mode 0700");
  }
  struct statfs system = {};
  if (::statfs(existing.c_str(), &system) != 0) {
    return Problem(check, std::string(": ") + std::strerror(errno), "");
  }
  if (const char* const remote = RemoteFileSystem(system)) {
    return Problem(check, std::string(": on ") + remote + " file system",
                   "choose a directory on a disk of this machine "
                   "(VT_CACHE_DIR, XDG_CACHE_HOME, XDG_RUNTIME_DIR)");
  }
  const uint64_t free_bytes =
      uint64_t{system.f_bavail} * static_cast<uint64_t>(system.f_bsize);
  if (free_bytes < kFewBytes) {
    return Warning(check,
                   ": " + std::to_string(free_bytes >> 20) + " MiB are left",
                   "free some space");
  }
  check.text += is_there ? "" : " (will be made)";
  return check;
}

Check CheckEndpoints(const std::string& directory) {
  Check check{"endpoints", State::kOk, "", ""};
  const std::string socket = TrySocket(directory);
  const std::string pipe = TryPipe(directory);
  if (socket.empty() && pipe.empty()) {
    check.text = "Unix sockets; named pipes where a sandbox denies them";
    return check;
  }
  if (socket.empty()) {
    return Warning(check, "Unix sockets; no named pipes (" + pipe + ")",
                   "tools in a sandbox that denies sockets cannot report");
  }
  return Problem(check,
                 "Unix sockets do not work here (" + socket + ")" +
                     (pipe.empty() ? "; named pipes do, for tools in tasks"
                                   : "; nor do named pipes (" + pipe + ")"),
                 "vt talks to its daemon through one: run it outside of the "
                 "sandbox, or allow AF_UNIX");
}

Check CheckInotify(const std::string& proc) {
  Check check{"inotify", State::kOk, "", ""};
  const int64_t watches = ReadNumber(proc + "/max_user_watches");
  const int64_t instances = ReadNumber(proc + "/max_user_instances");
  if (watches < 0 || instances < 0) {
    return Warning(check, "its limits cannot be read",
                   "without it every file is looked at in each run");
  }
  check.text = std::to_string(watches) + " watches, " +
               std::to_string(instances) + " instances";
  if (watches < kFewWatches) {
    return Warning(check, ": few watches",
                   "sysctl fs.inotify.max_user_watches=524288");
  }
  if (instances < kFewInstances) {
    return Warning(check, ": few instances",
                   "sysctl fs.inotify.max_user_instances=512");
  }
  return check;
}

Check CheckDescriptors() {
  Check check{"descriptors", State::kOk, "", ""};
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto text = [](rlim_t value) {
    return value == RLIM_INFINITY ? std::string("unlimited")
                                  : std::to_string(value);
  };
  check.text = text(limit.rlim_cur) + ", at most " + text(limit.rlim_max);
  if (limit.rlim_max < kFewDescriptors) {
    return Warning(check, ": few", "raise `ulimit -Hn` to 4096 or more");
  }
  return check;
}

Check CheckNode(const char* path) {
  Check check{"node", State::kOk, "", ""};
  for (const absl::string_view directory :
       absl::StrSplit(path == nullptr ? "" : path, ':', absl::SkipEmpty())) {
    const std::string program = base::JoinPath(std::string(directory), "node");
    if (::access(program.c_str(), X_OK) != 0) {
      continue;
    }
    const std::string version = VersionOf(program);
    check.text = program;
    if (version.empty()) {
      return Problem(check, ": does not run", "install Node 22.18 or newer");
    }
    check.text += " " + version;
    const int major = std::atoi(version.c_str() + 1);
    if (major < 22) {
      return Warning(check, ": old",
                     "vite.config.ts needs Node 22.18 or newer; tools that "
                     "report need 18");
    }
    return check;
  }
  return Warning(check, "not in PATH",
                 "vite.config files cannot be evaluated without it");
}

std::vector<Check> CheckDaemon(const vtask::v1::StatusResponse& status) {
  std::vector<Check> checks;
  Check version{"daemon", State::kOk,
                status.version() + " (build " + std::to_string(status.build()) +
                    "), pid " + std::to_string(status.pid()),
                ""};
  if (status.version() != base::Version() ||
      status.build() != base::BuildStamp()) {
    version = Warning(version, ": not of this vt's build",
                      "`vt daemon stop`; the next run starts the right one");
  }
  checks.push_back(version);
  Check tracing{"tracing", State::kOk, "tier " + status.tracking_tier(), ""};
  if (absl::StartsWith(status.tracking_tier(), "4")) {
    tracing = Problem(tracing, "",
                      "only tasks that declare `input` and `output` are "
                      "cached; see docs/TROUBLESHOOTING.md, Tracing");
  } else if (!absl::StartsWith(status.tracking_tier(), "1")) {
    tracing = Warning(tracing, "", "a kernel of 6.6 or newer is faster");
  }
  checks.push_back(tracing);
  for (const std::string& problem : status.health()) {
    checks.push_back({"health", State::kProblem, problem, ""});
  }
  return checks;
}

std::string DescribeChecks(const std::vector<Check>& checks) {
  std::string text;
  for (const Check& check : checks) {
    std::string line = Word(check.state);
    line.resize(9, ' ');
    line += check.name;
    line.resize(23, ' ');
    text += line + check.text + "\n";
    if (!check.remedy.empty()) {
      text += std::string(23, ' ') + "-> " + check.remedy + "\n";
    }
  }
  return text;
}

std::string ChecksJson(const std::vector<Check>& checks) {
  std::vector<std::string> entries;
  for (const Check& check : checks) {
    base::JsonObject entry;
    entry.AddString("name", check.name);
    entry.AddString("state", Word(check.state));
    entry.AddString("text", check.text);
    if (!check.remedy.empty()) {
      entry.AddString("remedy", check.remedy);
    }
    entries.push_back(entry.Text());
  }
  base::JsonObject all;
  all.Add("ok", AllWork(checks) ? "true" : "false");
  all.Add("checks", base::JsonArray(entries));
  return all.Text() + "\n";
}

bool AllWork(const std::vector<Check>& checks) {
  for (const Check& check : checks) {
    if (check.state == State::kProblem) {
      return false;
    }
  }
  return true;
}

}  // namespace vt::shim
