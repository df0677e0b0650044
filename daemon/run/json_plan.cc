// SPDX-License-Identifier: Apache-2.0

#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/json_text.h"
#include "daemon/base/path.h"
#include "daemon/run/caller.h"
#include "daemon/run/json_difference.h"
#include "daemon/run/json_documents.h"

namespace vt::run {
namespace {

using base::JsonObject;
using vtask::storage::v1::Observation;
using vtask::storage::v1::Provenance;
using vtask::storage::v1::ToolReport;
using vtask::storage::v1::Value;
using vtask::v1::Difference;

// Enough of a digest to compare with; the algorithm is nobody's business.
std::string Hash(const std::string& digest) {
  return absl::BytesToHexString(digest.substr(0, 8));
}

// What one path was when a result was made. Several observations may be of one
// path: what is read says more than what is only looked at.
class Inputs {
 public:
  void Add(const Observation& observation, const Value& value) {
    switch (observation.kind()) {
      case Observation::CONTENT:
      case Observation::LISTING:
        Put(observation, value, 3);
        break;
      case Observation::LINK:
        // A link that is read further is known by what it leads to.
        Put(observation, value, value.type() == Value::SYMLINK ? 2 : 1);
        break;
      case Observation::METADATA:
      case Observation::EXISTENCE:
        Put(observation, value, 1);
        break;
      case Observation::GLOB:
        for (const auto& member : value.members()) {
          JsonObject file;
          file.AddString("type", "file");
          file.AddString("hash", Hash(member.digest()));
          Put(member.name(), file.Text(), 3);
        }
        break;
      default:
        break;
    }
  }
  std::string Text() const {
    JsonObject out;
    for (const auto& [path, entry] : entries_) {
      out.Add(path.empty() ? "." : path, entry.json);
    }
    return out.Text();
  }
  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    int weight = 0;
    std::string json;
  };

  void Put(const std::string& path, std::string json, int weight) {
    Entry& entry = entries_[path];
    if (weight > entry.weight) {
      entry = {weight, std::move(json)};
    }
  }

  void Put(const Observation& observation, const Value& value, int weight) {
    JsonObject out;
    switch (value.type()) {
      case Value::DIRECTORY: {
        out.AddString("type", "dir");
        if (observation.kind() == Observation::LISTING) {
          std::vector<std::string> names;
          for (const auto& member : value.members()) {
            names.push_back(member.name());
          }
          out.Add("entries", base::JsonStrings(names));
        }
        break;
      }
      case Value::MISSING:
        out.AddString("type", "missing");
        break;
      case Value::SYMLINK:
        out.AddString("type", "link");
        break;
      case Value::FILE:
      case Value::REBUILDABLE:
        out.AddString("type", "file");
        if (!value.digest().empty()) {
          out.AddString("hash", Hash(value.digest()));
        }
        break;
      default:
        out.AddString("type", "other");
        break;
    }
    if (observation.rebuildable()) {
      out.AddBool("mayBeMissing", true);
    }
    Put(observation.path(), out.Text(), weight);
  }

