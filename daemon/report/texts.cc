// SPDX-License-Identifier: Apache-2.0

#include "daemon/report/texts.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include "daemon/base/path.h"
#include "daemon/base/utf8.h"

namespace vt::report {
namespace {

using vtask::v1::Difference;
using vtask::v1::NotStored;

absl::string_view ChangeWord(const Difference& difference) {
  switch (difference.change()) {
    case Difference::ADDED:
      return "added";
    case Difference::REMOVED:
      return "removed";
    default:
      return "changed";
  }
}

std::string FileText(const Difference& difference) {
  const std::string path = Printable(difference.path());
  if (difference.change() == Difference::CHANGED) {
    return absl::StrCat("'", path, "' modified");
  }
  const absl::string_view directory = base::Dirname(path);
  const std::string place =
      directory.empty() ? "workspace root" : absl::StrCat("'", directory, "'");
  const absl::string_view name = base::Basename(path);
  return difference.change() == Difference::ADDED
             ? absl::StrCat("'", name, "' added in ", place)
             : absl::StrCat("'", name, "' removed from ", place);
}

}  // namespace

std::string CountText(uint64_t n, absl::string_view one,
                      absl::string_view many) {
  return absl::StrCat(n, " ", n == 1 ? one : many);
}

std::string Printable(absl::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const unsigned char c = static_cast<unsigned char>(bytes[0]);
    const size_t length = base::Utf8Length(bytes);
    if (length == 0 || c < 0x20 || c == 0x7f) {
      absl::StrAppendFormat(&out, "\\x%02x", c);
      bytes.remove_prefix(1);
    } else {
      absl::StrAppend(&out, bytes.substr(0, length));
      bytes.remove_prefix(length);
    }
  }
  return out;
}

std::string DifferenceText(const Difference& difference) {
  const std::string name = Printable(difference.name());
  switch (difference.kind()) {
    case Difference::PROGRAM:
      return "program changed";
    case Difference::ARGS:
      return "args changed";
    case Difference::CWD:
      return "working directory changed";
    case Difference::INPUT_CONFIG:
      return "input configuration changed";
    case Difference::OUTPUT_CONFIG:
      return "output configuration changed";
    case Difference::UNTRACKED_ENV:
      return absl::StrCat("untracked env '", name, "' ",
                          ChangeWord(difference));
    case Difference::ENV:
      return absl::StrCat("env '", name, "' ", ChangeWord(difference));
    case Difference::FILE:
      return FileText(difference);
    case Difference::TOOLCHAIN:
      return absl::StrCat("program '", Printable(difference.path()), "' ",
                          ChangeWord(difference));
    case Difference::CACHE_CONFIG:
      return "cache configuration changed";
    case Difference::FORMAT:
      return "made by another version of vtask";
    case Difference::UMASK:
      return "umask changed";
    case Difference::TOOL_VALUE:
      return absl::StrCat("value '", name, "' ", ChangeWord(difference));
    default:
      return "something changed";
  }
}

std::string DifferenceDetail(const Difference& difference) {
  const auto digest = [](const std::string& bytes) {
    return bytes.empty() ? std::string("nothing")
                         : absl::BytesToHexString(bytes.substr(0, 6));
  };
  std::string text = DifferenceText(difference);
  if (!difference.old_digest().empty() || !difference.new_digest().empty()) {
    absl::StrAppend(&text, " (", digest(difference.old_digest()), " → ",
                    digest(difference.new_digest()), ")");
  } else if (!difference.from().empty() || !difference.to().empty()) {
    absl::StrAppend(&text, " (`", Printable(difference.from()), "` → `",
                    Printable(difference.to()), "`)");
  }
  return text;
}

std::string InlineReason(const vtask::v1::ActionStarted& started) {
  const Differences& differences = started.differences();
  if (differences.empty()) {
    return "";
  }
  const Difference& first = differences.Get(0);
  if (first.kind() == Difference::UNTRACKED_ENV) {
    return "untracked env config changed";
  }
  if (first.kind() != Difference::ENV) {
    return DifferenceText(first);
  }
  std::vector<std::string> names;
  for (const Difference& difference : differences) {
    if (difference.kind() == Difference::ENV) {
      names.push_back(absl::StrCat("'", Printable(difference.name()), "'"));
    }
  }
  if (names.size() > 1 || started.changes_partial()) {
    return absl::StrCat(names.size() > 1 ? "envs " : "env ",
                        absl::StrJoin(names, ", "), " changed");
  }
  return DifferenceText(first);
}

std::string DurationText(int64_t microseconds) {
  const int64_t ms = microseconds / 1000;
  if (ms < 1000) {
    return absl::StrCat(ms, "ms");
  }
  std::string seconds = absl::StrFormat("%.2f", static_cast<double>(ms) / 1000);
  if (seconds.size() > 3 && seconds.substr(seconds.size() - 3) == ".00") {
    seconds.resize(seconds.size() - 3);
  }
  return absl::StrCat(seconds, "s");
}

std::string NotStoredText(const NotStored& not_stored) {
  switch (not_stored.reason()) {
    case NotStored::REASON_UNSPECIFIED:
    case NotStored::FAILED:
    case NotStored::CANCELLED:
      return "";
    default:
      break;
  }
  std::string text = not_stored.text();
  if (!not_stored.path().empty()) {
    absl::StrAppend(&text, " '", Printable(not_stored.path()), "'");
  }
  if (!not_stored.origin().empty()) {
    absl::StrAppend(&text, " (", not_stored.origin(), ")");
  }
  return text;
}

}  // namespace vt::report
