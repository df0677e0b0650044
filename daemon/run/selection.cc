// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/selection.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "daemon/base/fuzzy.h"
#include "daemon/base/suggest.h"

namespace vt::run {
namespace {

// The rest of a sequence is behind its escape byte by one packet at most: a
// guess, that of most editors.
constexpr absl::Duration kEscapePatience = absl::Milliseconds(50);

terminal::ScreenSize SizeOf(const vtask::v1::Terminal& terminal) {
  return {static_cast<int>(terminal.columns()),
          static_cast<int>(terminal.rows())};
}

std::vector<terminal::Choice> ChoicesOf(
    const workspace::Workspace& workspace, const std::string& cwd,
    const std::vector<plan::ListedTask>& tasks) {
  const int current = workspace.PackageOf(cwd);
  std::vector<terminal::Choice> choices;
  for (const plan::ListedTask& task : tasks) {
    const workspace::Package& package =
        workspace.packages[static_cast<size_t>(task.package)];
    terminal::Choice choice;
    choice.name = task.name;
    choice.label = task.label;
    choice.full = workspace.Label(task.package, task.name);
    choice.detail = task.command;
    if (task.package != current) {
      const std::string place =
          package.path.empty() ? "workspace root" : package.path;
      choice.heading = package.name.empty()
                           ? place
                           : absl::StrCat(package.name, " (", place, ")");
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

// What to begin with: `typed` if anything is like it, else the name that it may
// be a slip of, else nothing: an empty list would help nobody.
std::string QueryFor(const std::string& typed,
                     const std::vector<plan::ListedTask>& tasks) {
  std::vector<std::string> labels;
  for (const plan::ListedTask& task : tasks) {
    if (base::SubsequenceSpan(typed, task.label).has_value()) {
      return typed;
    }
    labels.push_back(task.label);
  }
  return base::Nearest(typed, labels);
}

}  // namespace

bool CanSelect(const vtask::v1::RunStart& start, const std::string& term) {
  return start.can_interact() && !start.events_only() &&
         start.terminal().stdin_is_tty() && start.terminal().stdout_is_tty() &&
         term != "dumb";
}

Selection::Selection(loop::EventLoop* loop,
                     const workspace::Workspace& workspace,
                     const std::string& cwd, Options options, Hooks hooks)
    : loop_(loop),
      tasks_(plan::ListTasks(workspace, cwd)),
      colour_(options.colour),
      hooks_(std::move(hooks)),
      screen_(SizeOf(options.terminal)),
      selector_(ChoicesOf(workspace, cwd, tasks_), std::move(options.notice),
                QueryFor(options.query, tasks_)) {
  SetKeyboard(true);
  Draw();
}

void Selection::Keys(absl::string_view bytes) {
  if (done_) {
    return;
  }
  escape_timer_ = nullptr;
  Handle(keys_.Read(bytes));
  if (!done_ && keys_.is_waiting()) {
    escape_timer_ = std::make_unique<loop::Timer>(
        loop_, kEscapePatience, [this] { Handle(keys_.GiveUp()); });
  }
}

void Selection::Handle(const std::vector<terminal::Key>& keys) {
  for (const terminal::Key& key : keys) {
    switch (selector_.Handle(key)) {
      case terminal::Selector::State::kOpen:
        break;
      case terminal::Selector::State::kChosen:
        Finish(tasks_[static_cast<size_t>(selector_.chosen())]);
        return;
      case terminal::Selector::State::kCancelled:
        Finish(std::nullopt);
        return;
    }
  }
  if (!keys.empty()) {
    Draw();
  }
  // After a key that may be the last, the caller waits for a word.
  if (absl::c_any_of(keys, [](const terminal::Key& key) {
        return key.kind == terminal::Key::Kind::kEnter ||
               key.kind == terminal::Key::Kind::kEndOfInput;
      })) {
    SetKeyboard(true);
  }
}

void Selection::Resized(const vtask::v1::Terminal& terminal) {
  screen_ = SizeOf(terminal);
  if (!done_) {
    Draw();
  }
}

void Selection::Cancel() {
  if (!done_) {
    Finish(std::nullopt);
  }
}

void Selection::Draw() { Write(selector_.Draw(screen_, colour_)); }

void Selection::Write(std::string bytes) {
  vtask::v1::RunResponse response;
  response.set_stdout(std::move(bytes));
  hooks_.send(std::move(response));
}

void Selection::SetKeyboard(bool on) {
  vtask::v1::RunResponse response;
  response.mutable_keyboard()->set_on(on);
  response.mutable_keyboard()->set_farewell(terminal::Selector::Erase());
  hooks_.send(std::move(response));
}

void Selection::Finish(std::optional<plan::ListedTask> choice) {
  done_ = true;
  escape_timer_ = nullptr;
  Write(terminal::Selector::Erase());
  SetKeyboard(false);
  // Posted: we are on the stack, and may be destroyed by it.
  loop_->Post([on_done = hooks_.on_done, choice = std::move(choice)]() mutable {
    on_done(std::move(choice));
  });
}

}  // namespace vt::run
