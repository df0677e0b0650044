// SPDX-License-Identifier: Apache-2.0
//
// Selection: the dialogue in which the user of a terminal chooses a task
// (spec/runner.md R-TUI): drawn here, with the keys that the caller sends.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "daemon/loop/event_loop.h"
#include "daemon/loop/fd_watch.h"
#include "daemon/plan/plan.h"
#include "daemon/terminal/keys.h"
#include "daemon/terminal/selector.h"
#include "daemon/workspace/workspace.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

// Whether a dialogue is possible: a terminal on both sides, one that can move
// its cursor, and a caller that hands over its keys. `term` is $TERM.
bool CanSelect(const vtask::v1::RunStart& start, const std::string& term);

// Loop-bound.
class Selection {
 public:
  struct Options {
    vtask::v1::Terminal terminal;
    bool colour = false;
    std::string notice;  // a line above the list, may be empty
    std::string query;   // what was typed; may be a slip
  };
  struct Hooks {
    std::function<void(vtask::v1::RunResponse)> send;
    // Once, posted; everything drawn has been taken away then. nullopt: nothing
    // was chosen.
    std::function<void(std::optional<plan::ListedTask>)> on_done;
  };

  // Draws at once. The list is that of `vt run` in `cwd`.
  Selection(loop::EventLoop* loop, const workspace::Workspace& workspace,
            const std::string& cwd, Options options, Hooks hooks);

  void Keys(absl::string_view bytes);
  void Resized(const vtask::v1::Terminal& terminal);
  // Ends it without a choice.
  void Cancel();

 private:
  void Handle(const std::vector<terminal::Key>& keys);
  void Draw();
  void Write(std::string bytes);
  void SetKeyboard(bool on);
  void Finish(std::optional<plan::ListedTask> choice);

  loop::EventLoop* const loop_;
  const std::vector<plan::ListedTask> tasks_;
  const bool colour_;
  const Hooks hooks_;
  terminal::ScreenSize screen_;
  terminal::Selector selector_;
  terminal::KeyReader keys_;
  // Tells the Escape key from the begin of a sequence.
  std::unique_ptr<loop::Timer> escape_timer_;
  bool done_ = false;
};

}  // namespace vt::run
