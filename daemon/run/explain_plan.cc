// SPDX-License-Identifier: Apache-2.0
//
// The present: a plan and its forecast, as text and as JSON.

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "daemon/fingerprint/observe.h"
#include "daemon/report/detail_texts.h"
#include "daemon/report/texts.h"
#include "daemon/run/cache_report.h"
#include "daemon/run/explain.h"
#include "daemon/run/explain_parts.h"
#include "daemon/run/json_difference.h"

namespace vt::run {
namespace {

using base::JsonObject;

std::string UnchangedLines(const cache::Details& details) {
  std::string text;
  for (const vtask::v1::Unchanged& unchanged : details.unchanged) {
    absl::StrAppend(
        &text, "      unchanged: ", report::UnchangedText(unchanged), "\n");
  }
  return text;
}

std::string StepText(const StepForecast& expected, int verbose) {
  const cache::Miss& miss = expected.found.miss;
  std::string text;
  switch (expected.cache) {
    case vtask::v1::HIT:
      text = absl::StrCat(
          "    would hit: made ",
          SpanText(absl::Now() -
                   absl::FromUnixSeconds(
                       expected.found.hit->result->stored_unix_s())),
          " ago in ",
          report::DurationText(expected.found.hit->result->duration_us()),
          "\n");
      break;
    case vtask::v1::UNKNOWN:
      text = "    depends on earlier steps, which may write what it reads\n";
      break;
    case vtask::v1::DISABLED:
      return "    would run: caching is off for it\n";
    case vtask::v1::BUILTIN:
      return "    would run: it is built in and needs no cache\n";
    default:
      text = expected.forced ? "    would run: forced\n"
             : miss.first_run
                 ? "    would run: there is no earlier run to compare with\n"
             : miss.partial
                 ? "    would run: it is another command than in the run "
                   "before (files were not compared)\n"
                 : "    would run\n";
      break;
  }
  if (!miss.note.empty() && !expected.found.hit.has_value()) {
    absl::StrAppend(&text, "      ", miss.note, "\n");
  }
  absl::StrAppend(&text, DifferenceLines(miss.differences, verbose));
  return verbose >= 2 ? absl::StrCat(text, UnchangedLines(expected.details))
                      : text;
}

const char* CacheWord(vtask::v1::CacheStatus status) {
  switch (status) {
    case vtask::v1::HIT:
      return "hit";
    case vtask::v1::DISABLED:
      return "disabled";
    case vtask::v1::BUILTIN:
      return "builtin";
    case vtask::v1::UNKNOWN:
      return "unknown";
    default:
      return "miss";
  }
}

std::string StepJson(const plan::PlannedTask& task, const plan::Step& step,
                     const StepForecast& expected) {
  const cache::Miss& miss = expected.found.miss;
  JsonObject out;
  out.AddString("package", task.package_path.empty() ? "." : task.package_path);
  out.AddString("task", task.name);
  out.AddString("label", task.label);
  out.AddString("command", step.display_command);
  out.AddString("cache", CacheWord(expected.cache));
  if (step.cached) {
    out.AddString("weak",
                  fingerprint::WeakFingerprint(step.description).ToHex());
  }
  if (expected.found.hit.has_value()) {
    out.AddString("strong", expected.found.hit->strong.ToHex());
    out.AddNumber("storedAt", expected.found.hit->result->stored_unix_s());
    out.AddNumber("durationMs",
                  expected.found.hit->result->duration_us() / 1000);
  } else if (step.cached) {
    out.AddBool("firstRun", miss.first_run);
    out.AddBool("partial", miss.partial);
    if (!miss.note.empty()) {
      out.AddString("note", miss.note);
    }
  }
  out.Add("differences", DifferencesJson(miss.differences));
  return out.Text();
}

}  // namespace

std::string ExplainPlan(const std::string& root, const plan::Plan& plan,
                        const Forecast& forecast, const plan::RunFlags& flags,
                        const report::RenderOptions& options) {
  std::string text;
  std::vector<std::string> steps;
  plan::ForEachStep(plan,
                    [&](const plan::PlannedTask& task, const plan::Step& step) {
                      const StepForecast& expected = forecast.at(&step);
                      absl::StrAppend(&text, task.label, ": ", step.display_cwd,
                                      "$ ", step.display_command, "\n",
                                      StepText(expected, flags.verbose));
                      steps.push_back(StepJson(task, step, expected));
                    });
  if (!flags.json) {
    return text;
  }
  JsonObject document = ExplainDocument("plan", root, options);
  document.Add("steps", base::JsonArray(steps));
  return absl::StrCat(document.Text(), "\n");
}

}  // namespace vt::run
