// SPDX-License-Identifier: Apache-2.0
//
// What the configuration declares as inputs, and what tools said through the
// endpoint (docs/TOOL_IPC.md).

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/path.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/fingerprint/sink.h"
#include "daemon/plan/step_env.h"
#include "daemon/run/collector.h"
#include "daemon/run/dotenv.h"

namespace vt::run {
namespace {

namespace storage = vtask::storage::v1;
using storage::Observation;
using storage::Value;

void SetProvenance(const ipc::ToolOrigin& origin, Observation* observation) {
  *observation->mutable_provenance() = ProvenanceOf(origin);
}

}  // namespace

void Collector::CollectGlobs() {
  bool has_positive = false;
  for (const storage::Glob& glob : in_.description->input().globs()) {
    has_positive = has_positive || !glob.negative();
  }
  if (!has_positive || !in_.globs_before.has_value()) {
    return;
  }
  Observation* observation = Observe(Observation::GLOB, "");
  *observation->mutable_globs() = in_.description->input().globs();
  observation->mutable_provenance()->set_source(storage::Provenance::DECLARED);
  fingerprint::World world;
  world.root = in_.root;
  world.files = in_.files;
  const Value after = fingerprint::Observe(*observation, world);
  std::vector<vtask::v1::Difference> differences;
  fingerprint::AppendDifferences(*observation, *in_.globs_before, after,
                                 &differences);
  for (const vtask::v1::Difference& difference : differences) {
    if (!mutated_.contains(difference.path())) {
      NotStored(vtask::v1::NotStored::INPUT_CHANGED,
                "an input changed while the task ran:", difference.path());
      return;
    }
    out_.notes.push_back(absl::StrCat(
        "not reusable: it changed its own input '", difference.path(), "'"));
  }
  Know(*observation, *in_.globs_before);
}

void Collector::CollectToolReports() {
  CollectEnv();
  if (in_.description->input().automatic()) {
    CollectDotenv();
  }
  for (const ipc::PathReport& report : in_.reports->tracked_inputs) {
    if (std::optional<std::string> path =
            base::RelativeTo(base::NormalizePath(report.path), in_.root)) {
      SetProvenance(report.origin, Observe(Observation::CONTENT, *path));
    }
  }
  for (const ipc::ValueReport& report : in_.reports->values) {
    Observation* observation = Observe(Observation::TOOL_VALUE, report.key);
    SetProvenance(report.origin, observation);
    Value value;
    value.set_type(Value::SET);
    value.set_digest(std::string(fingerprint::Sha256(report.value).AsBytes()));
    Know(*observation, std::move(value));
  }
}

void Collector::CollectEnv() {
  std::set<std::string> declared;
  for (const storage::EnvValue& env : in_.description->env()) {
    declared.insert(env.name());
  }
  for (const ipc::EnvReport& report : in_.reports->env) {
    if (!report.tracked) {
      continue;
    }
    switch (report.kind) {
      case ipc::EnvReport::Kind::kName:
        // The key has it already, or the user said not to care (D6, H14).
        if (!declared.contains(report.text) &&
            !untracked_.Matches(report.text)) {
          SetProvenance(report.origin, Observe(Observation::ENV, report.text));
        }
        break;
      case ipc::EnvReport::Kind::kGlob:
        SetProvenance(report.origin,
                      ObserveQuery(Observation::ENV_GLOB, report.text,
                                   LeftOutOf(report)));
        break;
      case ipc::EnvReport::Kind::kPrefix:
        SetProvenance(report.origin,
                      ObserveQuery(Observation::ENV_PREFIX, report.text,
                                   LeftOutOf(report)));
        break;
    }
  }
}

// D6: what the user lists, and ambient names that the query does not ask for.
std::vector<std::string> Collector::LeftOutOf(
    const ipc::EnvReport& query) const {
  const absl::string_view head = query.kind == ipc::EnvReport::Kind::kGlob
                                     ? base::LiteralHead(query.text)
                                     : query.text;
  std::vector<std::string> left_out =
      base::LeftOutOfQuery(head, plan::DefaultUntrackedEnv());
  left_out.insert(left_out.end(), in_.user_untracked.begin(),
                  in_.user_untracked.end());
  return left_out;
}

void Collector::CollectDotenv() {
  std::set<std::string> names;
  for (const auto& [key, observation] : observations_) {
    if (observation.kind() != Observation::CONTENT ||
        !IsDotenvFile(observation.path())) {
      continue;
    }
    if (const absl::StatusOr<std::string> text =
            base::ReadFile(base::JoinPath(in_.root, observation.path()));
        text.ok()) {
      names.merge(DotenvReferences(*text));
    }
  }
  for (const std::string& name : names) {
    if (untracked_.Matches(name)) {
      out_.notes.push_back(absl::StrCat(
          "a .env file expands `", name,
          "`, which `untrackedEnv` lists: its changes do not count"));
      continue;
    }
    Observe(Observation::ENV, name)
        ->mutable_provenance()
        ->set_source(storage::Provenance::DOTENV);
  }
}

}  // namespace vt::run
