// SPDX-License-Identifier: Apache-2.0
//
// The processes of one tree, as /proc tells them: session, group and
// descendants of a root.

#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "daemon/base/process_stat.h"

namespace vt::exec {

using ProcessEntry = base::ProcessStat;

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
