// SPDX-License-Identifier: Apache-2.0
//
// Screen: a terminal of the simplest kind, to see what escape sequences draw.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "daemon/base/utf8.h"
#include "daemon/terminal/cell_width.h"

namespace vt::terminal {

// Thread-compatible.
class Screen {
 public:
  Screen(int columns, int rows)
      : columns_(columns),
        lines_(static_cast<size_t>(rows)) {}

  void Write(absl::string_view bytes) {
    while (!bytes.empty()) {
      const char32_t c = TakeCharacter(&bytes);
      if (c == 0x1b) {
        Sequence(&bytes);
      } else if (c == '\r') {
        x_ = 0;
      } else if (c == '\n') {
        NewLine();
      } else {
        Put(c);
      }
    }
  }

  // Without blanks at the ends, and without empty lines at the end.
  std::vector<std::string> Lines() const {
    std::vector<std::string> out;
    for (const std::vector<std::string>& cells : lines_) {
      std::string line;
      for (const std::string& cell : cells) {
        line += cell.empty() ? " " : cell == "wide" ? "" : cell;
      }
      line.resize(line.find_last_not_of(' ') + 1);
      out.push_back(line);
    }
    while (!out.empty() && out.back().empty()) {
      out.pop_back();
    }
    return out;
  }
  int x() const { return x_; }
  int y() const { return y_; }
  bool cursor_hidden() const { return cursor_hidden_; }
  // Whether something was written at the very end of a line, where terminals
  // differ.
  bool touched_edge() const { return touched_edge_; }

 private:
  void Put(char32_t c) {
    const int width = CellWidth(c);
    std::vector<std::string>& line = lines_[static_cast<size_t>(y_)];
    line.resize(static_cast<size_t>(columns_) + 2);
    std::string text;
    base::AppendUtf8(static_cast<uint32_t>(c), &text);
    line[static_cast<size_t>(x_)] = text;
    if (width == 2) {
      line[static_cast<size_t>(x_) + 1] = "wide";
    }
    x_ += width;
    touched_edge_ = touched_edge_ || x_ >= columns_;
  }
  void NewLine() {
    if (++y_ == static_cast<int>(lines_.size())) {
      lines_.erase(lines_.begin());
      lines_.emplace_back();
      --y_;
    }
  }
  void Sequence(absl::string_view* bytes) {
    std::string parameters;
    char last = 0;
    bytes->remove_prefix(1);  // [
    while (!bytes->empty()) {
      last = bytes->front();
      bytes->remove_prefix(1);
      if (last >= 0x40) {
        break;
      }
      parameters.push_back(last);
    }
    std::vector<std::string>& line = lines_[static_cast<size_t>(y_)];
    if (last == 'K' || last == 'J') {
      line.resize(std::min(line.size(), static_cast<size_t>(x_)));
    }
    if (last == 'J') {
      for (size_t i = static_cast<size_t>(y_) + 1; i < lines_.size(); ++i) {
        lines_[i].clear();
      }
    } else if (last == 'A') {
      y_ = std::max(0, y_ - std::stoi(parameters));
    } else if (parameters == "?25") {
      cursor_hidden_ = last == 'l';
    }
  }

  const int columns_;
  std::vector<std::vector<std::string>> lines_;  // cells
  int x_ = 0;
  int y_ = 0;
  bool cursor_hidden_ = false;
  bool touched_edge_ = false;
};

}  // namespace vt::terminal
