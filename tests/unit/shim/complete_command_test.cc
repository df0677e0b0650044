// SPDX-License-Identifier: Apache-2.0

#include "shim/complete_command.h"

#include <gmock/gmock.h>

namespace vt::shim {
namespace {

TEST(CompleteCommandTest, LinesForTheScripts) {
  vtask::v1::CompleteResponse response;
  response.add_candidates()->set_value("build:prod");
  auto* other = response.add_candidates();
  other->set_value("a b");
  other->set_description("what it runs");
  response.set_wants_files(true);
  response.set_no_space(true);
  EXPECT_EQ(CompletionLines(response),
            "word\tbuild:prod\t\n"
            "word\ta b\twhat it runs\n"
            "files\n"
            "nospace\n");
}

TEST(CompleteCommandTest, WhatWouldBreakALineIsLeftOut) {
  vtask::v1::CompleteResponse response;
  response.add_candidates()->set_value("a\nb");
  response.add_candidates()->set_value("a\tb");
  auto* good = response.add_candidates();
  good->set_value("good");
  good->set_description("two\nlines");
  EXPECT_EQ(CompletionLines(response), "word\tgood\t\n");
}

}  // namespace
}  // namespace vt::shim
