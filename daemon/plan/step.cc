// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/step.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "daemon/base/consulted.h"
#include "daemon/base/find_program.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/plan/shell_words.h"
#include "daemon/plan/step_env.h"

namespace vt::plan {
namespace {

constexpr char kShell[] = "/bin/sh";
constexpr char kPlatform[] = "linux-x86_64";

// Whether `directory` belongs to `package` of this workspace, and not to one
// that lies inside of it without being a member (R-WS-2).
bool IsOfPackage(const std::string& directory,
                 const workspace::Package& package) {
  for (std::string at = directory; at != package.directory;
       at = std::string(base::Dirname(at))) {
    if (at.empty() || at == "/" ||
        base::Exists(base::JoinPath(at, "package.json")) ||
        base::Exists(base::JoinPath(at, "pnpm-workspace.yaml"))) {
      return false;
    }
  }
  return true;
}

void FillFiles(
    const workspace::FileSetting& setting, bool* automatic,
    google::protobuf::RepeatedPtrField<vtask::storage::v1::Glob>* globs) {
  *automatic = setting.automatic;
  std::vector<workspace::GlobSetting> sorted = setting.globs;
  std::sort(
      sorted.begin(), sorted.end(),
      [](const workspace::GlobSetting& a, const workspace::GlobSetting& b) {
        return std::tie(a.pattern, a.negative) <
               std::tie(b.pattern, b.negative);
      });
  for (const workspace::GlobSetting& glob : sorted) {
    vtask::storage::v1::Glob* out = globs->Add();
    out->set_pattern(glob.pattern);
    out->set_negative(glob.negative);
  }
}

// Makes the steps of one task, or of one hook. Thread-compatible.
class StepMaker {
 public:
  StepMaker(const StepFacts& facts, int package, const workspace::Task& task,
            std::string owner, std::string hook)
      : facts_(facts),
        root_(facts.workspace.root),
        package_(facts.workspace.packages[static_cast<size_t>(package)]),
        task_(task),
        owner_(std::move(owner)),
        hook_(std::move(hook)),
        cwd_(task.cwd),
        env_(facts.env) {
    const auto path = env_.find("PATH");
    env_["PATH"] = StepPath(package_.directory, root_,
                            path == env_.end() ? "" : path->second);
  }

