// SPDX-License-Identifier: Apache-2.0
//
// AccessSet: what one action did to the file system, as a value. The tracer
// thread collects, Drain() resolves; from then on nobody changes it.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "daemon/base/digest.h"

namespace vt::track {

// What an action observed of a path that was not its own product. A set.
enum Observed : uint32_t {
  kContent = 1,        // opened for reading
  kMetadata = 2,       // stat
  kExistence = 4,      // access(2), chdir, a directory component
  kLinkText = 8,       // readlink, or a link met on the way
  kListing = 16,       // a directory opened for reading
  kExecuted = 32,      // execve, shebang interpreter or ELF interpreter
  kLinkMetadata = 64,  // lstat and the like: of the link itself
};

// Type of what stood at a path before the action first changed it.
enum class PreState { kUnknown, kMissing, kFile, kDirectory, kSymlink, kOther };

struct Access {
  // Absolute, resolved as the kernel does: no "." or "..", no symbolic link in
  // any directory component. (The links met are accesses of their own.)
  std::string path;
  uint32_t observed = 0;  // Observed bits; 0: never an input
  // The observation found nothing there (at the time it was made).
  bool missing = false;
  // It did because something on the way is no directory (ENOTDIR).
  bool is_blocked = false;
  // The action created, wrote, renamed, removed or changed it.
  bool mutated = false;
  PreState pre_state = PreState::kUnknown;  // if mutated
  // Content digest before the first mutation. Set if pre_state is kFile and the
  // path was also read, or was removed.
  std::optional<base::Digest> pre_digest;
  uint64_t pre_size = 0;
  uint32_t pre_mode = 0;
  // At drain the file that stood there before still does, written over: its
  // permissions are what they were, unless the action set them.
  bool is_kept = false;
  // The permissions that it would have got, had nothing stood there.
  // nullopt: then the first change would have failed, or it is not known.
  std::optional<uint32_t> new_mode;
  // With is_kept, the permissions that it has, if a chmod of the action's gave
  // it these.
  std::optional<uint32_t> set_mode;
  // At drain it exists and was created, written or given other metadata.
  bool is_output = false;
  // At drain it is gone, and was there before.
  bool is_deletion = false;
  // Something else was put over what stood there before, which a directory
  // would not have let happen.
  bool is_overwritten = false;
  // Somebody else wrote, replaced or removed an output meanwhile; if it is
  // gone, they did that, and not the action (see foreign_changes.h).
  bool changed_by_others = false;
  // How it is known: notified calls, signed calls, or both.
  bool by_notification = false;
  bool by_record = false;
  // Who was heard of it first: index into AccessSet::programs; -1: not known.
  int first_program = -1;
  // The action tried to make this directory, whether it was there or not.
  bool is_ensured = false;
  // If it was there: the permissions that the call would have given it.
  std::optional<uint32_t> ensured_mode;
  // If it was there: after mkdir had failed it was asked what stands there, as
  // those do who make the whole way (`mkdir -p` of Node, Python and Rust): they
  // begin at the end, and of the directories above nothing is seen. Who makes a
  // single directory does not ask.
  bool makes_parents = false;
  // Only nested actions changed it (ChangeSink). They say what they observed.
  bool by_nested = false;
};

// Why the set may not be complete, or may not be stored; an enum of
// vtask.v1.NotStored.Reason without depending on it. Same numbers.
struct Flaw {
  int reason = 0;
  std::string text;  // a sentence for people
  std::string path;  // may be empty
};

struct AccessSet {
  std::vector<Access> accesses;  // sorted by path, unique
  std::vector<Flaw> flaws;       // empty: complete and storable
  // Pids that called listen(2) with success expected (decisions H15).
  std::vector<int> listeners;
  // Threads that connected to the daemon itself: `vt` commands.
  std::set<int> daemon_callers;
  // Absolute names by which programs were executed, where a link is on the way:
  // a link that is turned is another program (decisions H6). Sorted.
  std::set<std::string> linked_programs;
  // It tried to read the terminal: opened /dev/tty.
  bool opened_terminal = false;
  // It read the environment of a process from /proc.
  bool read_environment = false;
  // Notifications by system call number, for `vt trace`.
  std::map<int, uint64_t> notifications;
  uint64_t distinct_raw_paths = 0;
  // Absolute paths of programs that were heard first of something.
  std::vector<std::string> programs;
  // Signed calls that were told of in the arena.
  uint64_t signed_records = 0;
  // Times that a process asked for the arena, and got it or did not.
  uint64_t attachments = 0;
  uint64_t refused_attachments = 0;
  int tier = 0;
  // What resolving names and looking at the disk took after the action's end.
  absl::Duration resolving;
  // FileClock::past_ns, read between looking at the outputs and asking
  // what others did to them: what is stamped later, nobody has judged.
  int64_t ended_file_clock_ns = 0;
  // Some traced process lived on when the set was sealed.
  bool has_stragglers = false;
};

}  // namespace vt::track
