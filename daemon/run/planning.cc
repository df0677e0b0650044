// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/planning.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/history/runs.h"
#include "daemon/plan/completion.h"
#include "daemon/report/summary.h"
#include "daemon/report/texts.h"
#include "daemon/run/caller.h"
#include "daemon/run/explain.h"
#include "daemon/run/forecast.h"
#include "daemon/run/json_documents.h"
#include "daemon/workspace/workspace.h"

namespace vt::run {
namespace {

using vtask::v1::PlannedAction;
using vtask::v1::PlanResponse;

// Appends the actions of `plan`; those that wait for nothing in it wait for
// `before`. Returns those that nothing in it waits for.
std::vector<uint32_t> AppendActions(const plan::Plan& plan,
                                    const Forecast& forecast,
                                    const std::vector<uint32_t>& before,
                                    PlanResponse* out) {
  std::vector<std::vector<uint32_t>> ends(plan.tasks.size());
  std::vector<bool> awaited(plan.tasks.size(), false);
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    const plan::PlannedTask& task = plan.tasks[t];
    std::vector<uint32_t>& last = ends[t];
    for (const int dependency : task.depends_on) {
      const auto& end = ends[static_cast<size_t>(dependency)];
      last.insert(last.end(), end.begin(), end.end());
      awaited[static_cast<size_t>(dependency)] = true;
    }
    if (last.empty()) {
      last = before;
    }
    for (const plan::Step& step : task.steps) {
      if (step.kind == plan::Step::Kind::kNested) {
        last = AppendActions(*step.nested, forecast, last, out);
        continue;
      }
      PlannedAction* action = out->add_actions();
      const auto index = static_cast<uint32_t>(out->actions_size());
      *action->mutable_action() = RefOf(task, step, index);
      action->mutable_depends_on()->Assign(last.begin(), last.end());
      last = {index};
      action->set_program(step.program);
      for (size_t i = 1; i < step.argv.size(); ++i) {
        action->add_args(step.argv[i]);
      }
      const StepForecast& expected = forecast.at(&step);
      action->set_cache(expected.cache);
      action->mutable_differences()->Assign(
          expected.found.miss.differences.begin(),
          expected.found.miss.differences.end());
    }
  }
  std::vector<uint32_t> sinks;
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    if (!awaited[t]) {
      sinks.insert(sinks.end(), ends[t].begin(), ends[t].end());
    }
  }
  return sinks.empty() ? before : sinks;
}

PlanResponse Describe(const std::string& root, const plan::Plan& plan,
                      cache::ActionCache* cache) {
  PlanResponse response;
  response.set_workspace_root(root);
  AppendActions(plan, MakeForecast(root, plan, cache), {}, &response);
  return response;
}

// R-DRY-2. `options` as of the renderer of a real run.
std::string DryRunText(const std::string& root, const plan::Plan& plan,
                       cache::ActionCache* cache,
                       const report::RenderOptions& options) {
  const Forecast forecast = MakeForecast(root, plan, cache);
  std::string text;
  report::Summary summary;
  uint32_t index = 0;
  plan::ForEachStep(
      plan, [&](const plan::PlannedTask& task, const plan::Step& step) {
        const StepForecast& expected = forecast.at(&step);
        vtask::v1::ActionStarted planned;
        *planned.mutable_action() = RefOf(task, step, ++index);
        planned.set_cache(expected.cache);
        planned.set_forced(expected.forced);
        const cache::Miss& miss = expected.found.miss;
        planned.mutable_differences()->Assign(miss.differences.begin(),
                                              miss.differences.end());
        planned.set_changes_partial(miss.partial);
        if (options.verbose >= 2) {
          cache::AddDetails(expected.details, &planned);
        }
        absl::StrAppend(&text,
                        report::StartLine(planned, /*is_planned=*/true,
                                          options.colour_stdout),
                        "\n");
        summary.AddPlanned(planned);
      });
  return absl::StrCat(text,
                      summary.RenderPlanned(options.program, options.verbose,
                                            options.colour_stdout));
}