  absl::Status Make(const std::vector<std::string>& extra_args,
                    std::vector<Step>* out) {
    for (size_t i = 0; i < task_.commands.size(); ++i) {
      const bool last = i + 1 == task_.commands.size();
      const std::vector<std::string> none;
      VT_RETURN_IF_ERROR(
          Entry(task_.commands[i], i, last ? extra_args : none, out));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Entry(const std::string& command, size_t index,
                     const std::vector<std::string>& extra_args,
                     std::vector<Step>* out) {
    std::optional<std::vector<SimpleCommand>> native = ParseNative(command);
    if (!native.has_value()) {
      VT_ASSIGN_OR_RETURN(Step step, ShellStep(command, extra_args));
      step.position = PositionOf(index, 0, extra_args);
      out->push_back(std::move(step));
      return absl::OkStatus();
    }
    for (size_t part = 0; part < native->size(); ++part) {
      SimpleCommand& simple = (*native)[part];
      const bool last = part + 1 == native->size();
      if (last) {
        for (const std::string& arg : extra_args) {
          simple.words.push_back(arg);
          absl::StrAppend(&simple.text, " ", ShellQuote(arg));
        }
      }
      if (simple.words[0] == "cd") {
        VT_RETURN_IF_ERROR(ChangeDirectory(simple));
        continue;
      }
      VT_ASSIGN_OR_RETURN(const bool is_nested, Nested(simple, out));
      if (is_nested) {
        continue;
      }
      VT_ASSIGN_OR_RETURN(Step step, simple.words[0] == "echo"
                                         ? EchoStep(simple)
                                         : ProcessStep(simple));
      step.position = PositionOf(
          index, part, last ? extra_args : std::vector<std::string>());
      out->push_back(std::move(step));
    }
    return absl::OkStatus();
  }

  // R-PLAN-8, X-12.
  absl::Status ChangeDirectory(const SimpleCommand& command) {
    if (command.words.size() > 2) {
      return absl::FailedPreconditionError(absl::StrCat(
          "Failed to execute 'cd' command\n* Too many args for 'cd' command: `",
          command.text, "`"));
    }
    std::string target;
    if (command.words.size() == 2) {
      target = command.words[1];
    } else {
      const auto home = env_.find("HOME");
      if (home == env_.end() || home->second.empty()) {
        return absl::FailedPreconditionError(
            "Failed to execute 'cd' command\n* HOME is not set");
      }
      target = home->second;
    }
    cwd_ = base::NormalizePath(base::JoinPath(cwd_, target));
    return absl::OkStatus();
  }

  Step Common(absl::string_view text) const {
    Step step;
    step.cwd = cwd_;
    step.display_command = std::string(text);
    step.hook = hook_;
    if (cwd_ != root_) {
      const std::optional<std::string> relative = base::RelativeTo(cwd_, root_);
      step.display_cwd =
          relative.has_value() ? absl::StrCat("~/", *relative) : OutsideName();
    }
    return step;
  }

  // A directory outside the root, as "~/../x".
  std::string OutsideName() const {
    std::string common = root_;
    std::string up = "~";
    while (!base::IsWithin(cwd_, common)) {
      common = std::string(base::Dirname(common));
      absl::StrAppend(&up, "/..");
    }
    const std::string rest = base::RelativeTo(cwd_, common).value_or("");
    return rest.empty() ? up : absl::StrCat(up, "/", rest);
  }

  base::EnvMap EnvOf(const SimpleCommand& command) const {
    base::EnvMap env = env_;
    for (const auto& [name, value] : command.assignments) {
      env[name] = value;
    }
    return env;
  }

  SharedEnv ToolEnvOf(const Assignments& assignments) const {
    base::EnvMap own = {{"PATH", env_.at("PATH")}};
    for (const auto& [name, value] : assignments) {
      own[name] = value;
    }
    return {facts_.shared_env, std::move(own)};
  }

  // Of all that a step gets, PATH and what is assigned is its own.
  SharedEnv Share(base::EnvMap all, const Assignments& assignments) const {
    base::EnvMap own;
    own.insert(all.extract("PATH"));
    for (const auto& [name, value] : assignments) {
      own.insert(all.extract(name));
    }
    return {facts_.envs->Share(std::move(all)), std::move(own)};
  }

  // R-PLAN-12, 13, 17. True: `command` is a run that is planned here; false: it
  // is to be made a step like others.
  absl::StatusOr<bool> Nested(const SimpleCommand& command,
                              std::vector<Step>* out) const {
    absl::StatusOr<std::optional<RunFlags>> flags =
        ParseNestedRun(command.words);
    if (flags.ok() && !flags->has_value()) {
      return false;
    }
    if (!IsOfPackage(cwd_, facts_.workspace.packages[static_cast<size_t>(
                               facts_.workspace.PackageOf(cwd_))])) {
      return false;  // another workspace
    }
    const std::string where =
        absl::StrCat("Failed to plan tasks from `", command.text, "` in task ",
                     package_.name, package_.name.empty() ? "" : "#",
                     hook_.empty() ? owner_ : hook_, "\n* ");
    if (!flags.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, flags.status().message()));
    }
    const NestedRun run = {**std::move(flags), cwd_, EnvOf(command)};
    absl::StatusOr<std::shared_ptr<const Plan>> plan = facts_.plan_nested(run);
    if (!plan.ok()) {
      const std::string text = absl::StrCat(where, plan.status().message());
      // NOT_FOUND is about what the user has typed.
      return absl::IsInvalidArgument(plan.status())
                 ? absl::InvalidArgumentError(text)
                 : absl::FailedPreconditionError(text);
    }
    if (*plan != nullptr) {
      Step step = Common(command.text);
      step.kind = Step::Kind::kNested;
      step.argv = command.words;
      step.nested = *std::move(plan);
      out->push_back(std::move(step));
    }
    return true;
  }

