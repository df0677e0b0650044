// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/caller.h"

#include <utility>

#include "daemon/base/path.h"
#include "daemon/track/preload_env.h"

namespace vt::run {

std::vector<std::string> Strings(
    const google::protobuf::RepeatedPtrField<std::string>& bytes) {
  return {bytes.begin(), bytes.end()};
}

plan::CallerFacts FactsOf(const vtask::v1::Caller& caller) {
  base::EnvMap env = base::ParseEnv(Strings(caller.env()));
  // A nested run inherits what we gave to the task around it.
  if (const auto preload = env.find("LD_PRELOAD"); preload != env.end()) {
    preload->second = track::WithoutPreload(preload->second);
    if (preload->second.empty()) {
      env.erase(preload);
    }
  }
  return {caller.cwd(), std::move(env), {}, {}, caller.umask()};
}

CallerContext ContextOf(const vtask::v1::Caller& caller) {
  CallerContext context;
  for (const std::string& entry : caller.env()) {
    context.verify_by_stat =
        context.verify_by_stat || entry == "VT_VERIFY=stat";
  }
  context.umask = caller.umask();
  context.nice = caller.nice();
  for (const vtask::v1::Caller::ResourceLimit& limit : caller.limits()) {
    context.limits.emplace_back(static_cast<int>(limit.resource()),
                                rlimit{limit.soft(), limit.hard()});
  }
  return context;
}

report::RenderOptions RenderOptionsOf(const vtask::v1::RunStart& start,
                                      const base::EnvMap& env) {
  const auto find = [&](const char* name) -> const std::string* {
    const auto found = env.find(name);
    return found == env.end() ? nullptr : &found->second;
  };
  const auto wants = [&](bool is_terminal) {
    return report::WantsColour(find("FORCE_COLOR"), find("NO_COLOR"),
                               find("TERM"), is_terminal);
  };
  report::RenderOptions options;
  options.colour_stdout = wants(start.terminal().stdout_is_tty());
  const std::string* github = find("GITHUB_ACTIONS");
  options.github = github != nullptr && *github == "true";
  options.colour_stderr = wants(start.terminal().stderr_is_tty());
  return options;
}

int ExitCodeOf(const absl::Status& status) {
  return status.ok() ? 0 : absl::IsInvalidArgument(status) ? 2 : 1;
}

}  // namespace vt::run
