// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/trace_report.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include "daemon/base/path.h"
#include "daemon/plan/shell_words.h"
#include "daemon/report/ansi.h"
#include "daemon/report/texts.h"
#include "daemon/track/syscall_rules.h"

namespace vt::run {
namespace {

using report::Paint;
using report::Style;
using track::Access;

// Most names of programs fit; longer ones are cut.
constexpr size_t kMaxProgram = 12;

std::string ObservedText(const Access& access) {
  static constexpr std::pair<uint32_t, const char*> kNames[] = {
      {track::kExecuted, "executed"}, {track::kContent, "read"},
      {track::kListing, "listed"},    {track::kLinkText, "link"},
      {track::kMetadata, "stat"},     {track::kLinkMetadata, "lstat"},
      {track::kExistence, "exists"}};
  std::vector<absl::string_view> words;
  for (const auto& [bit, name] : kNames) {
    if ((access.observed & bit) != 0) {
      words.push_back(name);
    }
  }
  return absl::StrJoin(words, ",");
}

std::string ChangeText(const Access& access) {
  std::string text = access.is_deletion ? "deleted"
                     : access.pre_state == track::PreState::kMissing
                         ? "new"
                         : "changed";
  if (access.observed != 0 && !access.missing) {
    absl::StrAppend(&text, ",", ObservedText(access));
  }
  return text;
}

// The columns of one line: who saw it, for which program, what.
struct Line {
  absl::string_view source;
  std::string program;
  std::string what;
  std::string path;
};

struct Group {
  std::string title;
  std::function<bool(const Access&)> takes;
  std::string (*what)(const Access&);
};

class TextWriter {
 public:
  TextWriter(const TraceReport& report, bool colour)
      : report_(report),
        colour_(colour) {}

  std::string Write() {
    for (const Group& group : Groups()) {
      Append(group);
    }
    AppendSystemCalls();
    AppendSummary();
    return std::move(text_);
  }

 private:
  bool IsInside(const Access& access) const {
    return base::IsWithin(access.path, report_.root);
  }

  // The first group that takes an access has it.
  std::vector<Group> Groups() const {
    const std::string place =
        report_.is_workspace ? "the workspace" : "this directory";
    const auto inside = [this](const Access& a) { return IsInside(a); };
    return {{absl::StrCat("Changed in ", place),
             [inside](const Access& a) { return a.mutated && inside(a); },
             &ChangeText},
            {absl::StrCat("Changed outside of ", place),
             [](const Access& a) { return a.mutated; }, &ChangeText},
            {absl::StrCat("Looked for in ", place, " and not there"),
             [inside](const Access& a) { return a.missing && inside(a); },
             &ObservedText},
            {absl::StrCat("Used in ", place), inside, &ObservedText},
            {absl::StrCat("Executed outside of ", place),
             [](const Access& a) {
               return !a.missing && (a.observed & track::kExecuted) != 0;
             },
             &ObservedText},
            {absl::StrCat("Looked for outside of ", place, " and not there"),
             [](const Access& a) { return a.missing; }, &ObservedText},
            {absl::StrCat("Used outside of ", place),
             [](const Access&) { return true; }, &ObservedText}};
  }

  // By index into AccessSet::programs; "" if that is not known.
  std::string ProgramOf(const Access& access) const {
    const std::vector<std::string>& programs = report_.accesses.programs;
    const auto index = static_cast<size_t>(access.first_program);
    return access.first_program < 0 || index >= programs.size()
               ? ""
               : std::string(base::Basename(programs[index]));
  }

  std::string ShownPath(const Access& access) const {
    const std::optional<std::string> inside =
        base::RelativeTo(access.path, report_.root);
    return report::Printable(!inside.has_value() ? access.path
                             : inside->empty()   ? "."
                                                 : *inside);
  }

