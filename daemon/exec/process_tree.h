// SPDX-License-Identifier: Apache-2.0
//
// The processes of one tree, as /proc tells them: session, group and
// descendants of a root.

#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace vt::exec {

// One line of /proc/<pid>/stat.
struct ProcessEntry {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  char state = 0;  // 'Z': a zombie
};

// Parses the text of /proc/<pid>/stat; false if it is not one. The program's
// name in it may hold spaces and parentheses.
bool ParseStat(absl::string_view text, ProcessEntry* entry);

// All processes that can be seen. Blocking: about 10 us each.
std::vector<ProcessEntry> ListProcesses();

// Those of `all` that are `root`, in its session or group, or descend from one
// of these. `root` itself need not exist any more.
std::vector<ProcessEntry> TreeOf(pid_t root,
                                 const std::vector<ProcessEntry>& all);

// Whether the environment that a process was started with has an entry.
enum class Marked {
  kNo,
  kYes,
  // It has none that can be read: started with an empty one, or inside of
  // execve, where the new one is not in place yet (environ_read in the kernel's
  // fs/proc/base.c gives nothing before env_end is set). Ask again.
  kUnknown,
};
Marked IsMarked(const ProcessEntry& entry, const std::string& marker);

}  // namespace vt::exec