// A program that is not there stops the run before anything starts, unless its
// step is a hit, which does not need it (R-PLAN-41, X-27).
absl::Status CheckPrograms(const std::string& root, const plan::Plan& plan,
                           cache::ActionCache* cache) {
  absl::Status missing;
  plan::ForEachStep(plan, [&](const plan::PlannedTask& /*task*/,
                              const plan::Step& step) {
    if (!missing.ok() || step.program_missing.empty()) {
      return;
    }
    const cache::ActionKey key{step.description, root, step.tool_env.All(),
                               step.position, step.umask};
    if (cache == nullptr || step.refresh || !cache->Peek(key).hit.has_value()) {
      missing = absl::FailedPreconditionError(step.program_missing);
    }
  });
  return missing;
}

absl::StatusOr<PlannedRun> LastDetails(const RunLog& run_log, PlannedRun run,
                                       const report::RenderOptions& options) {
  absl::StatusOr<vtask::v1::RunRecord> record =
      history::LoadLastRun(run_log.Settled(), run.root);
  if (!record.ok()) {
    // No "error:": it is an answer (R-SUM-7), with exit code 1.
    run.complaint = std::string(record.status().message());
    run.exit_code = 1;
    return run;
  }
  report::Summary summary;
  summary.SetRunNumber(record->id());
  for (const vtask::v1::RunEvent& event : record->events()) {
    summary.Add(event);
    if (event.has_run_finished()) {
      run.exit_code = event.run_finished().exit_code();
    }
  }
  run.text =
      summary.Render(options.program, /*verbose=*/1, options.colour_stdout);
  return run;
}

std::string ListText(const workspace::Workspace& workspace,
                     const std::string& cwd) {
  std::string text;
  for (const plan::ListedTask& task : plan::ListTasks(workspace, cwd)) {
    absl::StrAppend(&text, "  ", task.label, ": ", task.command, "\n");
  }
  return text;
}

}  // namespace

vtask::v1::ActionRef RefOf(const plan::PlannedTask& task,
                           const plan::Step& step, uint32_t index) {
  vtask::v1::ActionRef ref;
  ref.set_index(index);
  ref.set_package(task.package_name);
  ref.set_package_path(task.package_path.empty() ? "." : task.package_path);
  // A hook is shown by its own name.
  const std::string& name = step.hook.empty() ? task.name : step.hook;
  ref.set_task(name);
  ref.set_label(step.hook.empty() ? task.label
                : task.package_name.empty()
                    ? name
                    : absl::StrCat(task.package_name, "#", name));
  ref.set_cwd(step.display_cwd);
  ref.set_command(step.display_command);
  return ref;
}

absl::StatusOr<PlannedRun> PlanRun(const WorkspacePtr& workspace,
                                   const plan::RunFlags& flags,
                                   const plan::CallerFacts& caller,
                                   cache::ActionCache* cache,
                                   const RunLog& run_log,
                                   const report::RenderOptions& options) {
  PlannedRun run;
  run.root = workspace->root;
  if (flags.last_details) {
    return LastDetails(run_log, std::move(run), options);
  }
  if (flags.explain.has_value() && !flags.task.has_value()) {
    VT_ASSIGN_OR_RETURN(run.text, ExplainPast(run.root, flags, cache,
                                              run_log.Settled(), options));
    return run;
  }
  if (!flags.task.has_value() && flags.json) {
    run.text = TaskGraphJson(
        *workspace, absl::StrCat(options.schemas, "task-graph.schema.json"));
    return run;
  }
  if (!flags.task.has_value()) {
    run.text = ListText(*workspace, caller.cwd);
    return run;
  }
  absl::StatusOr<plan::Plan> planned =
      plan::MakePlan(*workspace, flags, caller);
  if (absl::IsNotFound(planned.status()) && !flags.json) {
    run.text = plan::UnknownTaskText(*workspace, flags, caller.cwd);
    if (run.text.has_value()) {
      run.task_unknown = true;
      run.exit_code = 1;
      return run;
    }
  }
  VT_RETURN_IF_ERROR(planned.status());
  run.plan = std::make_shared<const plan::Plan>(*std::move(planned));
  const plan::Plan& plan = *run.plan;
  if (flags.explain.has_value()) {
    run.text = ExplainPlan(run.root, plan, MakeForecast(run.root, plan, cache),
                           flags, options);
    return run;
  }
  if (flags.dry_run && flags.json) {
    RunPlanOptions json;
    json.schema = absl::StrCat(options.schemas, "run-plan.schema.json");
    json.verbose = flags.verbose;
    if (cache == nullptr) {
      json.cache_error = "there is no cache; `vt daemon status` says why";
    }
    run.text = RunPlanJson(*workspace, plan,
                           MakeForecast(run.root, plan, cache), json);
    return run;
  }
  if (flags.dry_run) {
    run.text = DryRunText(run.root, plan, cache, options);
    return run;
  }
  VT_RETURN_IF_ERROR(CheckPrograms(run.root, plan, cache));
  return run;
}