  void Append(const Group& group) {
    std::vector<Line> lines;
    size_t program_width = 0, what_width = 0;
    std::vector<bool>& taken = taken_;
    const std::vector<Access>& accesses = report_.accesses.accesses;
    taken.resize(accesses.size());
    for (size_t i = 0; i < accesses.size(); ++i) {
      const Access& access = accesses[i];
      if (taken[i] || !group.takes(access)) {
        continue;
      }
      taken[i] = true;
      Line line = {access.by_record && access.by_notification ? "ns"
                   : access.by_record                         ? " s"
                                                              : "n ",
                   report::Printable(ProgramOf(access)).substr(0, kMaxProgram),
                   group.what(access), ShownPath(access)};
      program_width = std::max(program_width, line.program.size());
      what_width = std::max(what_width, line.what.size());
      lines.push_back(std::move(line));
    }
    if (lines.empty()) {
      return;
    }
    absl::StrAppend(&text_,
                    Paint(absl::StrCat(group.title, " (", lines.size(), ")"),
                          Style::kBrand, colour_),
                    "\n");
    for (const Line& line : lines) {
      const std::string left = absl::StrFormat(
          "  %s  %-*s  %-*s  ", line.source, static_cast<int>(program_width),
          line.program, static_cast<int>(what_width), line.what);
      absl::StrAppend(&text_, Paint(left, Style::kDim, colour_), line.path,
                      "\n");
    }
    absl::StrAppend(&text_, "\n");
  }

  void AppendSystemCalls() {
    std::vector<std::pair<uint64_t, int>> calls;
    for (const auto& [number, count] : report_.accesses.notifications) {
      notifications_ += count;
      calls.emplace_back(count, number);
    }
    std::sort(calls.rbegin(), calls.rend());
    absl::StrAppend(&text_,
                    Paint(absl::StrCat("Notifications (", notifications_, ")"),
                          Style::kBrand, colour_),
                    "\n");
    for (const auto& [count, number] : calls) {
      const char* name = track::SyscallName(number);
      absl::StrAppendFormat(&text_, "  %8u  %s\n", count,
                            name == nullptr ? absl::StrCat(number) : name);
    }
    absl::StrAppend(&text_, "\n");
  }

  void Fact(absl::string_view name, absl::string_view text) {
    absl::StrAppendFormat(&text_, "%-10s%s\n", name, text);
  }

  void AppendSummary() {
    const track::AccessSet& set = report_.accesses;
    std::vector<std::string> words;
    for (const std::string& word : report_.command) {
      words.push_back(plan::ShellQuote(word));
    }
    Fact("command", report::Printable(absl::StrJoin(words, " ")));
    Fact(
        "ended",
        absl::StrCat(
            report_.interrupted ? "interrupted"
                                : absl::StrCat("exit code ", report_.exit_code),
            " after ",
            report::DurationText(absl::ToInt64Microseconds(report_.duration))));
    Fact(report_.is_workspace ? "workspace" : "directory",
         report::Printable(report_.root));
    Fact("tracking", absl::StrCat("tier ", report_.tier.level,
                                  report_.tier.reason.empty() ? "" : ": ",
                                  report_.tier.reason));
    Fact("seen", absl::StrCat(set.accesses.size(), " paths by ", notifications_,
                              " notifications (n) and ", set.signed_records,
                              " signed records (s)"));
    if (set.refused_attachments > 0) {
      Fact("", absl::StrCat(set.refused_attachments, " of ",
                            set.attachments + set.refused_attachments,
                            " requests for the shared memory were refused"));
    }
    AppendNotes();
    AppendVerdict();
  }

  void AppendNotes() {
    const track::AccessSet& set = report_.accesses;
    if (report_.had_nested_run) {
      Fact("note", "it started `vt run`; what that did is not in this report");
    }
    if (set.opened_terminal) {
      Fact("note",
           "it asked for a terminal, which a cached task does not have");
    }
    if (!set.listeners.empty()) {
      Fact("note", "it was serving: it listened on a socket");
    }
    if (set.has_stragglers) {
      Fact("note",
           "some of its processes go on running; what they do now is "
           "not seen");
    }
  }

  void AppendVerdict() {
    const std::vector<track::Flaw>& flaws = report_.accesses.flaws;
    if (flaws.empty()) {
      Fact("result", Paint("tracking does not keep it from being stored",
                           Style::kHit, colour_));
      return;
    }
    absl::string_view name = "result";
    for (const track::Flaw& flaw : flaws) {
      std::string text = flaw.text;
      if (!flaw.path.empty() && !absl::StrContains(flaw.text, flaw.path)) {
        absl::StrAppend(&text, " '", report::Printable(flaw.path), "'");
      }
      Fact(name,
           absl::StrCat(Paint("could not be stored:", Style::kBad, colour_),
                        " ", text));
      name = "";
    }
  }

  const TraceReport& report_;
  const bool colour_;
  std::vector<bool> taken_;  // accesses that stand in a group
  uint64_t notifications_ = 0;
  std::string text_;
};

}  // namespace

std::string TraceText(const TraceReport& report, bool colour) {
  return TextWriter(report, colour).Write();
}

}  // namespace vt::run
