// SPDX-License-Identifier: Apache-2.0

#include "daemon/terminal/selector.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/fuzzy.h"
#include "daemon/terminal/cell_width.h"

namespace vt::terminal {
namespace {

constexpr int kMaxRows = 12;
constexpr int kMaxNameEnd = 44;
constexpr char kTitle[] = "Select a task (↑/↓, Enter to run, type to search):";
constexpr char kShortTitle[] = "Task:";

constexpr char kHideCursor[] = "\x1b[?25l";
constexpr char kShowCursor[] = "\x1b[?25h";
constexpr char kClearLine[] = "\x1b[K";   // from the cursor on
constexpr char kClearBelow[] = "\x1b[J";  // from the cursor on

constexpr char kMarked[] = "1;94";
constexpr char kDim[] = "2";
constexpr char kGrey[] = "90";

std::string Styled(absl::string_view text, absl::string_view code,
                   bool colour) {
  return colour && !text.empty() && !code.empty()
             ? absl::StrCat("\x1b[", code, "m", text, "\x1b[0m")
             : std::string(text);
}

// Without its last character.
void Shorten(std::string* text) {
  while (!text->empty()) {
    const bool continuation =
        (static_cast<unsigned char>(text->back()) & 0xC0) == 0x80;
    text->pop_back();
    if (!continuation) {
      return;
    }
  }
}

// How well a choice matches; the least is the best.
using Rank = std::tuple<bool, size_t>;  // not the very name, span

std::optional<Rank> RankOf(const Choice& choice, const std::string& query) {
  const std::string& label =
      absl::StrContains(query, '#') ? choice.full : choice.label;
  const std::optional<size_t> span = base::SubsequenceSpan(query, label);
  if (!span.has_value()) {
    return std::nullopt;
  }
  return Rank{label != query && choice.name != query, *span};
}

}  // namespace

Selector::Selector(std::vector<Choice> choices, std::string notice,
                   std::string query)
    : choices_(std::move(choices)),
      notice_(std::move(notice)),
      query_(std::move(query)) {
  Filter();
}

// Groups stay together, the one without heading first (the current package);
// groups and what is in them are ordered by how well they match.
void Selector::Filter() {
  struct Match {
    Rank rank;
    int choice;
  };
  struct Group {
    Rank best;
    std::string heading;
    std::vector<Match> matches;
  };
  std::vector<Group> groups;
  std::map<std::string, size_t> by_heading;
  for (size_t i = 0; i < choices_.size(); ++i) {
    const std::optional<Rank> rank = RankOf(choices_[i], query_);
    if (!rank.has_value()) {
      continue;
    }
    const std::string& heading = choices_[i].heading;
    const auto [at, is_new] = by_heading.emplace(heading, groups.size());
    if (is_new) {
      groups.push_back({*rank, heading, {}});
    }
    Group& group = groups[at->second];
    group.best = std::min(group.best, *rank);
    group.matches.push_back({*rank, static_cast<int>(i)});
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) {
                     return std::make_tuple(!a.heading.empty(), a.best) <
                            std::make_tuple(!b.heading.empty(), b.best);
                   });
  rows_.clear();
  shown_.clear();
  for (Group& group : groups) {
    std::stable_sort(
        group.matches.begin(), group.matches.end(),
        [](const Match& a, const Match& b) { return a.rank < b.rank; });
    if (!group.heading.empty()) {
      rows_.push_back({-1, group.heading});
    }
    for (const Match& match : group.matches) {
      shown_.push_back(static_cast<int>(rows_.size()));
      rows_.push_back({match.choice, ""});
    }
  }
  selected_ = 0;
  top_ = 0;
}

void Selector::Move(int by) {
  const int last = static_cast<int>(shown_.size()) - 1;
  selected_ = std::max(0, std::min(last, selected_ + by));
}

Selector::State Selector::Handle(const Key& key) {
  switch (key.kind) {
    case Key::Kind::kText:
      query_ += key.text;
      Filter();
      break;
    case Key::Kind::kBackspace:
      Shorten(&query_);
      Filter();
      break;
    case Key::Kind::kDeleteWord:
      while (!query_.empty() && query_.back() == ' ') {
        query_.pop_back();
      }
      while (!query_.empty() && query_.back() != ' ') {
        query_.pop_back();
      }
      Filter();
      break;
    case Key::Kind::kEscape:
    case Key::Kind::kClear:
      query_.clear();
      Filter();
      break;
    case Key::Kind::kUp:
      Move(-1);
      break;
    case Key::Kind::kDown:
      Move(1);
      break;
    case Key::Kind::kPageUp:
      Move(-page_);
      break;
    case Key::Kind::kPageDown:
      Move(page_);
      break;
    case Key::Kind::kHome:
      Move(-static_cast<int>(shown_.size()));
      break;
    case Key::Kind::kEnd:
      Move(static_cast<int>(shown_.size()));
      break;
    case Key::Kind::kEnter:
      if (!shown_.empty()) {
        const int row = shown_[static_cast<size_t>(selected_)];
        chosen_ = rows_[static_cast<size_t>(row)].choice;
        return State::kChosen;
      }
      break;
    case Key::Kind::kInterrupt:
      return State::kCancelled;
    case Key::Kind::kEndOfInput:
      if (query_.empty()) {
        return State::kCancelled;
      }
      break;
  }
  return State::kOpen;
}

