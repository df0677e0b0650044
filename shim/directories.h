// SPDX-License-Identifier: Apache-2.0
//
// Where a user's daemon lives. This header owns the rules; the daemon is told
// the outcome by flags and repeats none of them.
//
//   cache    $VT_CACHE_DIR, else `cacheDir` of the user's settings
//            (base/user_config.h), else $XDG_CACHE_HOME/vtask, else
//            $HOME/.cache/vtask
//   runtime  $XDG_RUNTIME_DIR/vtask, else /tmp/vtask-<uid>
//   state    $XDG_STATE_HOME/vtask, else $HOME/.local/state/vtask
//   socket   <runtime>/<FNV-1a-64 of the cache directory, 16 hex digits>.sock
//   lock     <cache>/v1/daemon.lock
//
// There is one daemon a cache directory (decisions H19), hence the hash. As the
// XDG Base Directory Specification says, a relative XDG value is ignored; a
// relative $VT_CACHE_DIR counts from the current directory. $XDG_RUNTIME_DIR is
// also ignored where it belongs to another user (sudo and su keep it), and
// $TMPDIR always. HOME comes from the environment only: getpwuid(3) needs
// shared libraries even in a static program.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

#include "shim/failure.h"

namespace vt::shim {

// Absolute, normalised names; nothing needs to exist. A value.
struct Directories {
  std::string cache;
  std::string runtime;
  std::string state;
  // VT_DAEMON=off: a daemon that is started here leaves with the command.
  bool one_shot = false;

  std::string Socket() const;
  std::string StartLock() const;   // taken by whoever starts the daemon
  std::string DaemonLock() const;  // held by the daemon
  std::string Log() const;

 private:
  std::string Hash() const;
};

// A variable's value, or null.
using GetEnv = const char* (*)(const char* name);

// Applies the rules above.
//
// Failure: neither the variable nor HOME says where the cache or the state is;
// the user's settings cannot be read; VT_DAEMON is neither `on` nor `off`.
// Reads the settings, if no variable says where the cache is.
MaybeFailure ResolveDirectories(GetEnv env, uid_t uid, Directories* out);

// Creates what is missing (0700, parents too), and checks that the runtime
// directory is a directory of `uid` that nobody else can write: a socket in
// anyone's hands would run anyone's commands.
MaybeFailure PrepareDirectories(const Directories& directories, uid_t uid);

// What a running daemon wrote into its lock: four lines.
struct DaemonLock {
  pid_t pid = 0;
  std::string socket;
  std::string version;
  uint64_t build = 0;
};

// nullopt if `text` is not the content of a daemon lock, for example because
// the daemon is just writing it.
std::optional<DaemonLock> ParseDaemonLock(absl::string_view text);
// The same of a file.
std::optional<DaemonLock> ReadDaemonLock(const std::string& path);

}  // namespace vt::shim
