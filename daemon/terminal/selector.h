// SPDX-License-Identifier: Apache-2.0
//
// Selector: the list of tasks that `vt run` shows in a terminal, narrowed by
// typing (spec/runner.md R-TUI). It gets keys and gives bytes to draw; it knows
// neither who sends them nor what a task is.
//
// It draws where the cursor is, and leaves the cursor in the first column of
// its first line: so taking it away is one sequence that is right wherever the
// lines went, also when the window has been resized or the shell has written
// below it meanwhile.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "daemon/terminal/keys.h"

namespace vt::terminal {

struct Choice {
  std::string name;     // as drawn
  std::string label;    // what typing is compared with
  std::string full;     // as `label`, for a query with a `#`
  std::string detail;   // dim, behind the name
  std::string heading;  // of its group; "": none. Groups stand together
};

struct ScreenSize {
  int columns = 80;
  int rows = 24;
};

// Thread-compatible.
class Selector {
 public:
  enum class State {
    kOpen,
    kChosen,     // `chosen()`
    kCancelled,  // Ctrl-C as a key, or Ctrl-D with nothing typed
  };

  // `notice` is a line above all, may be empty.
  Selector(std::vector<Choice> choices, std::string notice, std::string query);

  State Handle(const Key& key);
  // Index into the choices; valid when kChosen.
  int chosen() const { return chosen_; }

  // Without colour nothing but cursor movement and erasing is sent.
  std::string Draw(ScreenSize screen, bool colour);
  // Takes it away, from where Draw left the cursor.
  static std::string Erase();

 private:
  // A line of the list.
  struct Row {
    int choice = -1;  // -1: a heading
    std::string heading;
  };

  void Filter();
  void Move(int by);
  // The column behind the name.
  int NameEnd(const Row& row) const;
  std::string RowText(const Row& row, int width, int name_end, bool selected,
                      bool colour) const;
  // How many lines the list may take, and whether there is room for the rest.
  struct Layout {
    int list = 0;
    bool notice = false;
    bool gap = false;
  };
  Layout Arrange(int rows) const;
  // Scrolls so that what is selected is seen.
  void Scroll(int height);

  const std::vector<Choice> choices_;
  const std::string notice_;
  std::string query_;
  std::vector<Row> rows_;
  std::vector<int> shown_;  // rows with choices, in order
  int selected_ = 0;        // index into shown_
  int top_ = 0;             // first row seen
  int page_ = 1;            // rows seen at the last Draw
  int chosen_ = -1;
};

}  // namespace vt::terminal
