// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/plan_inputs.h"

#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "daemon/base/glob.h"
#include "daemon/base/path.h"
#include "daemon/fingerprint/observe.h"

namespace vt::run {
namespace {

namespace storage = vtask::storage::v1;
using storage::Observation;

// What is read of a package, be it there or not: workspace/sources.cc. One
// pattern is one walk.
constexpr char kFiles[] =
    "{package.json,pnpm-workspace.yaml,vite-task.json,"
    "vite.config.js,vite.config.mjs,vite.config.ts,"
    "vite.config.cjs,vite.config.mts,vite.config.cts}";

class Inputs {
 public:
  Inputs(const workspace::Workspace& workspace, fingerprint::FileDigests* files)
      : workspace_(workspace) {
    world_.root = workspace.root;
    world_.files = files;
  }

  // All manifests and configurations, those of packages that may come, too. One
  // glob: the same walk that found the packages, and its differences name
  // files.
  void ObserveSources(const std::string& cwd) {
    storage::Observation globs;
    globs.set_kind(Observation::GLOB);
    const auto add = [&globs](absl::string_view pattern, bool negative) {
      storage::Glob* glob = globs.add_globs();
      glob->set_pattern(std::string(pattern));
      glob->set_negative(negative);
    };
    // Between the root and the caller another workspace may begin.
    std::set<std::string> directories = {""};
    for (absl::string_view up = cwd;
         up != workspace_.root && base::IsWithin(up, workspace_.root);
         up = base::Dirname(up)) {
      directories.insert(base::Glob::Escape(
          base::RelativeTo(up, workspace_.root).value_or("")));
    }
    directories.insert(workspace_.member_globs.begin(),
                       workspace_.member_globs.end());
    for (const std::string& directory : directories) {
      add(base::JoinPath(directory, kFiles), /*negative=*/false);
    }
    add(".pnp.{cjs,js}", /*negative=*/false);
    add("**/node_modules/**", /*negative=*/true);
    See(std::move(globs));
  }

  // Where its program would have been found before. Directories outside of the
  // workspace are the machine's; programs there count once they are executed.
  void ObserveSearch(const plan::Step& step) {
    const std::string path = step.tool_env.Get("PATH");
    if (step.argv.empty() || absl::StrContains(step.argv[0], '/') ||
        path.empty()) {
      return;
    }
    for (const absl::string_view entry : absl::StrSplit(path, ':')) {
      const std::string file = base::NormalizePath(
          absl::StartsWith(entry, "/")
              ? absl::StrCat(entry, "/", step.argv[0])
              : absl::StrCat(step.cwd, "/", entry, "/", step.argv[0]));
      const auto relative = base::RelativeTo(file, workspace_.root);
      if (relative.has_value() && searched_.insert(*relative).second) {
        storage::Observation observation;
        observation.set_kind(Observation::EXISTENCE);
        observation.set_path(*relative);
        See(std::move(observation));
      }
      if (file == step.program) {
        return;
      }
    }
  }

  std::vector<Seen> Take() { return std::move(seen_); }

 private:
  void See(storage::Observation observation) {
    storage::Value value = fingerprint::Observe(observation, world_);
    seen_.push_back({std::move(observation), std::move(value)});
  }

  const workspace::Workspace& workspace_;
  fingerprint::World world_;
  std::set<std::string> searched_;
  std::vector<Seen> seen_;
};

// `--filter '[main]'`: packages that git says have changed. The repository is
// no input of anything (R-CACHE-13).
bool AsksGit(const plan::RunFlags& flags, const plan::Plan& plan) {
  const auto asks = [](const std::string& argument) {
    return absl::StrContains(argument, '[');
  };
  for (const std::string& filter : flags.filters) {
    if (asks(filter)) {
      return true;
    }
  }
  for (const plan::PlannedTask& task : plan.tasks) {
    for (const plan::Step& step : task.steps) {
      if (step.kind != plan::Step::Kind::kNested) {
        continue;
      }
      for (const std::string& argument : step.argv) {
        if (asks(argument)) {
          return true;
        }
      }
      if (AsksGit({}, *step.nested)) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

PlanInputs ObservePlan(const workspace::Workspace& workspace,
                       const plan::RunFlags& flags, const std::string& cwd,
                       const plan::Plan& plan,
                       fingerprint::FileDigests* files) {
  PlanInputs result;
  if (AsksGit(flags, plan)) {
    result.unknown = "what it runs depends on git (`[...]` in a filter)";
    return result;
  }
  Inputs inputs(workspace, files);
  inputs.ObserveSources(cwd);
  plan::ForEachStep(
      plan, [&inputs](const plan::PlannedTask& /*task*/,
                      const plan::Step& step) { inputs.ObserveSearch(step); });
  result.seen = inputs.Take();
  return result;
}

}  // namespace vt::run
