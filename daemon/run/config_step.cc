// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/config_step.h"

#include <unistd.h>

#include <memory>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "daemon/base/consulted.h"
#include "daemon/base/file.h"
#include "daemon/base/json.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/fingerprint/sink.h"
#include "daemon/plan/step_env.h"

namespace vt::run {
namespace {

using base::Json;

// What says from which window, or how deep in shells, somebody called. No
// configuration may depend on it, and each value would be one evaluation more.
const std::set<std::string>& SessionNames() {
  static const auto* const names =
      new std::set<std::string>{"_",        "COLUMNS",    "ITERM_SESSION_ID",
                                "LINES",    "OLDPWD",     "PWD",
                                "SHLVL",    "STY",        "TERM_SESSION_ID",
                                "TMUX",     "TMUX_PANE",  "WINDOW",
                                "WINDOWID", "WT_SESSION", "KITTY_WINDOW_ID",
                                "VT_ACTION"};
  return *names;
}

// What Node, libuv, ICU and OpenSSL ask for themselves, where config_env.cjs
// does not see it: os.homedir(), os.tmpdir(), the time zone, the locale.
bool IsReadBelowJavaScript(const std::string& name) {
  static const auto* const names = new std::set<std::string>{
      "HOME", "LANG", "LANGUAGE", "TEMP", "TMP", "TMPDIR", "TZ", "TZDIR"};
  for (const char* prefix : {"ICU_", "LC_", "NODE_", "SSL_CERT_"}) {
    if (absl::StartsWith(name, prefix)) {
      return true;
    }
  }
  return names->contains(name);
}

// The shell moves the descriptors: results get a channel of their own, and what
// configurations print goes to stderr. Node closes 3 for its children.
constexpr char kShell[] = "/bin/sh";
constexpr char kScript[] = "exec \"$@\" 3>&1 1>&2";

// The variable that stands for all names there are. Asking for it is how the
// loader says that somebody has listed the environment.
constexpr char kNamesVariable[] = "VT_ENV_NAMES";

std::string FindNode(const base::EnvMap& env) {
  const auto path = env.find("PATH");
  if (path == env.end()) {
    return "";
  }
  for (const absl::string_view entry : absl::StrSplit(path->second, ':')) {
    std::string node = base::JoinPath(entry, "node");
    if (entry.empty() || entry.front() != '/') {
      continue;
    }
    base::NoteConsulted(node, /*follows=*/true);
    if (::access(node.c_str(), X_OK) == 0) {
      return node;
    }
  }
  return "";
}

void Declare(const base::EnvMap& env, const std::string& name,
             vtask::storage::v1::WeakDescription* out) {
  const auto found = env.find(name);
  vtask::storage::v1::EnvValue* value = out->add_env();
  value->set_name(name);
  value->set_present(found != env.end());
  if (found != env.end()) {
    value->set_value_digest(
        std::string(fingerprint::Sha256(found->second).AsBytes()));
  }
}

// Positions in the loader's answer mean nothing to anybody.
void ForgetPositions(Json* json) {
  json->line = json->column = 0;
  for (Json& item : json->items) {
    ForgetPositions(&item);
  }
  for (base::JsonMember& member : json->members) {
    member.line = member.column = 0;
    ForgetPositions(&member.value);
  }
}

std::string TextOf(const Json& json, absl::string_view key) {
  const Json* value = json.Find(key);
  return value != nullptr && value->is_string() ? value->text : "";
}

}  // namespace

absl::StatusOr<plan::Step> MakeConfigStep(const ConfigStepInput& input) {
  base::EnvMap env;
  for (const auto& [name, value] : input.env) {
    if (!SessionNames().contains(name)) {
      env[name] = value;
    }
  }
  const std::string node = FindNode(env);
  if (node.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(input.scripts.front(),
                     ": it must be evaluated, but there is no `node` on PATH; "
                     "install Node.js, or move the value of `run` to "
                     "vite-task.json"));
  }
  const std::string watcher =
      base::JoinPath(base::Dirname(input.loader), "config_env.cjs");
  VT_ASSIGN_OR_RETURN(std::string loader, base::ReadFile(input.loader));
  VT_ASSIGN_OR_RETURN(const std::string preloaded, base::ReadFile(watcher));
  absl::StrAppend(&loader, preloaded);
  plan::Step step;
  step.kind = plan::Step::Kind::kProcess;
  step.program = kShell;
  step.argv = {kShell, "-c",        kScript, kShell,
               node,   "--require", watcher, input.loader};
  step.cwd = input.root;
  step.display_command = "vite.config";
  step.cached = true;
  step.watches_env = true;
  step.position = std::string("\0config", 7);

