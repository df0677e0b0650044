// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/trace_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/plan/command_line.h"

namespace vt::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Words = std::vector<std::string>;

TraceFlags Parsed(const Words& args) {
  const auto flags = ParseTrace(args);
  EXPECT_TRUE(flags.ok()) << flags.status();
  return flags.ok() && flags->has_value() ? **flags : TraceFlags();
}

std::string ErrorOf(const Words& args) {
  return std::string(ParseTrace(args).status().message());
}

TEST(TraceCommandTest, AllThatStandsBehindTheCommandIsTheCommands) {
  const TraceFlags flags = Parsed({"ls", "--json", "--", "-o"});
  EXPECT_THAT(flags.command, ElementsAre("ls", "--json", "--", "-o"));
  EXPECT_FALSE(flags.json);
  EXPECT_FALSE(flags.output.has_value());
}

TEST(TraceCommandTest, TwoDashesEndTheOptions) {
  const TraceFlags flags = Parsed({"--json", "--", "-x", "--json"});
  EXPECT_TRUE(flags.json);
  EXPECT_THAT(flags.command, ElementsAre("-x", "--json"));
}

TEST(TraceCommandTest, ValuesStandBehindABlankOrAnEqualsSign) {
  EXPECT_EQ(Parsed({"-o", "f", "x"}).output, "f");
  EXPECT_EQ(Parsed({"--output", "f", "x"}).output, "f");
  EXPECT_EQ(Parsed({"--output=a=b", "x"}).output, "a=b");
  EXPECT_EQ(Parsed({"-o", "-", "x"}).output, "-");
  EXPECT_EQ(Parsed({"--tier", "2", "x"}).tier, 2);
  EXPECT_EQ(Parsed({"--tier=3", "x"}).tier, 3);
}

TEST(TraceCommandTest, WhatIsWrongIsSaid) {
  EXPECT_THAT(ErrorOf({}), HasSubstr("no command"));
  EXPECT_THAT(ErrorOf({"--json"}), HasSubstr("no command"));
  EXPECT_THAT(ErrorOf({""}), HasSubstr("no command"));
  EXPECT_THAT(ErrorOf({"-o"}), HasSubstr("a value is required for '--output'"));
  EXPECT_THAT(ErrorOf({"--output=", "x"}), HasSubstr("has no name"));
  for (const char* tier : {"0", "4", "-1", "two", ""}) {
    EXPECT_THAT(ErrorOf({"--tier", tier, "x"}), HasSubstr("[possible values"));
  }
  EXPECT_THAT(ErrorOf({"--jsn", "x"}), HasSubstr("--json"));
  EXPECT_THAT(ErrorOf({"-v", "x"}), HasSubstr("unexpected argument `-v`"));
}

TEST(TraceCommandTest, HelpWinsOverWhatIsMissing) {
  EXPECT_FALSE(ParseTrace({"--help"}).value().has_value());
  EXPECT_FALSE(ParseTrace({"--json", "-h"}).value().has_value());
}

TEST(TraceCommandTest, HelpNamesEveryFlag) {
  for (const TraceFlagInfo& flag : TraceFlagInfos()) {
    const std::string name = flag.name;
    EXPECT_THAT(TraceHelp(), HasSubstr(name));
  }
}

TEST(TraceCommandTest, IsACommandOfVt) {
  const auto command = ParseCommandLine({"vt", "trace", "--json", "ls"});
  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_TRUE(std::get<TraceFlags>(*command).json);
  const auto help = ParseCommandLine({"vt", "help", "trace"});
  EXPECT_EQ(std::get<PrintText>(*help).text, TraceHelp());
  EXPECT_THAT(std::string(ParseCommandLine({"vt", "trace"}).status().message()),
              HasSubstr(kTraceUsage));
}

}  // namespace
}  // namespace vt::plan
