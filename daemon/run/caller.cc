// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/caller.h"

#include "daemon/base/path.h"

namespace vt::run {

std::vector<std::string> Strings(
    const google::protobuf::RepeatedPtrField<std::string>& bytes) {
  return {bytes.begin(), bytes.end()};
}

plan::CallerFacts FactsOf(const vtask::v1::Caller& caller) {
  return {caller.cwd(), base::ParseEnv(Strings(caller.env()))};
}

CallerContext ContextOf(const vtask::v1::RunStart& start) {
  CallerContext context;
  context.umask = start.caller().umask();
  context.nice = start.caller().nice();
  for (const vtask::v1::Caller::ResourceLimit& limit :
       start.caller().limits()) {
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
  options.colour_stderr = wants(start.terminal().stderr_is_tty());
  return options;
}

int ExitCodeOf(const absl::Status& status) {
  return status.ok() ? 0 : absl::IsInvalidArgument(status) ? 2 : 1;
}

}  // namespace vt::run
