// SPDX-License-Identifier: Apache-2.0
//
// ConfigLoad: from a caller's directory to the snapshot of its workspace. Reads
// the files on the worker pool, and has the vite.config files among them
// evaluated by one Action: looked up, tracked and stored like any other
// (decisions H12).

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/run/action.h"
#include "daemon/run/engine.h"
#include "daemon/workspace/workspace.h"

namespace vt::run {

struct LoadedWorkspace {
  std::shared_ptr<const workspace::Workspace> workspace;
  settings::Settings settings;
  // Why the evaluation will be done again next time, for -vv; "" if it was
  // stored, or nothing had to be evaluated.
  std::string not_stored;
  // While that holds it would be loaded so again.
  Basis rests_on;
};

// Loop-bound.
class ConfigLoad {
 public:
  struct Hooks {
    // What the configurations print, when they are really evaluated.
    std::function<void(absl::string_view)> on_output;
    // Once, never from inside Start; may destroy the ConfigLoad. CANCELLED
    // after Cancel; other errors as SettingsFile::Refresh, workspace::Scan and
    // Assemble.
    std::function<void(absl::StatusOr<LoadedWorkspace>)> on_done;
  };

  // `context` needs no root yet.
  static std::unique_ptr<ConfigLoad> Start(Engine* engine,
                                           const plan::CallerFacts& caller,
                                           const CallerContext& context,
                                           Hooks hooks);
  virtual ~ConfigLoad() = default;

  // Ends the evaluation (Action::Cancel). on_done follows.
  virtual void Cancel(int signal) = 0;
};

}  // namespace vt::run
