// SPDX-License-Identifier: Apache-2.0

#include "daemon/terminal/cell_width.h"

#include <gmock/gmock.h>

namespace vt::terminal {
namespace {

TEST(CellWidthTest, CountsWideAndCombiningCharacters) {
  EXPECT_EQ(TextWidth("abc"), 3);
  EXPECT_EQ(TextWidth("漢字"), 4);
  EXPECT_EQ(TextWidth("👍"), 2);
  EXPECT_EQ(TextWidth("e\xcc\x81"), 1);  // with a combining accent
  EXPECT_EQ(TextWidth("é…↑"), 3);
  EXPECT_EQ(TextWidth("가"), 2);
  EXPECT_EQ(TextWidth("\xff"), 1);  // drawn as U+FFFD
  EXPECT_EQ(TextWidth("\x1b\x07"), 0);
}

TEST(CellWidthTest, ClipsBetweenCharacters) {
  EXPECT_EQ(Clip("abcdef", 6), "abcdef");
  EXPECT_EQ(Clip("abcdef", 4), "abc…");
  EXPECT_EQ(Clip("漢字漢", 5), "漢字…");
  EXPECT_EQ(Clip("漢字漢", 4), "漢…");
  EXPECT_EQ(Clip("漢", 1), "…");
  EXPECT_EQ(Clip("ab", 0), "");
  EXPECT_EQ(Clip("a\x1b[1mb\n", 9), "a[1mb");
}

TEST(CellWidthTest, ClipsTheFront) {
  EXPECT_EQ(ClipFront("abcdef", 6), "abcdef");
  EXPECT_EQ(ClipFront("abcdef", 3), "…ef");
  EXPECT_EQ(ClipFront("漢字", 3), "…字");
  EXPECT_EQ(ClipFront("漢字", 2), "…");
  EXPECT_EQ(ClipFront("ab", 0), "");
}

}  // namespace
}  // namespace vt::terminal
