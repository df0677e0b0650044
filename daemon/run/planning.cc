// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/planning.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "daemon/base/status.h"
#include "daemon/history/last_run.h"
#include "daemon/report/summary.h"
#include "daemon/report/texts.h"
#include "daemon/run/caller.h"
#include "daemon/workspace/workspace.h"

namespace vt::run {
namespace {

using vtask::v1::PlannedAction;
using vtask::v1::PlanResponse;

// Every step of the plan with what the cache says of it now. A step after one
// that would write is only a guess (R-DRY-3, X-18).
PlanResponse Describe(const std::string& root, const plan::Plan& plan,
                      cache::ActionCache* cache) {
  PlanResponse response;
  response.set_workspace_root(root);
  std::vector<uint32_t> last_of_task(plan.tasks.size(), 0);
  std::vector<bool> writes(plan.tasks.size(), false);
  uint32_t index = 0;
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    const plan::PlannedTask& task = plan.tasks[t];
    bool after_writer = false;
    for (const int dependency : task.depends_on) {
      after_writer = after_writer || writes[static_cast<size_t>(dependency)];
    }
    for (const plan::Step& step : task.steps) {
      PlannedAction* action = response.add_actions();
      vtask::v1::ActionRef* ref = action->mutable_action();
      ref->set_index(++index);
      ref->set_package(task.package_name);
      ref->set_package_path(task.package_path.empty() ? "."
                                                      : task.package_path);
      ref->set_task(task.name);
      ref->set_label(task.label);
      ref->set_cwd(step.display_cwd);
      ref->set_command(step.display_command);
      action->set_program(step.program);
      for (size_t i = 1; i < step.argv.size(); ++i) {
        action->add_args(step.argv[i]);
      }
      if (&step == &task.steps.front()) {
        for (const int dependency : task.depends_on) {
          if (const uint32_t last =
                  last_of_task[static_cast<size_t>(dependency)];
              last != 0) {
            action->add_depends_on(last);
          }
        }
      } else {
        action->add_depends_on(index - 1);
      }
      if (step.kind == plan::Step::Kind::kEcho) {
        action->set_cache(vtask::v1::BUILTIN);
        continue;
      }
      if (!step.cached || cache == nullptr) {
        action->set_cache(vtask::v1::DISABLED);
        after_writer = true;
        continue;
      }
      const cache::LookupResult found =
          cache->Lookup({step.description, root, step.tool_env, step.position});
      const bool hit = found.hit.has_value();
      action->set_cache(after_writer ? vtask::v1::UNKNOWN
                        : hit        ? vtask::v1::HIT
                                     : vtask::v1::MISS);
      if (!hit) {
        action->mutable_differences()->Assign(found.miss.differences.begin(),
                                              found.miss.differences.end());
      }
      after_writer =
          after_writer || !hit || found.hit->result.outputs_size() > 0;
    }
    last_of_task[t] = index;
    writes[t] = after_writer;
  }
  return response;
}

// R-DRY-2.
std::string DryRunText(const PlanResponse& plan) {
  std::string text;
  int hits = 0, cached = 0;
  for (const PlannedAction& action : plan.actions()) {
    absl::StrAppend(&text, action.action().cwd(), "$ ",
                    action.action().command());
    switch (action.cache()) {
      case vtask::v1::HIT:
        absl::StrAppend(&text, " ◉ cache hit");
        ++hits;
        ++cached;
        break;
      case vtask::v1::MISS: {
        const std::string reason = report::InlineReason(action.differences());
        if (!reason.empty()) {
          absl::StrAppend(&text, " ○ cache miss: ", reason);
        }
        ++cached;
        break;
      }
      case vtask::v1::UNKNOWN:
        absl::StrAppend(&text, " ◌ depends on earlier steps");
        ++cached;
        break;
      default:
        absl::StrAppend(&text, " ⊘ cache disabled");
        break;
    }
    absl::StrAppend(&text, "\n");
  }
  if (plan.actions_size() == 1 && hits == 1) {
    absl::StrAppend(&text, "\n---\nvt run: cache hit, nothing was run.\n");
  } else if (plan.actions_size() > 1 && cached > 0) {
    absl::StrAppend(&text, "\n---\nvt run: ", hits, "/", cached, " cache hit (",
                    100 * hits / cached, "%), nothing was run.\n");
  } else if (plan.actions_size() > 1) {
    absl::StrAppend(&text, "\n---\nvt run: nothing was run.\n");
  }
  return text;
}

// A program that is not there stops the run before anything starts, unless its
// step is a hit, which does not need it (R-PLAN-41, X-27).
absl::Status CheckPrograms(const std::string& root, const plan::Plan& plan,
                           cache::ActionCache* cache) {
  for (const plan::PlannedTask& task : plan.tasks) {
    for (const plan::Step& step : task.steps) {
      if (step.program_missing.empty()) {
        continue;
      }
      if (cache == nullptr ||
          !cache->Lookup({step.description, root, step.tool_env, step.position})
               .hit.has_value()) {
        return absl::FailedPreconditionError(step.program_missing);
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<PlannedRun> LastDetails(const std::string& last_runs,
                                       PlannedRun run, bool colour) {
  absl::StatusOr<vtask::v1::RunRecord> record =
      history::LoadLastRun(last_runs, run.root);
  if (!record.ok()) {
    // No "error:": it is an answer (R-SUM-7), with exit code 1.
    run.complaint = std::string(record.status().message());
    run.exit_code = 1;
    return run;
  }
  report::Summary summary;
  for (const vtask::v1::RunEvent& event : record->events()) {
    summary.Add(event);
    if (event.has_run_finished()) {
      run.exit_code = event.run_finished().exit_code();
    }
  }
  run.text = summary.Render("vt", /*verbose=*/1, colour);
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

absl::StatusOr<PlannedRun> PlanRun(const plan::RunFlags& flags,
                                   const plan::CallerFacts& caller,
                                   cache::ActionCache* cache,
                                   const std::string& last_runs, bool colour) {
  if (flags.json) {
    return absl::InvalidArgumentError(
        "`--json` is not part of this version of vt; use the Plan and "
        "ListTasks calls of the daemon's API");
  }
  VT_ASSIGN_OR_RETURN(
      const std::shared_ptr<const workspace::Workspace> workspace,
      workspace::Load(caller.cwd));
  PlannedRun run;
  run.root = workspace->root;
  if (flags.last_details) {
    return LastDetails(last_runs, std::move(run), colour);
  }
  if (!flags.task.has_value()) {
    run.text = ListText(*workspace, caller.cwd);
    return run;
  }
  absl::StatusOr<plan::Plan> planned =
      plan::MakePlan(*workspace, flags, caller);
  if (absl::IsNotFound(planned.status())) {
    run.text = plan::UnknownTaskText(*workspace, flags, caller.cwd);
    if (run.text.has_value()) {
      run.exit_code = 1;
      return run;
    }
  }
  VT_RETURN_IF_ERROR(planned.status());
  run.plan = *std::move(planned);
  if (flags.dry_run) {
    run.text = DryRunText(Describe(run.root, run.plan, cache));
    return run;
  }
  VT_RETURN_IF_ERROR(CheckPrograms(run.root, run.plan, cache));
  return run;
}

absl::StatusOr<PlanResponse> AnswerPlan(const vtask::v1::PlanRequest& request,
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
  const plan::CallerFacts caller = FactsOf(request.caller());
  VT_ASSIGN_OR_RETURN(
      const std::shared_ptr<const workspace::Workspace> workspace,
      workspace::Load(caller.cwd));
  VT_ASSIGN_OR_RETURN(const plan::Plan plan,
                      plan::MakePlan(*workspace, *flags, caller));
  return Describe(workspace->root, plan, cache);
}

absl::StatusOr<vtask::v1::ListTasksResponse> AnswerListTasks(
    const vtask::v1::ListTasksRequest& request) {
  const std::string& cwd = request.caller().cwd();
  VT_ASSIGN_OR_RETURN(
      const std::shared_ptr<const workspace::Workspace> workspace,
      workspace::Load(cwd));
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

}  // namespace vt::run
