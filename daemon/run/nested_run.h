// SPDX-License-Identifier: Apache-2.0
//
// NestedRun: a run that was started from inside of an action, as that action
// hears of it (nest.h). It exists from the request until the answer.

#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "daemon/run/engine.h"
#include "daemon/run/plan_inputs.h"

namespace vt::run {

// Loop-bound.
class NestedRun {
 public:
  // Null: process `caller` belongs to no action. `marker` as of FindEnclosing;
  // `words` is the command line, for people.
  static std::unique_ptr<NestedRun> Enter(Engine* engine, pid_t caller,
                                          const std::string& marker,
                                          std::string words);
  NestedRun(const NestedRun&) = delete;
  NestedRun& operator=(const NestedRun&) = delete;
  // The answer is complete. If the run was never planned, nobody knows what it
  // depended on.
  ~NestedRun();

  // What runs around it; a copy, which holds what is true now.
  const RunningAction& enclosing() const { return enclosing_; }

  // Whether standard output of `process` is what the daemon hears the action
  // around it by: not a terminal, a file, or a pipe of the task's own. Looks at
  // /proc.
  bool SharesOutput(pid_t process) const;

  // It was planned; from here on its actions tell for themselves.
  void Planned(const std::string& root, PlanInputs inputs);

 private:
  NestedRun(Engine* engine, RunningAction enclosing, std::string words)
      : engine_(engine),
        enclosing_(std::move(enclosing)),
        words_(std::move(words)) {}

  Engine* const engine_;
  const RunningAction enclosing_;
  const std::string words_;
  bool planned_ = false;
};

}  // namespace vt::run