  vtask::storage::v1::WeakDescription& description = step.description;
  description.set_program("vite.config");
  description.add_args(node);
  description.add_args(std::string(fingerprint::Sha256(loader).AsBytes()));
  for (const std::string& script : input.scripts) {
    const std::string path =
        base::RelativeTo(script, input.root).value_or(script);
    step.argv.push_back(path);
    description.add_args(path);
  }
  for (const auto& [name, value] : env) {
    if (IsReadBelowJavaScript(name)) {
      Declare(env, name, &description);
    }
  }
  description.mutable_input()->set_automatic(true);
  description.mutable_output()->set_automatic(false);
  description.set_platform("linux-x86_64");
  description.set_track(true);
  description.set_honor_opt_out(true);
  description.set_toolchain_executed(input.settings.toolchain_executed);
  description.set_strict_tracking(input.settings.strict_tracking);

  env["VP_RUN"] = "1";
  step.env = plan::SharedEnv(std::make_shared<const base::EnvMap>(env), {});
  std::string names;
  for (const auto& [name, value] : env) {
    absl::StrAppend(&names, name, "\n");
  }
  env[kNamesVariable] = std::move(names);
  step.tool_env =
      plan::SharedEnv(std::make_shared<const base::EnvMap>(std::move(env)), {});
  plan::SetDigests(&step);
  return step;
}

absl::StatusOr<workspace::EvaluatedConfigs> ReadLoaderAnswer(
    const ConfigStepInput& input, absl::string_view answer,
    const ConfigProcessEnd& end) {
  workspace::EvaluatedConfigs configs;
  std::string current = input.scripts.front();
  bool done = false;
  for (const absl::string_view line :
       absl::StrSplit(answer, '\n', absl::SkipEmpty())) {
    absl::StatusOr<Json> json =
        base::ParseJson(line, base::JsonDialect::kStrict, current);
    if (!json.ok()) {
      break;  // cut off: the process has been ended
    }
    if (json->Find("begin") != nullptr) {
      current = base::JoinPath(input.root, TextOf(*json, "begin"));
    } else if (json->Find("error") != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(current, ": ", TextOf(*json, "error")));
    } else if (json->Find("end") != nullptr) {
      std::optional<Json> run;
      if (const Json* value = json->Find("run"); value != nullptr) {
        run = *value;
        ForgetPositions(&*run);
      }
      configs[current] = std::move(run);
    } else if (json->Find("done") != nullptr) {
      done = true;
    }
  }
  const auto failed = [&current](auto&&... what) {
    return absl::InvalidArgumentError(absl::StrCat(current, ": ", what...));
  };
  if (end.timed_out) {
    return failed("its evaluation did not end within ",
                  absl::FormatDuration(end.deadline), " and was stopped");
  }
  if (!end.error.empty()) {
    return failed("it cannot be evaluated: ", end.error);
  }
  if (!done || (end.failed && end.exit_code != kConfigNotReusable)) {
    // https://nodejs.org/api/process.html#exit-codes
    constexpr int kUnsettledTopLevelAwait = 13;
    return failed("its evaluation ended the process with exit code ",
                  end.exit_code,
                  end.exit_code == kUnsettledTopLevelAwait
                      ? ": it awaits what never happens"
                      : "");
  }
  return configs;
}

}  // namespace vt::run
