// SPDX-License-Identifier: Apache-2.0
//
// What nested actions change. An action that a `vt run` inside of a traced
// action starts runs in a process tree of its own; so that the set of the
// action around it is right about what stood where before, that one's log is
// told of every change before it happens, in order with its own (decisions H2).

#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

#include "daemon/track/resolve.h"

namespace vt::track {

// How a system call changes what a name stands for.
enum class Change {
  kCreate,           // symlink, new name of a link or rename, O_CREAT
  kCreateDirectory,  // mkdir
  kReplace,          // O_TRUNC: the old content is not looked at
  kOverwrite,        // the target of a rename, if something stands there
  kWrite,            // opened for writing: the new content depends on the old
  kRemove,           // unlink, rmdir
  kMoveAway,         // the source of a rename: its content goes on elsewhere
  kMode,             // chmod, chown, utimes, xattr
};

// A change that is about to be made, valid during the call.
struct NestedChange {
  const Resolved* at = nullptr;
  Change change = Change::kCreate;
  // Set: `at` is a directory that is about to become `to`; `change` says
  // nothing. See AccessLog::MoveDirectory.
  const Resolved* moved_to = nullptr;
  bool exchange = false;
  // The thread of a task that makes it; 0: the daemon does. Its next change
  // comes after this one is over.
  pid_t tid = 0;
  // See AccessLog::Mutate.
  std::optional<mode_t> mode = std::nullopt;
};

// Takes changes on any thread, also after the action around has ended. Empty:
// nobody wants to know.
using ChangeSink = std::function<void(const NestedChange&)>;

// Tells `sink` that absolute `path`, below `root`, is about to be written or
// replaced by something that does not depend on what stands there; or, with
// `remove`, to be removed. `path` is physical. Blocking.
void TellRestored(const ChangeSink& sink, const std::string& root,
                  const std::string& path, bool remove);

}  // namespace vt::track
