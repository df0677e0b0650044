// SPDX-License-Identifier: Apache-2.0

#include "daemon/exec/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "daemon/base/unique_fd.h"

namespace vt::exec {
namespace {

// The content of a file of /proc, whose size is not known; "" if it is gone.
std::string ReadProcFile(const std::string& path) {
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string content;
  if (!fd.is_valid()) {
    return content;
  }
  char buffer[4096];
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count <= 0) {
      return content;
    }
    content.append(buffer, static_cast<size_t>(count));
  }
}

}  // namespace

std::vector<ProcessEntry> ListProcesses() {
  std::vector<ProcessEntry> entries;
  DIR* proc = ::opendir("/proc");
  if (proc == nullptr) {
    return entries;
  }
  while (const dirent* item = ::readdir(proc)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(item->d_name, &pid)) {
      continue;
    }
    if (const auto entry = base::ReadProcessStat(pid)) {
      entries.push_back(*entry);
    }
  }
  ::closedir(proc);
  return entries;
}

std::vector<ProcessEntry> TreeOf(pid_t root,
                                 const std::vector<ProcessEntry>& all) {
  absl::flat_hash_set<pid_t> members;
  std::vector<ProcessEntry> tree;
  for (bool grown = true; grown;) {
    grown = false;
    for (const ProcessEntry& entry : all) {
      const bool belongs = entry.pid == root || entry.session == root ||
                           entry.group == root ||
                           members.contains(entry.parent);
      if (belongs && members.insert(entry.pid).second) {
        tree.push_back(entry);
        grown = true;
      }
    }
  }
  return tree;
}

Marked IsMarked(const ProcessEntry& entry, const std::string& marker) {
  const std::string environment =
      ReadProcFile(absl::StrCat("/proc/", entry.pid, "/environ"));
  if (environment.empty()) {
    return entry.state == 'Z' ? Marked::kNo : Marked::kUnknown;
  }
  for (absl::string_view variable : absl::StrSplit(environment, '\0')) {
    if (variable == marker) {
      return Marked::kYes;
    }
  }
  return Marked::kNo;
}

}  // namespace vt::exec
