// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/command_line.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace vt::plan {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Args = std::vector<std::string>;

absl::StatusOr<Command> Parse(const Args& args) {
  Args argv = {"vt"};
  argv.insert(argv.end(), args.begin(), args.end());
  return ParseCommandLine(argv);
}

absl::StatusOr<RunFlags> ParseRun(Args args) {
  args.insert(args.begin(), "run");
  absl::StatusOr<Command> command = Parse(args);
  if (!command.ok()) {
    return command.status();
  }
  return std::get<RunFlags>(*command);
}

TEST(RunFlagsTest, OptionsStandBeforeTheTaskAndTheRestIsItsOwn) {
  const auto flags = ParseRun({"-r", "t", "-v", "--", "--json"});
  ASSERT_THAT(flags, test::IsOk());
  EXPECT_TRUE(flags->recursive);
  EXPECT_EQ(flags->verbose, 0);
  EXPECT_EQ(flags->task, "t");
  EXPECT_THAT(flags->extra_args, ElementsAre("-v", "--", "--json"));
}

TEST(RunFlagsTest, ADoubleDashBeforeTheTaskIsDropped) {
  const auto flags = ParseRun({"--", "--strange", "x"});
  ASSERT_THAT(flags, test::IsOk());
  EXPECT_EQ(flags->task, "--strange");
  EXPECT_THAT(flags->extra_args, ElementsAre("x"));
}

TEST(RunFlagsTest, WithoutATaskThereIsNone) {
  const auto flags = ParseRun({"--cache", "-v"});
  ASSERT_THAT(flags, test::IsOk());
  EXPECT_FALSE(flags->task.has_value());
  EXPECT_EQ(flags->cache, true);
}

TEST(RunFlagsTest, EveryFlagIsUnderstood) {
  const auto flags = ParseRun({"-w",
                               "--filter",
                               "a",
                               "--filter=b",
                               "-F",
                               "c",
                               "-Fd",
                               "-F=e",
                               "--fail-if-no-match",
                               "--ignore-depends-on",
                               "-vv",
                               "--verbose",
                               "--no-cache",
                               "--log",
                               "grouped",
                               "--concurrency-limit",
                               "50%",
                               "--parallel",
                               "--dry-run",
                               "--json",
                               "t"});
  ASSERT_THAT(flags, test::IsOk());
  EXPECT_TRUE(flags->workspace_root);
  EXPECT_THAT(flags->filters, ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_TRUE(flags->fail_if_no_match);
  EXPECT_TRUE(flags->ignore_depends_on);
  EXPECT_EQ(flags->verbose, 3);
  EXPECT_EQ(flags->cache, false);
  EXPECT_EQ(flags->log, LogMode::kGrouped);
  EXPECT_EQ(flags->concurrency_limit, "50%");
  EXPECT_TRUE(flags->parallel);
  EXPECT_TRUE(flags->dry_run);
  EXPECT_TRUE(flags->json);
}

TEST(RunFlagsTest, ShortFlagsMayBeJoined) {
  const auto flags = ParseRun({"-rvF", "x", "t"});
  EXPECT_THAT(flags, test::StatusIs(absl::StatusCode::kInvalidArgument,
                                    HasSubstr("--filter and --recursive")));
  const auto joined = ParseRun({"-wvFx", "t"});
  ASSERT_THAT(joined, test::IsOk());
  EXPECT_TRUE(joined->workspace_root);
  EXPECT_EQ(joined->verbose, 1);
  EXPECT_THAT(joined->filters, ElementsAre("x"));
}

TEST(RunFlagsTest, UsageErrorsSayWhatIsWrong) {
  const std::pair<Args, const char*> rows[] = {
      {{"--nope", "t"}, "unexpected argument `--nope`"},
      {{"--recursiv", "t"}, "did you mean `--recursive`?"},
      {{"--filer=x", "t"}, "did you mean `--filter`?"},
      {{"-x", "t"}, "unexpected argument `-x`"},
      {{"--log", "fancy", "t"}, "invalid value 'fancy' for '--log <LOG>'"},
      {{"--log", "label", "t"}, "possible values: interleaved, labeled"},
      {{"--filter"}, "a value is required for '--filter <FILTERS>'"},
      {{"-F", " ", "t"}, "--filter value is empty"},
      {{"--recursive=x", "t"}, "unexpected value 'x'"},
      {{"--cache", "--no-cache", "t"},
       "the argument '--cache' cannot be used with '--no-cache'"},
      {{"--last-details", "-v"}, "the argument '--last-details' cannot"},
      {{"--last-details", "t"}, "the argument '--last-details' cannot"},
      {{"--json", "t"}, "'--json' is only supported with '--dry-run'"},
      {{"--json", "-r"}, "the argument '--json' cannot be used"},
      {{"-r"}, "No task specifier"},
      {{"--dry-run"}, "No task specifier"},
      {{"-r", "-t", "x"}, "--recursive and --transitive"},
      {{"-F", "a", "-t", "x"}, "--filter and --transitive"},
      {{"--concurrency-limit", "x", "t"},
       "invalid value 'x' for '--concurrency-limit <CONCURRENCY_LIMIT>'"},
      {{"--concurrency-limit", "-1", "t"}, "invalid digit"},
      {{"--concurrency-limit", "", "t"}, "invalid digit"},
  };
  for (const auto& [args, message] : rows) {
    EXPECT_THAT(ParseRun(args),
                test::StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr(message), HasSubstr("Usage:"),
                                     HasSubstr("--help"))))
        << args[0];
  }
}

