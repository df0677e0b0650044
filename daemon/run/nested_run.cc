// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/nested_run.h"

#include <sys/stat.h>

#include <iterator>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace vt::run {

std::unique_ptr<NestedRun> NestedRun::Enter(Engine* engine, pid_t caller,
                                            const std::string& marker,
                                            std::string words) {
  const RunningAction* enclosing =
      caller > 0 ? FindEnclosing(engine, caller, marker) : nullptr;
  if (enclosing == nullptr) {
    return nullptr;
  }
  if (Nest* nest = FindNest(engine, enclosing->collector)) {
    ++nest->open_runs;
    nest->callers.push_back(caller);
  }
  return absl::WrapUnique(new NestedRun(engine, *enclosing, std::move(words)));
}

NestedRun::~NestedRun() {
  if (Nest* nest = FindNest(engine_, enclosing_.collector)) {
    --nest->open_runs;
    if (!planned_) {
      nest->Spoil(words_, "it ran no tasks");
    }
  }
}

bool NestedRun::SharesOutput(pid_t process) const {
  struct stat facts = {};
  return ::stat(absl::StrCat("/proc/", process, "/fd/1").c_str(), &facts) ==
             0 &&
         S_ISFIFO(facts.st_mode) &&
         absl::c_linear_search(enclosing_.output_pipes, facts.st_ino);
}

void NestedRun::Planned(const std::string& root, PlanInputs inputs) {
  planned_ = true;
  Nest* nest = FindNest(engine_, enclosing_.collector);
  if (nest == nullptr) {
    return;
  }
  if (root != nest->root) {
    nest->Spoil(words_, absl::StrCat("it ran in another workspace, ", root));
  } else if (!inputs.unknown.empty()) {
    nest->Spoil(words_, inputs.unknown);
  }
  nest->planned.insert(nest->planned.end(),
                       std::make_move_iterator(inputs.seen.begin()),
                       std::make_move_iterator(inputs.seen.end()));
}

}  // namespace vt::run
