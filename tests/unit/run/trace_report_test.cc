// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/trace_report.h"

#include <sys/syscall.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vt::run {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

track::Access Seen(std::string path, uint32_t observed) {
  track::Access access;
  access.path = std::move(path);
  access.observed = observed;
  access.by_notification = true;
  return access;
}

TraceReport Report() {
  TraceReport report;
  report.command = {"tool", "a b"};
  report.cwd = report.root = "/w";
  report.is_workspace = true;
  report.tier.level = 1;
  report.duration = absl::Milliseconds(1500);
  return report;
}

TEST(TraceReportTest, JsonBytesLoseNothing) {
  EXPECT_EQ(JsonBytes("a/\xc3\xa9"), "\"a/\xc3\xa9\"");
  EXPECT_EQ(JsonBytes("\xff\xc3"), R"("\\xff\\xc3")");
  // A name that looks like an escape is told from an escape.
  EXPECT_EQ(JsonBytes("\\xff"), R"("\\\\xff")");
  EXPECT_EQ(JsonBytes("\"\n\x7f"), "\"\\\"\\u000a\x7f\"");
  EXPECT_EQ(JsonBytes(absl::string_view("\0", 1)), "\"\\u0000\"");
}

TEST(TraceReportTest, TextSortsAccessesIntoGroupsOnce) {
  TraceReport report = Report();
  track::Access made = Seen("/w/new", 0);
  made.mutated = made.is_output = true;
  made.pre_state = track::PreState::kMissing;
  track::Access missing = Seen("/w/no", track::kMetadata);
  missing.missing = true;
  track::Access library = Seen("/lib/x", track::kContent | track::kMetadata);
  library.by_record = true;
  report.accesses.accesses = {
      Seen("/bin/tool", track::kExecuted | track::kContent), library,
      Seen("/w/in", track::kContent), made, missing};
  const std::string text = TraceText(report, /*colour=*/false);
  EXPECT_THAT(text,
              HasSubstr("Changed in the workspace (1)\n  n     new  new\n"));
  EXPECT_THAT(text, HasSubstr("not there (1)\n  n     stat  no\n"));
  EXPECT_THAT(text, HasSubstr("Used in the workspace (1)\n  n     read  in\n"));
  EXPECT_THAT(text, HasSubstr("Executed outside of the workspace (1)\n"
                              "  n     executed,read  /bin/tool\n"));
  EXPECT_THAT(text, HasSubstr("Used outside of the workspace (1)\n"
                              "  ns    read,stat  /lib/x\n"));
}

TEST(TraceReportTest, TextTellsHowAChangeCame) {
  TraceReport report = Report();
  track::Access changed = Seen("/w/changed", track::kContent);
  changed.mutated = changed.is_output = true;
  changed.pre_state = track::PreState::kFile;
  track::Access deleted = Seen("/w/deleted", 0);
  deleted.mutated = deleted.is_deletion = true;
  deleted.pre_state = track::PreState::kFile;
  report.accesses.accesses = {changed, deleted};
  const std::string text = TraceText(report, false);
  EXPECT_THAT(text, HasSubstr("changed,read  changed\n"));
  EXPECT_THAT(text, HasSubstr("deleted       deleted\n"));
}

TEST(TraceReportTest, TextNamesTheProgramThatWasFirst) {
  TraceReport report = Report();
  report.accesses.programs = {"/usr/bin/a-very-long-program"};
  track::Access access = Seen("/w/in", track::kContent);
  access.first_program = 0;
  report.accesses.accesses = {access};
  EXPECT_THAT(TraceText(report, false),
              HasSubstr("  a-very-long-  read  in\n"));
  report.accesses.accesses[0].first_program = 7;  // not there
  EXPECT_THAT(TraceText(report, false), HasSubstr("read  in\n"));
}

TEST(TraceReportTest, TextEndsWithWhatMatters) {
  TraceReport report = Report();
  report.exit_code = 3;
  report.accesses.notifications = {
      {SYS_openat, 12}, {SYS_execve, 1}, {9999, 2}};
  report.accesses.signed_records = 40;
  std::string text = TraceText(report, false);
  EXPECT_THAT(text, HasSubstr("Notifications (15)\n        12  openat\n"
                              "         2  9999\n         1  execve\n"));
  EXPECT_THAT(text, HasSubstr("command   tool 'a b'\n"));
  EXPECT_THAT(text, HasSubstr("ended     exit code 3 after 1.50s\n"));
  EXPECT_THAT(text, HasSubstr("15 notifications (n) and 40 signed records"));
  EXPECT_THAT(text, Not(HasSubstr("could not be stored")));
  report.interrupted = true;
  report.tier = {};
  report.tier.level = 2;
  report.tier.reason = "old";
  report.accesses.flaws = {{9, "used the service", "/run/\xff"}, {6, "x", ""}};
  text = TraceText(report, false);
  EXPECT_THAT(text, HasSubstr("ended     interrupted after"));
  EXPECT_THAT(text, HasSubstr("tracking  tier 2: old\n"));
  EXPECT_THAT(text,
              HasSubstr("result    could not be stored: used the service "
                        "'/run/\\xff'\n          could not be stored: x\n"));
}

TEST(TraceReportTest, TextDoesNotRepeatAPathThatTheReasonNames) {
  TraceReport report = Report();
  report.accesses.flaws = {{9, "used `/s`", "/s"}};
  EXPECT_THAT(TraceText(report, false),
              HasSubstr("could not be stored: used `/s`\n"));
}

TEST(TraceReportTest, JsonHoldsWhatIsKnownOfAnAccess) {
  TraceReport report = Report();
  track::Access access = Seen("/w/f", track::kContent | track::kLinkMetadata);
  access.mutated = access.is_output = access.by_record = true;
  access.pre_state = track::PreState::kFile;
  access.pre_size = 5;
  access.pre_mode = 0100644;
  access.pre_digest = base::Digest();
  access.first_program = 0;
  report.accesses.programs = {"/bin/p"};
  report.accesses.accesses = {access};
  EXPECT_THAT(
      TraceJson(report),
      HasSubstr(R"({"path": "/w/f", "observed": ["content", "linkMetadata"], )"
                R"("change": {"before": "file", "sizeBefore": 5, )"
                R"("modeBefore": "0644", "digestBefore": ")" +
                std::string(64, '0') +
                R"(", "isOutput": true, "isDeletion": false}, )"
                R"("byNotification": true, "byRecord": true, )"
                R"("program": "/bin/p"})"));
}

TEST(TraceReportTest, JsonNamesReasonsAndCalls) {
  TraceReport report = Report();
  report.accesses.flaws = {{9, "used it", "/s"}};
  report.accesses.notifications = {{SYS_openat, 2}};
  const std::string json = TraceJson(report);
  EXPECT_THAT(json,
              HasSubstr(R"([{"reason": "USED_SERVICE", "text": "used it", )"
                        R"("path": "/s"}])"));
  EXPECT_THAT(json, HasSubstr(R"("notifications": {"openat": 2})"));
}

}  // namespace
}  // namespace vt::run
