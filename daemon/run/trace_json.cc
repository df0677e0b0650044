// SPDX-License-Identifier: Apache-2.0
//
// The JSON of `vt trace`. Its schema, docs/schema/trace.schema.json, is a
// promise: fields are added, never changed; `format` counts what breaks it.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"

#include "daemon/base/utf8.h"
#include "daemon/base/version.h"
#include "daemon/run/trace_report.h"
#include "daemon/track/syscall_rules.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {
namespace {

using track::Access;

// `"name": value` pairs of one object, in order.
class Object {
 public:
  void Add(absl::string_view name, absl::string_view json) {
    absl::StrAppend(&text_, text_.empty() ? "" : ", ", "\"", name,
                    "\": ", json);
  }
  void AddBytes(absl::string_view name, absl::string_view bytes) {
    Add(name, JsonBytes(bytes));
  }
  void AddNumber(absl::string_view name, uint64_t number) {
    Add(name, absl::StrCat(number));
  }
  void AddBool(absl::string_view name, bool value) {
    Add(name, value ? "true" : "false");
  }
  // In milliseconds.
  void AddTime(absl::string_view name, absl::Duration time) {
    Add(name, absl::StrFormat("%.3f", absl::ToDoubleMilliseconds(time)));
  }
  std::string Text() const { return absl::StrCat("{", text_, "}"); }

 private:
  std::string text_;
};

template <typename Items, typename ToJson>
std::string Array(const Items& items, ToJson to_json,
                  absl::string_view separator = ", ") {
  return absl::StrCat("[",
                      absl::StrJoin(items, separator,
                                    [&](std::string* out, const auto& item) {
                                      absl::StrAppend(out, to_json(item));
                                    }),
                      "]");
}

std::string ObservedJson(uint32_t observed) {
  static constexpr std::pair<uint32_t, const char*> kNames[] = {
      {track::kContent, "content"},          {track::kMetadata, "metadata"},
      {track::kExistence, "existence"},      {track::kLinkText, "linkText"},
      {track::kListing, "listing"},          {track::kExecuted, "executed"},
      {track::kLinkMetadata, "linkMetadata"}};
  std::vector<const char*> names;
  for (const auto& [bit, name] : kNames) {
    if ((observed & bit) != 0) {
      names.push_back(name);
    }
  }
  return Array(names, [](const char* name) { return JsonBytes(name); });
}

std::string ChangeJson(const Access& access) {
  static constexpr const char* kStates[] = {"unknown",   "missing", "file",
                                            "directory", "symlink", "other"};
  Object change;
  change.AddBytes("before", kStates[static_cast<size_t>(access.pre_state)]);
  if (access.pre_state == track::PreState::kFile) {
    change.AddNumber("sizeBefore", access.pre_size);
    change.AddBytes("modeBefore",
                    absl::StrFormat("%04o", access.pre_mode & 07777U));
  }
  if (access.pre_digest.has_value()) {
    change.AddBytes("digestBefore", access.pre_digest->ToHex());
  }
  change.AddBool("isOutput", access.is_output);
  change.AddBool("isDeletion", access.is_deletion);
  return change.Text();
}

std::string AccessJson(const Access& access,
                       const std::vector<std::string>& programs) {
  Object object;
  object.AddBytes("path", access.path);
  object.Add("observed", ObservedJson(access.observed));
  if (access.missing) {
    object.AddBool("missing", true);
  }
  if (access.mutated) {
    object.Add("change", ChangeJson(access));
  }
  object.AddBool("byNotification", access.by_notification);
  object.AddBool("byRecord", access.by_record);
  const auto program = static_cast<size_t>(access.first_program);
  if (access.first_program >= 0 && program < programs.size()) {
    object.AddBytes("program", programs[program]);
  }
  return object.Text();
}

std::string FlawJson(const track::Flaw& flaw) {
  Object object;
  object.AddBytes("reason",
                  vtask::v1::NotStored::Reason_Name(
                      static_cast<vtask::v1::NotStored::Reason>(flaw.reason)));
  object.AddBytes("text", flaw.text);
  if (!flaw.path.empty()) {
    object.AddBytes("path", flaw.path);
  }
  return object.Text();
}

std::string TrackingJson(const TraceReport& report) {
  const track::AccessSet& set = report.accesses;
  Object calls;
  for (const auto& [number, count] : set.notifications) {
    const char* name = track::SyscallName(number);
    calls.AddNumber(name == nullptr ? absl::StrCat(number) : name, count);
  }
  Object object;
  object.AddNumber("tier", static_cast<uint64_t>(report.tier.level));
  object.AddBytes("reason", report.tier.reason);
  object.Add("notifications", calls.Text());
  object.AddNumber("signedRecords", set.signed_records);
  object.AddNumber("attachments", set.attachments);
  object.AddNumber("refusedAttachments", set.refused_attachments);
  object.AddTime("resolvingMs", set.resolving);
  object.Add("notStored", Array(set.flaws, &FlawJson));
  return object.Text();
}

}  // namespace

std::string JsonBytes(absl::string_view bytes) {
  std::string out = "\"";
  while (!bytes.empty()) {
    const auto c = static_cast<unsigned char>(bytes[0]);
    const size_t length = base::Utf8Length(bytes);
    if (length == 0) {
      absl::StrAppendFormat(&out, "\\\\x%02x", c);
    } else if (c == '\\') {
      out += "\\\\\\\\";
    } else if (c == '"') {
      out += "\\\"";
    } else if (c < 0x20) {
      absl::StrAppendFormat(&out, "\\u%04x", c);
    } else {
      absl::StrAppend(&out, bytes.substr(0, length));
    }
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return absl::StrCat(out, "\"");
}

std::string TraceJson(const TraceReport& report) {
  const track::AccessSet& set = report.accesses;
  Object object;
  object.AddNumber("format", 1);
  object.AddBytes("vtask", base::Version());
  object.Add("command", Array(report.command, &JsonBytes));
  object.AddBytes("cwd", report.cwd);
  object.AddBytes("root", report.root);
  object.AddBool("isWorkspace", report.is_workspace);
  object.AddNumber("exitCode", static_cast<uint64_t>(report.exit_code));
  object.AddBool("interrupted", report.interrupted);
  object.AddTime("durationMs", report.duration);
  object.Add("tracking", TrackingJson(report));
  object.AddBool("startedRun", report.had_nested_run);
  object.AddBool("openedTerminal", set.opened_terminal);
  object.AddBool("listened", !set.listeners.empty());
  object.AddBool("leftProcesses", set.has_stragglers);
  object.Add("accesses", Array(
                             set.accesses,
                             [&](const Access& access) {
                               return AccessJson(access, set.programs);
                             },
                             ",\n"));
  return absl::StrCat(object.Text(), "\n");
}

}  // namespace vt::run
