// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/process_stat.h"

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "daemon/base/unique_fd.h"

namespace vt::base {

std::optional<ProcessStat> ParseProcessStat(absl::string_view text) {
  // Behind the name: state (field 3), parent, group, session; start is the
  // 22nd.
  constexpr size_t kStart = 22 - 3;
  ProcessStat stat;
  const size_t name_end = text.rfind(')');
  if (name_end == absl::string_view::npos ||
      !absl::SimpleAtoi(text.substr(0, text.find(' ')), &stat.pid)) {
    return std::nullopt;
  }
  const std::vector<absl::string_view> fields =
      absl::StrSplit(text.substr(name_end + 1), ' ', absl::SkipEmpty());
  if (fields.size() <= kStart || fields[0].size() != 1 ||
      !absl::SimpleAtoi(fields[1], &stat.parent) ||
      !absl::SimpleAtoi(fields[2], &stat.group) ||
      !absl::SimpleAtoi(fields[3], &stat.session) ||
      !absl::SimpleAtoi(fields[kStart], &stat.start)) {
    return std::nullopt;
  }
  stat.state = fields[0][0];
  return stat;
}

std::optional<ProcessStat> ReadProcessStat(pid_t pid) {
  const std::string path = absl::StrCat("/proc/", pid, "/stat");
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  // 52 numbers and a name of 64 bytes at most: one read.
  char buffer[2048];
  const ssize_t count =
      fd.is_valid() ? ::read(fd.get(), buffer, sizeof buffer) : -1;
  return count <= 0 ? std::nullopt
                    : ParseProcessStat(absl::string_view(
                          buffer, static_cast<size_t>(count)));
}

}  // namespace vt::base
