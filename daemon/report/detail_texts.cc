// SPDX-License-Identifier: Apache-2.0

#include "daemon/report/detail_texts.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "daemon/report/texts.h"

namespace vt::report {

using vtask::v1::Reporter;
using vtask::v1::ToolReport;
using vtask::v1::Unchanged;

namespace {

std::string NameOf(const Unchanged& unchanged) {
  const std::string path = Printable(unchanged.path());
  if (unchanged.what() == Unchanged::ENV) {
    return absl::StrCat("env '", path, "'");
  }
  if (unchanged.what() == Unchanged::PROGRAM) {
    return absl::StrCat("program '", path, "'");
  }
  const absl::string_view kind =
      unchanged.what() == Unchanged::DIRECTORY ? " (folder)"
      : unchanged.what() == Unchanged::LISTING ? " (listing)"
      : unchanged.what() == Unchanged::MISSING ? " (missing)"
                                               : "";
  return path.empty() ? absl::StrCat("workspace root", kind)
                      : absl::StrCat("'", path, "'", kind);
}

}  // namespace

std::string UnchangedText(const Unchanged& unchanged) {
  // A declared variable is shown as the reference does.
  const bool is_plain = unchanged.what() == Unchanged::ENV &&
                        unchanged.reporter().source() == Reporter::DECLARED;
  return absl::StrCat(NameOf(unchanged),
                      is_plain ? "" : ReporterText(unchanged.reporter()));
}

std::string ReporterText(const Reporter& reporter) {
  switch (reporter.source()) {
    case Reporter::DECLARED:
      return " ← declared";
    case Reporter::DOTENV:
      return " ← a reference in a .env file";
    case Reporter::TOOL:
      break;
    default:
      return "";
  }
  const std::string process = absl::StrCat(
      reporter.argv0().empty() ? "process" : Printable(reporter.argv0()), " [",
      reporter.pid(), "]");
  return absl::StrCat(" ← ", Printable(reporter.package()),
                      reporter.package().empty() ? "" : ": ", process);
}

std::string ReportText(const ToolReport& report) {
  const std::string name = Printable(report.name());
  if (report.kind() == ToolReport::REFUSED) {
    return name;
  }
  const absl::string_view kind =
      report.kind() == ToolReport::IGNORE_INPUT    ? "ignore input"
      : report.kind() == ToolReport::IGNORE_OUTPUT ? "ignore output"
      : report.kind() == ToolReport::TRACK_INPUT   ? "track input"
      : report.kind() == ToolReport::TRACK_OUTPUT  ? "track output"
      : report.kind() == ToolReport::ENV           ? "env"
      : report.kind() == ToolReport::ENV_GLOB      ? "envs matching"
      : report.kind() == ToolReport::ENV_PREFIX    ? "envs beginning with"
                                                   : "value";
  const absl::string_view effect =
      report.effect() == ToolReport::MATCHED_NOTHING ? " (matched nothing)"
      : report.effect() == ToolReport::OUTSIDE     ? " (outside the workspace)"
      : report.effect() == ToolReport::NOT_COUNTED ? " (not counted)"
                                                   : "";
  return absl::StrCat(kind, " '", name, "'", effect,
                      ReporterText(report.reporter()));
}

}  // namespace vt::report