absl::StatusOr<PlanResponse> AnswerPlan(const WorkspacePtr& workspace,
                                        const settings::Settings& settings,
                                        const vtask::v1::PlanRequest& request,
                                        cache::ActionCache* cache) {
  std::vector<std::string> argv = Strings(request.argv());
  if (argv.empty() || argv.front() != "run") {
    argv.insert(argv.begin(), "run");
  }
  argv.insert(argv.begin(), "vt");
  VT_ASSIGN_OR_RETURN(const plan::Command command,
                      plan::ParseCommandLine(argv));
  const auto* flags = std::get_if<plan::RunFlags>(&command);
  if (flags == nullptr || !flags->task.has_value()) {
    return absl::InvalidArgumentError("argv does not name a task to run");
  }
  plan::CallerFacts caller = FactsOf(request.caller());
  caller.settings = settings;
  VT_ASSIGN_OR_RETURN(const plan::Plan plan,
                      plan::MakePlan(*workspace, *flags, caller));
  return Describe(workspace->root, plan, cache);
}

absl::StatusOr<vtask::v1::ListTasksResponse> AnswerListTasks(
    const WorkspacePtr& workspace, const vtask::v1::ListTasksRequest& request) {
  const std::string& cwd = request.caller().cwd();
  vtask::v1::ListTasksResponse response;
  response.set_workspace_root(workspace->root);
  for (const plan::ListedTask& listed : plan::ListTasks(*workspace, cwd)) {
    const workspace::Package& package =
        workspace->packages[static_cast<size_t>(listed.package)];
    const workspace::Task& task = package.tasks.at(listed.name);
    vtask::v1::TaskInfo* info = response.add_tasks();
    info->set_package(package.name);
    info->set_package_path(package.path.empty() ? "." : package.path);
    info->set_name(listed.name);
    info->set_label(workspace->Label(listed.package, listed.name));
    for (const std::string& command : task.commands) {
      info->add_command(command);
    }
    info->set_is_script(task.is_script);
    info->set_cacheable(
        task.cache.enabled &&
        (task.is_script ? workspace->cache_scripts : workspace->cache_tasks));
  }
  return response;
}

vtask::v1::CompleteResponse AnswerComplete(
    const WorkspacePtr& workspace, const vtask::v1::CompleteRequest& request,
    bool* asked_workspace) {
  vtask::v1::CompleteResponse response;
  plan::Completion completion =
      plan::Complete(Strings(request.words()), workspace.get(),
                     base::NormalizePath(request.caller().cwd()));
  for (plan::Completion::Candidate& candidate : completion.candidates) {
    auto* out = response.add_candidates();
    out->set_value(std::move(candidate.value));
    out->set_description(report::Printable(candidate.description));
  }
  response.set_wants_files(completion.wants_files);
  response.set_no_space(completion.no_space);
  if (asked_workspace != nullptr) {
    *asked_workspace = completion.asked_workspace;
  }
  return response;
}

}  // namespace vt::run
