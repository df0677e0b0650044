// SPDX-License-Identifier: Apache-2.0

#include "daemon/report/github.h"

#include <string>

#include <gmock/gmock.h>

#include "daemon/report/renderer.h"

namespace vt::report {
namespace {

using vtask::v1::ActionFinished;
using vtask::v1::RunEvent;

// What a run of one action writes to stdout.
std::string Render(LogMode log, ActionFinished::Outcome outcome, int code,
                   const std::string& output) {
  RenderOptions options;
  options.log = log;
  options.github = true;
  std::string out;
  Renderer renderer(options, [&out](bool is_stderr, std::string bytes) {
    EXPECT_FALSE(is_stderr);
    out += bytes;
  });
  RunEvent event;
  auto* started = event.mutable_action_started();
  started->mutable_action()->set_index(1);
  started->mutable_action()->set_label("app#test");
  started->mutable_action()->set_cwd("~/app");
  started->mutable_action()->set_command("vitest");
  started->set_cache(vtask::v1::DISABLED);
  renderer.Handle(event);
  event.Clear();
  event.mutable_action_output()->set_action_index(1);
  event.mutable_action_output()->set_stream(vtask::v1::ActionOutput::STDOUT);
  event.mutable_action_output()->set_data(output);
  renderer.Handle(event);
  event.Clear();
  event.mutable_action_finished()->set_action_index(1);
  event.mutable_action_finished()->set_outcome(outcome);
  event.mutable_action_finished()->set_exit_code(code);
  renderer.Handle(event);
  return out;
}

TEST(GithubTest, GroupedOutputOfAGoodActionIsFolded) {
  EXPECT_EQ(Render(LogMode::kGrouped, ActionFinished::SUCCEEDED, 0, "one\ntwo"),
            "[app#test] ~/app$ vitest ⊘ cache disabled\n"
            "::group::[app#test] ~/app$ vitest ⊘ cache disabled\n"
            "one\ntwo\n"
            "::endgroup::\n"
            "\n");
}

TEST(GithubTest, WhatFailedIsNotFoldedAndAnnotated) {
  EXPECT_EQ(Render(LogMode::kGrouped, ActionFinished::FAILED, 3, "one\n"),
            "[app#test] ~/app$ vitest ⊘ cache disabled\n"
            "── [app#test] ──\n"
            "one\n"
            "\n"
            "::error title=app#test::~/app$ vitest: exit code "
            "3\n");
}

TEST(GithubTest, InterleavedOutputIsAnnotatedOnly) {
  EXPECT_EQ(Render(LogMode::kInterleaved, ActionFinished::SUCCEEDED, 0, "x\n"),
            "~/app$ vitest ⊘ cache disabled\nx\n\n");
  EXPECT_EQ(Render(LogMode::kInterleaved, ActionFinished::FAILED, 1, "x"),
            "~/app$ vitest ⊘ cache disabled\nx\n"
            "::error title=app#test::~/app$ vitest: exit code "
            "1\n");
  EXPECT_EQ(Render(LogMode::kInterleaved, ActionFinished::CANCELLED, 143, "x"),
            "~/app$ vitest ⊘ cache disabled\nx\n");
}

TEST(GithubTest, TextCannotEndACommand) {
  EXPECT_EQ(GithubError("a:b,c%", "x\r\n::stop::%"),
            "::error title=a%3Ab%2Cc%25::x%0D%0A::stop::%25\n");
  EXPECT_EQ(GithubGroup("a\nb", ""), "::group::a%0Ab\n::endgroup::\n");
}

}  // namespace
}  // namespace vt::report
