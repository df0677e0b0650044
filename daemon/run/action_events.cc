// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/action_events.h"

#include <utility>

namespace vt::run {

using vtask::v1::ActionOutput;
using vtask::v1::ActionStarted;
using vtask::v1::RunEvent;

RunEvent StartedEvent(const vtask::v1::ActionRef& ref,
                      vtask::v1::CacheStatus cache, bool waited,
                      const Found* found) {
  RunEvent event;
  ActionStarted* started = event.mutable_action_started();
  *started->mutable_action() = ref;
  started->set_cache(cache);
  started->set_waited(waited);
  if (found != nullptr) {
    const cache::Miss& miss = found->lookup.miss;
    started->mutable_differences()->Assign(miss.differences.begin(),
                                           miss.differences.end());
    started->set_changes_partial(miss.partial);
    started->set_forced(found->forced);
    cache::AddDetails(found->details, started);
  }
  return event;
}

RunEvent OutputEvent(uint32_t index, bool is_stderr, std::string data,
                     bool replayed) {
  RunEvent event;
  ActionOutput* output = event.mutable_action_output();
  output->set_action_index(index);
  output->set_stream(is_stderr ? ActionOutput::STDERR : ActionOutput::STDOUT);
  output->set_data(std::move(data));
  output->set_replayed(replayed);
  return event;
}

vtask::v1::RunResponse::Execute ExecuteMessage(uint32_t index,
                                               const plan::Step& step) {
  vtask::v1::RunResponse::Execute execute;
  execute.set_id(index);
  execute.set_program(step.program);
  execute.mutable_argv()->Assign(step.argv.begin(), step.argv.end());
  const std::vector<std::string> env = step.env.Entries();
  execute.mutable_env()->Assign(env.begin(), env.end());
  execute.set_cwd(step.cwd);
  return execute;
}

}  // namespace vt::run