Selector::Layout Selector::Arrange(int rows) const {
  // The title, one row, and the count of what is hidden come first; the last
  // line of the screen is left alone, for a terminal may scroll there.
  Layout layout;
  int left = rows - 1 - 2;
  layout.gap = left >= 4;
  left -= layout.gap ? 1 : 0;
  layout.notice = !notice_.empty() && left >= 3;
  left -= layout.notice ? 1 : 0;
  layout.list = std::max(1, std::min(kMaxRows, left));
  return layout;
}

void Selector::Scroll(int height) {
  page_ = height;
  if (shown_.empty()) {
    top_ = 0;
    return;
  }
  const int row = shown_[static_cast<size_t>(selected_)];
  // With the heading above it, if there is room.
  const bool has_heading =
      row > 0 && height > 1 && rows_[static_cast<size_t>(row) - 1].choice < 0;
  top_ = std::min(top_, has_heading ? row - 1 : row);
  top_ = std::max(top_, row - height + 1);
  // No empty lines at the end while something is hidden above.
  top_ = std::max(0, std::min(top_, static_cast<int>(rows_.size()) - height));
}

int Selector::NameEnd(const Row& row) const {
  if (row.choice < 0) {
    return 0;
  }
  const Choice& choice = choices_[static_cast<size_t>(row.choice)];
  return (choice.heading.empty() ? 4 : 6) + TextWidth(choice.name);
}

std::string Selector::RowText(const Row& row, int width, int name_end,
                              bool selected, bool colour) const {
  if (row.choice < 0) {
    return Styled(Clip(absl::StrCat("    ", row.heading), width), kDim, colour);
  }
  const Choice& choice = choices_[static_cast<size_t>(row.choice)];
  std::string indent = absl::StrCat(selected ? "  › " : "    ",
                                    choice.heading.empty() ? "" : "  ");
  if (width < TextWidth(indent) + 4) {
    indent = selected ? "›" : " ";
  }
  const std::string name = Clip(choice.name, width - TextWidth(indent));
  const int used = TextWidth(indent) + TextWidth(name);
  const int column = std::max(used, name_end) + 1;
  std::string detail;
  if (column < width) {
    detail = absl::StrCat(
        std::string(static_cast<size_t>(column - used), ' '),
        Styled(Clip(choice.detail, width - column), kGrey, colour));
  }
  return absl::StrCat(indent, Styled(name, selected ? kMarked : "", colour),
                      detail);
}

std::string Selector::Draw(ScreenSize screen, bool colour) {
  // A terminal that does not know its size says 0.
  const int columns = screen.columns > 0 ? screen.columns : 80;
  const int width = std::max(1, columns - 1);
  const Layout layout = Arrange(screen.rows > 0 ? screen.rows : 24);
  const int height = std::min(layout.list, static_cast<int>(rows_.size()));
  Scroll(std::max(1, height));

  std::vector<std::string> lines;
  if (layout.notice) {
    lines.push_back(Clip(notice_, width));
  }
  const int title = TextWidth(kTitle);
  const bool fits = title + 1 + std::max(8, TextWidth(query_)) <= width;
  const std::string head = Clip(fits ? kTitle : kShortTitle, width);
  const int room = width - TextWidth(head) - 1;
  lines.push_back(room > 0 ? absl::StrCat(head, " ", ClipFront(query_, room))
                           : head);
  if (layout.gap) {
    lines.emplace_back();
  }
  int name_end = 0;
  for (int i = top_; i < top_ + height; ++i) {
    name_end = std::max(name_end, NameEnd(rows_[static_cast<size_t>(i)]));
  }
  // One very long name must not push all commands out of the window.
  name_end = std::min(name_end, std::max(kMaxNameEnd, width / 2));
  for (int i = top_; i < top_ + height; ++i) {
    const bool selected =
        !shown_.empty() && shown_[static_cast<size_t>(selected_)] == i;
    lines.push_back(RowText(rows_[static_cast<size_t>(i)], width, name_end,
                            selected, colour));
  }
  if (rows_.empty()) {
    lines.push_back(Styled(Clip("    no task matches", width), kDim, colour));
  }
  if (const size_t hidden = rows_.size() - static_cast<size_t>(height);
      hidden > 0) {
    lines.push_back(Styled(Clip(absl::StrCat("  (…", hidden, " more)"), width),
                           kDim, colour));
  }
  std::string out = absl::StrCat(kHideCursor, "\r");
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::StrAppend(&out, i == 0 ? "" : "\r\n", lines[i], kClearLine);
  }
  absl::StrAppend(&out, kClearBelow);
  if (lines.size() > 1) {
    absl::StrAppend(&out, "\x1b[", lines.size() - 1, "A");
  }
  absl::StrAppend(&out, "\r");
  return out;
}

std::string Selector::Erase() {
  return absl::StrCat("\r", kClearBelow, kShowCursor);
}

}  // namespace vt::terminal
