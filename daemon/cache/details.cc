// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/details.h"

#include <algorithm>
#include <tuple>

#include "daemon/fingerprint/observe.h"

namespace vt::cache {
namespace {

using vtask::storage::v1::Observation;
using vtask::storage::v1::Output;
using vtask::storage::v1::Provenance;
using vtask::storage::v1::Value;
using vtask::v1::Reporter;
using vtask::v1::Unchanged;

Unchanged::What WhatIs(const Observation& observation, const Value& value) {
  switch (observation.kind()) {
    case Observation::ENV:
    case Observation::ENV_GLOB:
    case Observation::ENV_PREFIX:
      return Unchanged::ENV;
    case Observation::EXECUTED:
    case Observation::PROGRAM:
      return Unchanged::PROGRAM;
    case Observation::LISTING:
      return Unchanged::LISTING;
    default:
      break;
  }
  return value.type() == Value::MISSING     ? Unchanged::MISSING
         : value.type() == Value::DIRECTORY ? Unchanged::DIRECTORY
                                            : Unchanged::FILE;
}

Reporter ForEvent(const Provenance& provenance) {
  Reporter reporter;
  reporter.set_source(static_cast<Reporter::Source>(provenance.source()));
  reporter.set_pid(provenance.pid());
  reporter.set_argv0(provenance.argv0());
  reporter.set_package(provenance.package());
  return reporter;
}

void Append(Unchanged::What what, const std::string& path,
            const Provenance& provenance, Details* details) {
  Unchanged& unchanged = details->unchanged.emplace_back();
  unchanged.set_what(what);
  unchanged.set_path(path);
  *unchanged.mutable_reporter() = ForEvent(provenance);
}

// A path that was read in two ways counts once; what was declared comes before
// what somebody asked for.
auto Order(const Unchanged& u) {
  const int group = u.what() == Unchanged::ENV       ? 2
                    : u.what() == Unchanged::PROGRAM ? 1
                                                     : 0;
  return std::tuple(group, u.path(), u.what());
}

}  // namespace

vtask::v1::ToolReport ForEvent(const vtask::storage::v1::ToolReport& report) {
  vtask::v1::ToolReport out;
  out.set_kind(static_cast<vtask::v1::ToolReport::Kind>(report.kind()));
  out.set_name(report.name());
  out.set_effect(static_cast<vtask::v1::ToolReport::Effect>(report.effect()));
  *out.mutable_reporter() = ForEvent(report.reporter());
  return out;
}

Details DescribeResult(const vtask::storage::v1::WeakDescription& description,
                       const vtask::storage::v1::Result& result,
                       const vtask::storage::v1::PathSet& path_set,
                       const std::vector<Value>& now) {
  Details details;
  Provenance declared;
  declared.set_source(Provenance::DECLARED);
  for (const vtask::storage::v1::EnvValue& value : description.env()) {
    Append(Unchanged::ENV, value.name(), declared, &details);
  }
  for (int i = 0; i < path_set.observations_size(); ++i) {
    const Observation& observation = path_set.observations(i);
    const Value& value = result.values(i);
    if (!fingerprint::SameValue(value, now[static_cast<size_t>(i)])) {
      continue;
    }
    switch (observation.kind()) {
      case Observation::TOOL_VALUE:
      case Observation::UMASK:
        break;
      case Observation::GLOB:
        for (const auto& member : value.members()) {
          Append(Unchanged::FILE, member.name(), declared, &details);
        }
        break;
      case Observation::ENV_GLOB:
      case Observation::ENV_PREFIX:
        for (const auto& member : value.members()) {
          Append(Unchanged::ENV, member.name(), observation.provenance(),
                 &details);
        }
        break;
      default:
        Append(WhatIs(observation, value), observation.path(),
               observation.provenance(), &details);
        break;
    }
  }
  details.result = result;
  details.path_set = path_set;
  std::stable_sort(details.unchanged.begin(), details.unchanged.end(),
                   [](const Unchanged& a, const Unchanged& b) {
                     return Order(a) < Order(b);
                   });
  details.unchanged.erase(
      std::unique(details.unchanged.begin(), details.unchanged.end(),
                  [](const Unchanged& a, const Unchanged& b) {
                    return Order(a) == Order(b);
                  }),
      details.unchanged.end());
  for (const Output& output : result.outputs()) {
    if (output.type() != Output::DIRECTORY) {
      details.outputs.push_back(output.path());
      details.output_reporters.push_back(ForEvent(output.provenance()));
    }
  }
  for (const vtask::storage::v1::ToolReport& report : result.tool_reports()) {
    details.reports.push_back(ForEvent(report));
  }
  return details;
}

void AddDetails(const Details& details, vtask::v1::ActionStarted* started) {
  started->mutable_unchanged()->Assign(details.unchanged.begin(),
                                       details.unchanged.end());
  started->mutable_outputs()->Assign(details.outputs.begin(),
                                     details.outputs.end());
  started->mutable_output_reporters()->Assign(details.output_reporters.begin(),
                                              details.output_reporters.end());
  started->mutable_reports()->Assign(details.reports.begin(),
                                     details.reports.end());
}

}  // namespace vt::cache