  // R-PLAN-9.
  absl::StatusOr<Step> EchoStep(const SimpleCommand& command) const {
    Step step = Common(command.text);
    step.kind = Step::Kind::kEcho;
    step.argv = command.words;
    step.cache_off_reason = "for built-in command";
    const bool no_newline =
        command.words.size() > 1 && command.words[1] == "-n";
    step.echo_text =
        absl::StrCat(absl::StrJoin(command.words.begin() + (no_newline ? 2 : 1),
                                   command.words.end(), " "),
                     no_newline ? "" : "\n");
    return step;
  }

  absl::StatusOr<Step> ShellStep(
      const std::string& command,
      const std::vector<std::string>& extra_args) const {
    const std::string script = AppendShellArguments(command, extra_args);
    Step step = Common(script);
    step.kind = Step::Kind::kShell;
    step.program = kShell;
    step.argv = {kShell, "-c", script};
    step.tool_env = ToolEnvOf({});
    VT_RETURN_IF_ERROR(Finish(env_, {}, &step));
    return step;
  }

  absl::StatusOr<Step> ProcessStep(const SimpleCommand& command) const {
    Step step = Common(command.text);
    step.kind = Step::Kind::kProcess;
    step.argv = command.words;
    const base::EnvMap env = EnvOf(command);
    step.tool_env = ToolEnvOf(command.assignments);
    step.program = base::FindProgram(command.words[0], env.at("PATH"), cwd_);
    if (step.program.empty()) {
      step.program_missing = absl::StrCat(
          "Failed to find executable ", command.words[0], " under cwd ", cwd_,
          "/ with PATH: ", env.at("PATH"), "\n* cannot find binary path");
    }
    if (IsNestedRunner(command.words)) {
      step.cache_off_reason = "for a nested run";
    }
    VT_RETURN_IF_ERROR(Finish(env_, command.assignments, &step));
    if (!step.cached && step.program.empty()) {
      return absl::FailedPreconditionError(step.program_missing);
    }
    return step;
  }

  // Cache policy, environment and description.
  absl::Status Finish(const base::EnvMap& env, const Assignments& assignments,
                      Step* step) const {
    const bool category =
        task_.is_script ? facts_.cache_scripts : facts_.cache_tasks;
    if (!category || !task_.cache.enabled) {
      step->cache_off_reason = "in task configuration";
    } else if (!base::IsWithin(step->cwd, root_)) {
      step->cache_off_reason = "its directory is outside the workspace";
    }
    step->cached = step->cache_off_reason.empty();
    step->refresh = facts_.refresh;
    step->umask = facts_.umask;
    if (!step->cached) {
      step->env = Share(UncachedEnv(env, assignments), assignments);
      return absl::OkStatus();
    }
    step->user_untracked = task_.cache.untracked_env;
    step->tool_drain = facts_.settings.tool_drain_timeout;
    VT_ASSIGN_OR_RETURN(
        CachedEnv cached,
        MakeCachedEnv(env, facts_.default_names, assignments, task_.cache));
    step->env = Share(std::move(cached.env), assignments);
    Describe(std::move(cached.fingerprinted), step);
    SetDigests(step);
    return absl::OkStatus();
  }

  // Relative inside the workspace, else the file name (R-CACHE-7). What is not
  // found has the name it would have outside.
  std::string ProgramName(const Step& step) const {
    std::string program = step.program;
    if (program.empty() && absl::StrContains(step.argv[0], '/')) {
      program = base::NormalizePath(base::JoinPath(step.cwd, step.argv[0]));
    }
    if (program.empty()) {
      return step.argv[0];
    }
    const std::optional<std::string> inside = base::RelativeTo(program, root_);
    return inside.has_value() ? *inside : std::string(base::Basename(program));
  }

