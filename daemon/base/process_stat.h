// SPDX-License-Identifier: Apache-2.0
//
// ProcessStat: what /proc/<pid>/stat says of a process (proc(5)).

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace vt::base {

struct ProcessStat {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  char state = 0;  // 'Z': a zombie
  // When it was started, in ticks since the boot: with `pid`, a name that no
  // other process has had since then.
  uint64_t start = 0;
};

// Nothing if `text` is not that of such a file. The program's name in it may
// hold spaces and parentheses.
std::optional<ProcessStat> ParseProcessStat(absl::string_view text);

// Nothing if there is no such process (any more). Blocking, about 10 us.
std::optional<ProcessStat> ReadProcessStat(pid_t pid);

}  // namespace vt::base
