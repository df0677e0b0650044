// SPDX-License-Identifier: Apache-2.0

#include "shim/directories.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "daemon/base/fnv.h"
#include "daemon/base/path.h"
#include "daemon/base/unique_fd.h"
#include "daemon/base/user_config.h"
#include "shim/exit_code.h"

namespace vt::shim {
namespace {

constexpr char kName[] = "vtask";

// The value of an XDG variable, if it is one that counts.
std::optional<std::string> AbsoluteValue(GetEnv env, const char* name) {
  const char* value = env(name);
  if (value == nullptr || value[0] != '/') {
    return std::nullopt;
  }
  return value;
}

// $`variable`/vtask, else $HOME/`below_home`/vtask.
MaybeFailure FromXdg(GetEnv env, const char* variable, const char* below_home,
                     std::string* out) {
  if (const auto base = AbsoluteValue(env, variable)) {
    *out = base::NormalizePath(base::JoinPath(*base, kName));
    return std::nullopt;
  }
  if (const auto home = AbsoluteValue(env, "HOME")) {
    *out = base::NormalizePath(
        base::JoinPath(base::JoinPath(*home, below_home), kName));
    return std::nullopt;
  }
  return Failure{kExitUnavailable,
                 std::string("neither ") + variable +
                     " nor HOME names an absolute directory; set one of them"};
}

MaybeFailure ResolveCache(GetEnv env, std::string* out) {
  const char* value = env("VT_CACHE_DIR");
  if (value == nullptr || value[0] == '\0') {
    absl::StatusOr<std::string> configured = base::ReadCacheDir(
        base::UserConfigPath(env("XDG_CONFIG_HOME"), env("HOME")));
    if (!configured.ok()) {
      return Failure{kExitUsage, std::string(configured.status().message())};
    }
    *out = *std::move(configured);
    return out->empty() ? FromXdg(env, "XDG_CACHE_HOME", ".cache", out)
                        : std::nullopt;
  }
  std::string cache = value;
  if (cache[0] != '/') {
    char here[PATH_MAX] = {};
    if (::getcwd(here, sizeof here) == nullptr) {
      return Failure{kExitUnavailable,
                     std::string("current directory: ") + std::strerror(errno)};
    }
    cache = base::JoinPath(here, cache);
  }
  *out = base::NormalizePath(cache);
  return std::nullopt;
}

bool BelongsToAnother(const std::string& directory, uid_t uid) {
  struct stat facts = {};
  return ::stat(directory.c_str(), &facts) == 0 && facts.st_uid != uid;
}

std::string ResolveRuntime(GetEnv env, uid_t uid) {
  const auto base = AbsoluteValue(env, "XDG_RUNTIME_DIR");
  if (base.has_value() && !BelongsToAnother(*base, uid)) {
    return base::NormalizePath(base::JoinPath(*base, kName));
  }
  return "/tmp/vtask-" + std::to_string(uid);
}

MaybeFailure MakeDirectories(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      // Read-only parents that exist answer EROFS or EACCES on some systems.
      const int error = errno;
      struct stat facts = {};
      if (::stat(part.c_str(), &facts) != 0) {
        return Failure{kExitUnavailable,
                       "creating `" + part + "`: " + std::strerror(error)};
      }
    }
    if (slash == std::string::npos) {
      return std::nullopt;
    }
  }
}

}  // namespace

std::string Directories::Hash() const {
  char text[17] = {};
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(base::Fnv1a64(cache)));
  return text;
}
std::string Directories::Socket() const {
  return base::JoinPath(runtime, Hash() + ".sock");
}
std::string Directories::StartLock() const {
  return base::JoinPath(runtime, Hash() + ".start");
}
std::string Directories::DaemonLock() const {
  return base::JoinPath(cache, "v1/daemon.lock");
}
std::string Directories::Log() const {
  return base::JoinPath(state, "vtaskd.log");
}

MaybeFailure ResolveDirectories(GetEnv env, uid_t uid, Directories* out) {
  const char* use_daemon = env("VT_DAEMON");
  const absl::string_view choice = use_daemon == nullptr ? "" : use_daemon;
  if (!choice.empty() && choice != "on" && choice != "off") {
    return Failure{kExitUsage, "VT_DAEMON: found `" + std::string(choice) +
                                   "`, expected `on` or `off`"};
  }
  out->one_shot = choice == "off";
  out->runtime = ResolveRuntime(env, uid);
  if (MaybeFailure failure = ResolveCache(env, &out->cache)) {
    return failure;
  }
  return FromXdg(env, "XDG_STATE_HOME", ".local/state", &out->state);
}

MaybeFailure PrepareDirectories(const Directories& directories, uid_t uid) {
  for (const std::string* path :
       {&directories.runtime, &directories.cache, &directories.state}) {
    if (MaybeFailure failure = MakeDirectories(*path)) {
      return failure;
    }
  }
  struct stat facts = {};
  if (::lstat(directories.runtime.c_str(), &facts) != 0) {
    return Failure{kExitUnavailable,
                   "`" + directories.runtime + "`: " + std::strerror(errno)};
  }
  const char* fault = nullptr;
  if (!S_ISDIR(facts.st_mode)) {
    fault = "is not a directory (a symbolic link is refused)";
  } else if (facts.st_uid != uid) {
    fault = "belongs to another user";
  } else if ((facts.st_mode & 022) != 0) {
    fault = "can be written by other users (run `chmod 700` on it)";
  }
  if (fault == nullptr) {
    return std::nullopt;
  }
  return Failure{kExitUnavailable,
                 "runtime directory `" + directories.runtime + "` " + fault +
                     "; or set XDG_RUNTIME_DIR to a private one"};
}

std::optional<DaemonLock> ParseDaemonLock(absl::string_view text) {
  std::string lines[4];
  for (std::string& line : lines) {
    const size_t end = text.find('\n');
    line = std::string(text.substr(0, end));
    text.remove_prefix(end == absl::string_view::npos ? text.size() : end + 1);
  }
  DaemonLock lock;
  lock.pid = static_cast<pid_t>(std::strtol(lines[0].c_str(), nullptr, 10));
  lock.socket = lines[1];
  lock.version = lines[2];
  lock.build = std::strtoull(lines[3].c_str(), nullptr, 10);
  if (lock.pid <= 0 || lock.socket.empty() || lock.socket[0] != '/') {
    return std::nullopt;
  }
  return lock;
}

std::optional<DaemonLock> ReadDaemonLock(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[PATH_MAX + 256];
  const ssize_t n =
      fd.is_valid() ? ::read(fd.get(), text, sizeof text) : ssize_t{0};
  if (n <= 0) {
    return std::nullopt;
  }
  return ParseDaemonLock(absl::string_view(text, static_cast<size_t>(n)));
}

}  // namespace vt::shim