  std::map<std::string, Entry> entries_;
};

std::string FingerprintJson(const plan::Step& step,
                            const cache::Details& details) {
  std::set<std::string> env;
  for (const auto& variable : step.description.env()) {
    env.insert(variable.name());
  }
  Inputs inputs;
  const auto& observations = details.path_set.observations();
  for (int i = 0; i < observations.size() && i < details.result->values_size();
       ++i) {
    const Observation& observation = observations.Get(i);
    if (observation.kind() == Observation::ENV) {
      env.insert(observation.path());
    } else {
      inputs.Add(observation, details.result->values(i));
    }
  }
  JsonObject out;
  if (!env.empty()) {
    out.Add("env", base::JsonStrings({env.begin(), env.end()}));
  }
  if (!inputs.empty()) {
    out.Add("inputs", inputs.Text());
  }
  return out.Text();
}

const char* SourceOf(const Provenance& provenance) {
  return provenance.source() == Provenance::DECLARED ? "declared"
         : provenance.source() == Provenance::TOOL   ? "tool"
         : provenance.source() == Provenance::DOTENV ? "dotenv"
                                                     : "traced";
}

void AddSource(const Provenance& provenance, JsonObject* out) {
  out->AddString("source", SourceOf(provenance));
  if (provenance.source() == Provenance::TOOL) {
    out->AddNumber("pid", provenance.pid());
    out->AddString("argv0", provenance.argv0());
    if (!provenance.package().empty()) {
      out->AddString("package", provenance.package());
    }
  }
}

const char* KindOf(Observation::Kind kind) {
  switch (kind) {
    case Observation::ENV:
      return "env";
    case Observation::ENV_GLOB:
      return "envGlob";
    case Observation::ENV_PREFIX:
      return "envPrefix";
    case Observation::TOOL_VALUE:
      return "value";
    default:
      return "input";
  }
}

// Who told us of what was not just seen.
std::string ReportersJson(const plan::Step& step,
                          const cache::Details& details) {
  std::vector<std::string> entries;
  const auto add = [&](const char* kind, const std::string& name,
                       const Provenance& provenance) {
    if (provenance.source() != Provenance::TRACED) {
      JsonObject entry;
      entry.AddString("kind", kind);
      entry.AddString("name", name);
      AddSource(provenance, &entry);
      entries.push_back(entry.Text());
    }
  };
  Provenance declared;
  declared.set_source(Provenance::DECLARED);
  for (const auto& variable : step.description.env()) {
    add("env", variable.name(), declared);
  }
  for (const Observation& observation : details.path_set.observations()) {
    if (observation.kind() != Observation::GLOB) {
      add(KindOf(observation.kind()), observation.path(),
          observation.provenance());
      continue;
    }
    for (const auto& glob : observation.globs()) {
      add(glob.negative() ? "inputExclusion" : "inputGlob", glob.pattern(),
          declared);
    }
  }
  for (const auto& output : details.result->outputs()) {
    add("output", output.path(), output.provenance());
  }
  return base::JsonArray(entries);
}

std::string ToolReportsJson(const vtask::storage::v1::Result& result) {
  static constexpr const char* kKinds[] = {
      "unknown", "ignoreInput", "ignoreOutput", "trackInput", "trackOutput",
      "env",     "envGlob",     "envPrefix",    "value",      "refused"};
  static constexpr const char* kEffects[] = {"counted", "matchedNothing",
                                             "outside", "notCounted"};
  std::vector<std::string> entries;
  for (const ToolReport& report : result.tool_reports()) {
    const auto kind = static_cast<size_t>(report.kind());
    const auto effect = static_cast<size_t>(report.effect());
    JsonObject entry;
    entry.AddString("kind", kKinds[kind < std::size(kKinds) ? kind : 0]);
    entry.AddString("name", report.name());
    if (report.kind() != ToolReport::REFUSED) {
      entry.AddString("effect",
                      kEffects[effect < std::size(kEffects) ? effect : 0]);
      AddSource(report.reporter(), &entry);
    }
    entries.push_back(entry.Text());
  }
  return base::JsonArray(entries);
}

class PlanWriter {
 public:
  PlanWriter(const workspace::Workspace& workspace, const Forecast& forecast,
             const RunPlanOptions& options)
      : workspace_(workspace),
        forecast_(forecast),
        options_(options) {}

  std::string Tasks(const plan::Plan& plan) const {
    JsonObject out;
    for (const plan::PlannedTask& task : plan.tasks) {
      out.Add(IdOf(task), TaskJson(plan, task));
    }
    return out.Text();
  }

 private:
  static std::string IdOf(const plan::PlannedTask& task) {
    return TaskId(task.package_path, task.name);
  }
  // Relative to the root if it is inside.
  std::string Shown(const std::string& path) const {
    const auto inside = base::RelativeTo(path, workspace_.root);
    return !inside.has_value() ? path : inside->empty() ? "." : *inside;
  }
  std::string TaskJson(const plan::Plan& plan,
                       const plan::PlannedTask& task) const;
  std::string StepJson(const plan::PlannedTask& task,
                       const plan::Step& step) const;
  std::string CacheJson(const plan::Step& step) const;
  void AddChanges(const StepForecast& forecast, JsonObject* out) const;

