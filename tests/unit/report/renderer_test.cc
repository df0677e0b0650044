// SPDX-License-Identifier: Apache-2.0

#include "daemon/report/renderer.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/report/texts.h"

namespace vt::report {
namespace {

using vtask::v1::ActionFinished;
using vtask::v1::ActionOutput;
using vtask::v1::ActionStarted;
using vtask::v1::CacheStatus;
using vtask::v1::Difference;
using vtask::v1::RunEvent;

class RendererTest : public testing::Test {
 protected:
  void Use(RenderOptions options) {
    renderer_ = std::make_unique<Renderer>(
        options, [this](bool is_stderr, std::string bytes) {
          (is_stderr ? err_ : out_) += bytes;
        });
  }
  void Start(uint32_t index, CacheStatus cache) {
    RunEvent event;
    auto* started = event.mutable_action_started();
    started->mutable_action()->set_index(index);
    started->mutable_action()->set_label("a#build");
    started->mutable_action()->set_cwd("~/packages/a");
    started->mutable_action()->set_command("node b.mjs");
    started->set_cache(cache);
    if (cache == vtask::v1::MISS) {
      Difference* difference = started->add_differences();
      difference->set_kind(Difference::FILE);
      difference->set_change(Difference::CHANGED);
      difference->set_path("src/a.ts");
    }
    renderer_->Handle(event);
  }
  void Output(uint32_t index, const std::string& data, bool is_stderr = false) {
    RunEvent event;
    event.mutable_action_output()->set_action_index(index);
    event.mutable_action_output()->set_stream(is_stderr ? ActionOutput::STDERR
                                                        : ActionOutput::STDOUT);
    event.mutable_action_output()->set_data(data);
    renderer_->Handle(event);
  }
  void Finish(uint32_t index, int64_t saved_us = 0) {
    RunEvent event;
    event.mutable_action_finished()->set_action_index(index);
    event.mutable_action_finished()->set_outcome(ActionFinished::SUCCEEDED);
    event.mutable_action_finished()->set_saved_us(saved_us);
    renderer_->Handle(event);
  }
  void FinishRun(uint32_t total, uint32_t hits, uint32_t cached,
                 int64_t saved_us) {
    RunEvent event;
    auto* finished = event.mutable_run_finished();
    finished->set_total(total);
    finished->set_hits(hits);
    finished->set_cached_actions(cached);
    finished->set_saved_us(saved_us);
    renderer_->Handle(event);
  }

  std::string out_, err_;
  std::unique_ptr<Renderer> renderer_;
};

TEST_F(RendererTest, InterleavedMissNamesItsReasonAndEndsWithANewline) {
  Use({});
  Start(1, vtask::v1::MISS);
  Output(1, "hello\n");
  Output(1, "oops\n", /*is_stderr=*/true);
  Finish(1);
  FinishRun(1, 0, 1, 0);
  EXPECT_EQ(out_,
            "~/packages/a$ node b.mjs ○ cache miss: 'src/a.ts' modified, "
            "executing\nhello\n\n");
  EXPECT_EQ(err_, "oops\n");
}

TEST_F(RendererTest, SingleHitSaysWhatItSaved) {
  Use({});
  Start(1, vtask::v1::HIT);
  Finish(1, 1360000);
  FinishRun(1, 1, 1, 1360000);
  EXPECT_EQ(out_,
            "~/packages/a$ node b.mjs ◉ cache hit, replaying\n\n---\n"
            "vt run: cache hit, 1.36s saved.\n");
}

TEST_F(RendererTest, SeveralActionsGiveACount) {
  Use({});
  Start(1, vtask::v1::HIT);
  Finish(1, 56000);
  Start(2, vtask::v1::BUILTIN);
  Finish(2);
  out_.clear();
  FinishRun(2, 1, 1, 56000);
  EXPECT_EQ(out_,
            "---\nvt run: 1/1 cache hit (100%), 2/2 successful, 56ms saved. "
            "(Run `vt run --last-details` for full details)\n");
}

TEST_F(RendererTest, LabeledPrefixesWholeLinesOnly) {
  RenderOptions options;
  options.log = LogMode::kLabeled;
  Use(options);
  Start(1, vtask::v1::HIT);
  out_.clear();
  Output(1, "one\ntw");
  EXPECT_EQ(out_, "[a#build] one\n");
  Output(1, "o\nrest");
  Finish(1);
  EXPECT_EQ(out_, "[a#build] one\n[a#build] two\n[a#build] rest\n");
}

TEST_F(RendererTest, GroupedKeepsOutputTogetherOnStdout) {
  RenderOptions options;
  options.log = LogMode::kGrouped;
  Use(options);
  Start(1, vtask::v1::HIT);
  out_.clear();
  Output(1, "a\n");
  Output(1, "b\n", /*is_stderr=*/true);
  EXPECT_EQ(out_, "");
  Finish(1);
  EXPECT_EQ(out_, "── [a#build] ──\na\nb\n\n");
  EXPECT_EQ(err_, "");
}

TEST_F(RendererTest, EscapesAreRemovedAlsoWhenSplit) {
  Use({});
  Start(1, vtask::v1::HIT);
  out_.clear();
  Output(1, "a\x1b[3");
  Output(1, "1mb\x1b]8;;x\x1b");
  Output(1, "\\c");
  EXPECT_EQ(out_, "abc");
}

TEST(WantsColourTest, ForceBeatsNoColourBeatsTerminal) {
  const std::string one = "1", zero = "0", dumb = "dumb";
  EXPECT_TRUE(WantsColour(&one, &one, nullptr, false));
  EXPECT_FALSE(WantsColour(&zero, nullptr, nullptr, true));
  EXPECT_FALSE(WantsColour(nullptr, &one, nullptr, true));
  EXPECT_FALSE(WantsColour(nullptr, nullptr, &dumb, true));
  EXPECT_TRUE(WantsColour(nullptr, nullptr, nullptr, true));
}

TEST(TextsTest, DurationsAreShort) {
  EXPECT_EQ(DurationText(56'000), "56ms");
  EXPECT_EQ(DurationText(1'364'000), "1.36s");
  EXPECT_EQ(DurationText(69'000'000), "69s");
}

TEST(TextsTest, SeveralVariablesStandTogether) {
  ActionStarted started;
  for (const char* name : {"A", "B"}) {
    Difference* difference = started.add_differences();
    difference->set_kind(Difference::ENV);
    difference->set_change(Difference::ADDED);
    difference->set_name(name);
  }
  EXPECT_EQ(InlineReason(started), "envs 'A', 'B' changed");
  started.mutable_differences()->RemoveLast();
  EXPECT_EQ(InlineReason(started), "env 'A' added");
  started.set_changes_partial(true);  // it is part of the description
  EXPECT_EQ(InlineReason(started), "env 'A' changed");
}

TEST(TextsTest, UnprintableBytesAreEscaped) {
  EXPECT_EQ(Printable("a\xff\n\xc3\xa9"), "a\\xff\\x0a\xc3\xa9");
}

}  // namespace
}  // namespace vt::report