TEST(CommandLineTest, TheProgramNameMayStandForRun) {
  const auto command = ParseCommandLine({"/usr/bin/vtr", "-r", "t"});
  ASSERT_THAT(command, test::IsOk());
  EXPECT_TRUE(std::get<RunFlags>(*command).recursive);
}

TEST(CommandLineTest, HelpNamesEveryFlagAndPrintsTheSameForBothSpellings) {
  const auto brief = Parse({"run", "-h"});
  const auto full = Parse({"run", "--help"});
  ASSERT_THAT(brief, test::IsOk());
  ASSERT_THAT(full, test::IsOk());
  const PrintText& text = std::get<PrintText>(*full);
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_EQ(text.text, std::get<PrintText>(*brief).text);
  for (const char* part :
       {"Usage: vt run", "-r, --recursive", "-F, --filter <FILTERS>",
        "--concurrency-limit <CONCURRENCY_LIMIT>", "--no-cache",
        "--last-details", "name^...", "Examples:", "{dir}"}) {
    EXPECT_THAT(text.text, HasSubstr(part));
  }
  size_t start = 0;
  while (start < text.text.size()) {
    const size_t end = text.text.find('\n', start);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end - start, 80U) << text.text.substr(start, end - start);
    start = end + 1;
  }
}

TEST(CommandLineTest, OtherCommands) {
  for (const Args& args :
       {Args{"--help"}, Args{"-h"}, Args{"help"}, Args{"--version"},
        Args{"cache", "--help"}, Args{"help", "run"}}) {
    const auto command = Parse(args);
    ASSERT_THAT(command, test::IsOk()) << args[0];
    EXPECT_EQ(std::get<PrintText>(*command).exit_code, 0);
    EXPECT_THAT(std::get<PrintText>(*command).text, Not(IsEmpty()));
  }
  for (const Args& args : {Args{}, Args{"cache"}}) {
    const auto command = Parse(args);
    ASSERT_THAT(command, test::IsOk());
    EXPECT_EQ(std::get<PrintText>(*command).exit_code, 2);
  }
  const auto clean = Parse({"cache", "clean"});
  ASSERT_THAT(clean, test::IsOk());
  EXPECT_TRUE(std::holds_alternative<CacheFlags>(*clean));
}

TEST(CommandLineTest, UnknownCommandsGetASuggestion) {
  const std::pair<Args, const char*> rows[] = {
      {{"rnu"}, "Command 'rnu' not found; did you mean `run`?"},
      {{"build"},
       "Command 'build' not found\n* a task of this name is run by `vt run "
       "build`"},
      {{"cache", "bogus"}, "Command 'bogus' not found"},
      {{"cache", "claen"}, "did you mean `clean`?"},
      {{"cache", "clean", "x"}, "Unexpected argument 'x'"},
      {{"--versoin"}, "did you mean `--version`?"},
  };
  for (const auto& [args, message] : rows) {
    EXPECT_THAT(Parse(args), test::StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr(message)));
  }
}

}  // namespace
}  // namespace vt::plan
