// SPDX-License-Identifier: Apache-2.0

#include "daemon/terminal/selector.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>

#include "tests/unit/terminal/screen.h"

namespace vt::terminal {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr ScreenSize kScreen = {80, 24};

Choice Own(const std::string& name, const std::string& command) {
  return {name, name, absl::StrCat("app#", name), command, ""};
}
Choice Other(const std::string& package, const std::string& name) {
  return {name, absl::StrCat(package, "#", name),
          absl::StrCat(package, "#", name), "tsc",
          absl::StrCat(package, " (packages/", package, ")")};
}

std::vector<Choice> SomeChoices() {
  return {Own("build", "vite build"), Own("test", "vitest"),
          Other("lib", "build"), Other("lib", "lint"), Other("web", "bundle")};
}

void Type(Selector* selector, const std::string& bytes) {
  KeyReader reader;
  for (const Key& key : reader.Read(bytes)) {
    selector->Handle(key);
  }
}

std::vector<std::string> Shown(Selector* selector, ScreenSize size = kScreen) {
  Screen screen(size.columns, size.rows);
  screen.Write(selector->Draw(size, /*colour=*/false));
  EXPECT_FALSE(screen.touched_edge());
  EXPECT_EQ(screen.x(), 0);
  return screen.Lines();
}

TEST(SelectorTest, ShowsOwnTasksFirstThenPackagesWithHeadings) {
  Selector selector(SomeChoices(), "", "");
  EXPECT_THAT(Shown(&selector),
              ElementsAre("Select a task (↑/↓, Enter to run, type to search):",
                          "", "  › build    vite build", "    test     vitest",
                          "    lib (packages/lib)", "      build  tsc",
                          "      lint   tsc", "    web (packages/web)",
                          "      bundle tsc"));
}

TEST(SelectorTest, ArrowsSkipHeadingsAndStopAtTheEnds) {
  Selector selector(SomeChoices(), "", "");
  Type(&selector, "\x1b[A\x1b[B\x1bOB");
  EXPECT_THAT(Shown(&selector), Contains("  ›   build  tsc"));
  Type(&selector, "\x1b[B\x1b[B\x1b[B\x1b[B");
  EXPECT_THAT(Shown(&selector), Contains("  ›   bundle tsc"));
}

TEST(SelectorTest, EnterChoosesWhatIsMarked) {
  Selector selector(SomeChoices(), "", "");
  Type(&selector, "\x1b[B\x1b[B");
  EXPECT_EQ(selector.Handle({Key::Kind::kEnter, ""}), Selector::State::kChosen);
  EXPECT_EQ(selector.chosen(), 2);
}

TEST(SelectorTest, TypingKeepsWhatHasTheLettersTheTightestFirst) {
  Selector selector({Own("big-unit-test", ""), Own("but", ""), Own("lint", "")},
                    "", "");
  Type(&selector, "BUT");
  const std::vector<std::string> lines = Shown(&selector);
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_THAT(lines[0], HasSubstr("search): BUT"));
  EXPECT_THAT(lines[2], HasSubstr("› but"));
  EXPECT_THAT(lines[3], HasSubstr("big-unit-test"));
}

TEST(SelectorTest, AQueryWithAHashIsComparedWithThePackageToo) {
  Selector selector(SomeChoices(), "", "app#b");
  EXPECT_THAT(Shown(&selector), Contains("  › build vite build"));
  EXPECT_THAT(Shown(&selector), Not(Contains(HasSubstr("tsc"))));
}

TEST(SelectorTest, EscapeClearsTheQueryAndDoesNotLeave) {
  Selector selector(SomeChoices(), "", "zzz");
  EXPECT_THAT(Shown(&selector), Contains("    no task matches"));
  EXPECT_EQ(selector.Handle({Key::Kind::kEnter, ""}), Selector::State::kOpen);
  EXPECT_EQ(selector.Handle({Key::Kind::kEscape, ""}), Selector::State::kOpen);
  EXPECT_THAT(Shown(&selector), Contains("  › build    vite build"));
}

TEST(SelectorTest, BackspaceTakesAWholeCharacter) {
  Selector selector(SomeChoices(), "", "büé");
  Type(&selector, "\x7f");
  EXPECT_THAT(Shown(&selector)[0], HasSubstr("search): bü"));
  Type(&selector, "\x7f\x7f\x7f");
  EXPECT_THAT(Shown(&selector), SizeIs(9));
}

TEST(SelectorTest, ControlDLeavesOnlyWithAnEmptyQuery) {
  Selector selector(SomeChoices(), "", "b");
  EXPECT_EQ(selector.Handle({Key::Kind::kEndOfInput, ""}),
            Selector::State::kOpen);
  Type(&selector, "\x15");
  EXPECT_EQ(selector.Handle({Key::Kind::kEndOfInput, ""}),
            Selector::State::kCancelled);
  EXPECT_EQ(selector.Handle({Key::Kind::kInterrupt, ""}),
            Selector::State::kCancelled);
}

TEST(SelectorTest, LongListsScrollAndCountWhatIsHidden) {
  std::vector<Choice> many;
  for (int i = 0; i < 30; ++i) {
    many.push_back(Own(absl::StrCat("task", i), ""));
  }
  Selector selector(many, "", "");
  std::vector<std::string> lines = Shown(&selector);
  ASSERT_THAT(lines, SizeIs(2 + 12 + 1));
  EXPECT_EQ(lines.back(), "  (…18 more)");
  Type(&selector, "\x1b[F");  // End
  lines = Shown(&selector);
  EXPECT_EQ(lines[13], "  › task29");
  Type(&selector, "\x1b[5~");  // Page Up
  EXPECT_THAT(Shown(&selector), Contains("  › task17"));
}

TEST(SelectorTest, FitsAnyWindow) {
  std::vector<Choice> choices = SomeChoices();
  choices.push_back(Own("プロジェクトを全部ビルド", "漢字のコマンド"));
  choices.push_back(
      Own("👩‍🚀-task-with-a-very-long-name-that-goes-on", ""));
  for (int columns = 1; columns < 100; ++columns) {
    for (const int rows : {1, 2, 3, 5, 8, 24}) {
      Selector selector(choices, "Task \"x\" not found.", "");
      Screen screen(columns, rows + 20);
      const std::string drawn = selector.Draw({columns, rows}, false);
      screen.Write(drawn);
      EXPECT_EQ(screen.y(), 0) << columns << "x" << rows;
      EXPECT_LE(screen.Lines().size(), static_cast<size_t>(std::max(rows, 3)))
          << columns << "x" << rows;
      if (columns > 1) {
        EXPECT_FALSE(screen.touched_edge()) << columns << "x" << rows;
      }
    }
  }
}

TEST(SelectorTest, ALongQueryShowsItsEnd) {
  Selector selector(SomeChoices(), "", "one-two-three-four");
  const std::vector<std::string> lines = Shown(&selector, {20, 24});
  EXPECT_EQ(lines[0], "Task: …o-three-four");
}

TEST(SelectorTest, ErasesAllOfItselfAndShowsTheCursor) {
  Screen screen(80, 24);
  screen.Write("before\r\n");
  Selector selector(SomeChoices(), "", "");
  screen.Write(selector.Draw(kScreen, /*colour=*/true));
  EXPECT_TRUE(screen.cursor_hidden());
  Type(&selector, "web");
  screen.Write(selector.Draw(kScreen, /*colour=*/true));
  EXPECT_THAT(screen.Lines(), Not(Contains(HasSubstr("vite"))));
  screen.Write(Selector::Erase());
  EXPECT_THAT(screen.Lines(), ElementsAre("before"));
  EXPECT_EQ(screen.y(), 1);
  EXPECT_FALSE(screen.cursor_hidden());
}

TEST(SelectorTest, WithoutColourThereAreNoStyles) {
  Selector selector(SomeChoices(), "", "");
  EXPECT_FALSE(absl::StrContains(selector.Draw(kScreen, false), "m\x1b") ||
               absl::StrContains(selector.Draw(kScreen, false), "\x1b[2m"));
  EXPECT_TRUE(absl::StrContains(selector.Draw(kScreen, true),
                                "\x1b[1;94mbuild\x1b[0m"));
}

TEST(SelectorTest, NamesCannotSendSequences) {
  Selector selector({Own("\x1b[31mred\x07", "a\nb")}, "", "");
  const std::string drawn = selector.Draw(kScreen, false);
  EXPECT_FALSE(absl::StrContains(drawn, "\x1b[31m"));
  EXPECT_FALSE(absl::StrContains(drawn, "\x07"));
  EXPECT_THAT(Shown(&selector), SizeIs(3));
}

}  // namespace
}  // namespace vt::terminal