  void Describe(std::vector<vtask::storage::v1::EnvValue> env,
                Step* step) const {
    vtask::storage::v1::WeakDescription& out = step->description;
    out.set_program(ProgramName(*step));
    for (size_t i = 1; i < step->argv.size(); ++i) {
      out.add_args(step->argv[i]);
    }
    out.set_cwd(base::RelativeTo(step->cwd, root_).value_or(""));
    for (vtask::storage::v1::EnvValue& value : env) {
      *out.add_env() = std::move(value);
    }
    std::vector<std::string> untracked = task_.cache.untracked_env;
    std::sort(untracked.begin(), untracked.end());
    untracked.erase(std::unique(untracked.begin(), untracked.end()),
                    untracked.end());
    for (std::string& pattern : untracked) {
      out.add_untracked_env(std::move(pattern));
    }
    bool automatic = true;
    FillFiles(task_.cache.input, &automatic,
              out.mutable_input()->mutable_globs());
    out.mutable_input()->set_automatic(automatic);
    FillFiles(task_.cache.output, &automatic,
              out.mutable_output()->mutable_globs());
    out.mutable_output()->set_automatic(automatic);
    out.set_platform(kPlatform);
    out.set_track(task_.cache.track);
    out.set_honor_opt_out(task_.cache.honor_tool_opt_out);
    out.set_share_root_only(task_.cache.share_root_only);
    if (task_.cache.share_root_only) {
      out.set_root(root_);
    }
    std::vector<std::string> services = task_.cache.services;
    std::sort(services.begin(), services.end());
    for (std::string& service : services) {
      out.add_services(std::move(service));
    }
    out.set_toolchain_executed(facts_.settings.toolchain_executed);
    out.set_strict_tracking(facts_.settings.strict_tracking);
  }

  // Parts are joined by NUL, which none of them can hold.
  std::string PositionOf(size_t index, size_t part,
                         const std::vector<std::string>& extra_args) const {
    std::string out = package_.path;
    auto append = [&out](absl::string_view text) {
      out.push_back('\0');
      absl::StrAppend(&out, text);
    };
    append(owner_);
    append(hook_);
    append(absl::StrCat(index));
    append(absl::StrCat(part));
    for (const std::string& arg : extra_args) {
      append(arg);
    }
    return out;
  }

  const StepFacts& facts_;
  const std::string& root_;
  const workspace::Package& package_;
  const workspace::Task& task_;
  const std::string owner_;  // the task that these steps belong to
  const std::string hook_;
  std::string cwd_;
  base::EnvMap env_;
};

}  // namespace

absl::StatusOr<std::vector<Step>> MakeSteps(
    const StepFacts& facts, int package, const workspace::Task& task,
    const std::vector<std::string>& extra_args) {
  const std::map<std::string, workspace::Task>& tasks =
      facts.workspace.packages[static_cast<size_t>(package)].tasks;
  std::vector<Step> steps;
  // R-PLAN-20: scripts only, on both sides.
  auto add_hook = [&](absl::string_view prefix) -> absl::Status {
    const std::string name = absl::StrCat(prefix, task.name);
    const auto hook = tasks.find(name);
    if (!task.is_script || !facts.workspace.pre_post_scripts ||
        hook == tasks.end() || !hook->second.is_script) {
      return absl::OkStatus();
    }
    return StepMaker(facts, package, hook->second, task.name, name)
        .Make({}, &steps);
  };
  VT_RETURN_IF_ERROR(add_hook("pre"));
  VT_RETURN_IF_ERROR(
      StepMaker(facts, package, task, task.name, "").Make(extra_args, &steps));
  VT_RETURN_IF_ERROR(add_hook("post"));
  return steps;
}

}  // namespace vt::plan
