// SPDX-License-Identifier: Apache-2.0
//
// Who said what, and whether it mattered: for `-vv`, for nothing else.

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/path.h"
#include "daemon/run/collector.h"

namespace vt::run {

namespace storage = vtask::storage::v1;
using storage::ToolReport;

namespace {

// A build that ignores thousands of paths is not described path by path.
constexpr size_t kMaxDescribed = 500;

ToolReport::Kind KindOf(ipc::EnvReport::Kind kind) {
  switch (kind) {
    case ipc::EnvReport::Kind::kName:
      return ToolReport::ENV;
    case ipc::EnvReport::Kind::kGlob:
      return ToolReport::ENV_GLOB;
    case ipc::EnvReport::Kind::kPrefix:
      break;
  }
  return ToolReport::ENV_PREFIX;
}

}  // namespace

storage::Provenance ProvenanceOf(const ipc::ToolOrigin& origin) {
  storage::Provenance provenance;
  provenance.set_source(storage::Provenance::TOOL);
  provenance.set_pid(static_cast<uint32_t>(origin.pid));
  provenance.set_argv0(origin.argv0);
  provenance.set_package(origin.package);
  return provenance;
}

ToolReport* Collector::Describe(ToolReport::Kind kind, const std::string& name,
                                const ipc::ToolOrigin& origin) {
  ToolReport& report = out_.tool_reports.emplace_back();
  report.set_kind(kind);
  report.set_name(name);
  *report.mutable_reporter() = ProvenanceOf(origin);
  return &report;
}

void Collector::DescribeReports() {
  const ipc::ToolReports& reports = *in_.reports;
  DescribePaths(ToolReport::IGNORE_INPUT, reports.ignored_inputs);
  DescribePaths(ToolReport::IGNORE_OUTPUT, reports.ignored_outputs);
  DescribePaths(ToolReport::TRACK_INPUT, reports.tracked_inputs);
  DescribePaths(ToolReport::TRACK_OUTPUT, reports.tracked_outputs);
  for (const ipc::EnvReport& env : reports.env) {
    ToolReport* const report = Describe(KindOf(env.kind), env.text, env.origin);
    if (!env.tracked || (env.kind == ipc::EnvReport::Kind::kName &&
                         untracked_.Matches(env.text))) {
      report->set_effect(ToolReport::NOT_COUNTED);
    }
  }
  for (const ipc::ValueReport& value : reports.values) {
    Describe(ToolReport::VALUE, value.key, value.origin);
  }
  for (const std::string& note : reports.notes) {
    ToolReport& refused = out_.tool_reports.emplace_back();
    refused.set_kind(ToolReport::REFUSED);
    refused.set_name(note);
  }
  if (const size_t count = out_.tool_reports.size(); count > kMaxDescribed) {
    out_.tool_reports.resize(kMaxDescribed);
    ToolReport& rest = out_.tool_reports.emplace_back();
    rest.set_kind(ToolReport::REFUSED);
    rest.set_name(absl::StrCat("and ", count - kMaxDescribed, " more"));
  }
}

void Collector::DescribePaths(ToolReport::Kind kind,
                              const std::vector<ipc::PathReport>& reports) {
  const bool of_output =
      kind == ToolReport::IGNORE_OUTPUT || kind == ToolReport::TRACK_OUTPUT;
  const bool is_ignore =
      kind == ToolReport::IGNORE_INPUT || kind == ToolReport::IGNORE_OUTPUT;
  for (const ipc::PathReport& path : reports) {
    if (out_.tool_reports.size() > kMaxDescribed) {
      // Only counted: its effect takes long to find out.
      Describe(kind, path.path, path.origin);
      continue;
    }
    const std::set<std::string> meant =
        IgnoredPaths::PathsOf(path.path, in_.root);
    ToolReport* const report = Describe(kind, path.path, path.origin);
    if (meant.empty()) {
      report->set_effect(ToolReport::OUTSIDE);
    } else if (is_ignore && in_.accesses != nullptr &&
               absl::c_none_of(meant, [&](const std::string& one) {
                 return IsTouched(one, of_output);
               })) {
      report->set_effect(ToolReport::MATCHED_NOTHING);
    }
  }
}

// Whether the action read, or wrote, something at or below `path`.
bool Collector::IsTouched(const std::string& path, bool by_writing) const {
  for (auto it = accesses_.lower_bound(path);
       it != accesses_.end() && absl::StartsWith(it->first, path); ++it) {
    const bool counts =
        by_writing ? it->second->mutated : it->second->observed != 0;
    if (counts && base::IsWithin(it->first, path)) {
      return true;
    }
  }
  return false;
}

}  // namespace vt::run