  const workspace::Workspace& workspace_;
  const Forecast& forecast_;
  const RunPlanOptions& options_;
};

std::string PlanWriter::TaskJson(const plan::Plan& plan,
                                 const plan::PlannedTask& task) const {
  JsonObject out;
  out.AddString("package", task.package_path.empty() ? "." : task.package_path);
  out.AddString("name", task.name);
  std::set<std::string> depends_on;
  for (const int dependency : task.depends_on) {
    depends_on.insert(IdOf(plan.tasks[static_cast<size_t>(dependency)]));
  }
  if (!depends_on.empty()) {
    out.Add("dependsOn",
            base::JsonStrings({depends_on.begin(), depends_on.end()}));
  }
  std::vector<std::string> steps;
  for (const plan::Step& step : task.steps) {
    steps.push_back(StepJson(task, step));
  }
  out.Add("steps", base::JsonArray(steps));
  return out.Text();
}

std::string PlanWriter::StepJson(const plan::PlannedTask& task,
                                 const plan::Step& step) const {
  JsonObject out;
  if (step.kind == plan::Step::Kind::kNested) {
    out.AddString("expandedFrom", step.display_command);
    if (!step.hook.empty()) {
      out.AddString("hook", step.hook);
    }
    out.Add("plan", Tasks(*step.nested));
    return out.Text();
  }
  out.AddString("program", !step.program.empty() ? Shown(step.program)
                           : step.argv.empty()   ? ""
                                                 : step.argv[0]);
  if (step.argv.size() > 1) {
    out.Add("args",
            base::JsonStrings({step.argv.begin() + 1, step.argv.end()}));
  }
  if (step.cwd !=
      workspace_.packages[static_cast<size_t>(task.package)].directory) {
    out.AddString("cwd", Shown(step.cwd));
  }
  if (!step.hook.empty()) {
    out.AddString("hook", step.hook);
  }
  if (step.kind != plan::Step::Kind::kEcho) {
    out.Add("cache", CacheJson(step));
  }
  return out.Text();
}

std::string PlanWriter::CacheJson(const plan::Step& step) const {
  JsonObject out;
  const StepForecast& forecast = forecast_.at(&step);
  if (forecast.cache == vtask::v1::DISABLED) {
    out.AddString("status", "disabled");
    return out.Text();
  }
  if (!options_.cache_error.empty()) {
    out.AddString("status", "error");
    out.AddString("message", options_.cache_error);
    return out.Text();
  }
  out.AddString("status", forecast.cache == vtask::v1::HIT       ? "hit"
                          : forecast.cache == vtask::v1::UNKNOWN ? "unknown"
                          : forecast.has_baseline                ? "changed"
                                                  : "noBaseline");
  const cache::Details& details = forecast.details;
  if (details.result.has_value()) {
    JsonObject baseline;
    baseline.AddNumber("durationMs", details.result->duration_us() / 1000);
    if (options_.verbose >= 2) {
      baseline.Add("fingerprint", FingerprintJson(step, details));
      if (!details.outputs.empty()) {
        baseline.Add("outputs", base::JsonStrings(details.outputs));
      }
      baseline.Add("reporters", ReportersJson(step, details));
      baseline.Add("reports", ToolReportsJson(*details.result));
    }
    out.Add("baseline", baseline.Text());
  }
  AddChanges(forecast, &out);
  if (forecast.forced) {
    out.AddBool("forced", true);
  }
  return out.Text();
}

void PlanWriter::AddChanges(const StepForecast& forecast,
                            JsonObject* out) const {
  std::vector<std::string> changes;
  bool is_partial = forecast.found.miss.partial;
  for (const Difference& difference : forecast.found.miss.differences) {
    std::string change = DifferenceJson(difference, options_.verbose >= 2);
    // One for all the patterns.
    if (changes.empty() || changes.back() != change) {
      changes.push_back(std::move(change));
    }
    if (difference.kind() == Difference::FILE && options_.verbose == 0) {
      is_partial = true;
      break;
    }
  }
  if (!changes.empty()) {
    out->Add("changes", base::JsonArray(changes));
  }
  if (is_partial) {
    out->AddBool("changesPartial", true);
  }
}

}  // namespace

std::string RunPlanJson(const workspace::Workspace& workspace,
                        const plan::Plan& plan, const Forecast& forecast,
                        const RunPlanOptions& options) {
  JsonObject document = JsonObject::Document(options.schema);
  document.AddString("workspaceRoot", workspace.root);
  document.Add("plan", PlanWriter(workspace, forecast, options).Tasks(plan));
  return absl::StrCat(document.Text(), "\n");
}

}  // namespace vt::run
