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
  // The action created, wrote, renamed, removed or changed it.
  bool mutated = false;
  PreState pre_state = PreState::kUnknown;  // if mutated
  // Content digest before the first mutation. Set if pre_state is kFile and the
  // path was also read, or was removed.
  std::optional<base::Digest> pre_digest;
  uint64_t pre_size = 0;
  uint32_t pre_mode = 0;
  // At drain it exists and was created, written or given other metadata.
  bool is_output = false;
  // At drain it is gone, and was there before.
  bool is_deletion = false;
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
  // Absolute names by which programs were executed, where a link is on the way:
  // a link that is turned is another program (decisions H6). Sorted.
  std::set<std::string> linked_programs;
  // It tried to read the terminal: opened /dev/tty.
  bool opened_terminal = false;
  // Notifications by system call number, for `vt trace`.
  std::map<int, uint64_t> notifications;
  uint64_t distinct_raw_paths = 0;
  // Some traced process lived on when the set was sealed.
  bool has_stragglers = false;
};

}  // namespace vt::track
