// SPDX-License-Identifier: Apache-2.0

#include "daemon/report/summary.h"

#include "absl/strings/str_cat.h"

#include "daemon/report/ansi.h"
#include "daemon/report/detail_texts.h"
#include "daemon/report/texts.h"

namespace vt::report {
namespace {

using vtask::v1::ActionFinished;
using vtask::v1::ActionStarted;
using vtask::v1::RunEvent;
using vtask::v1::RunFinished;

std::string Repeat(absl::string_view what, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) {
    absl::StrAppend(&out, what);
  }
  return out;
}

// The line below an action's headline: hit, miss with every difference, off.
std::string CacheLine(const ActionStarted& started,
                      const ActionFinished& finished) {
  const std::string not_stored = NotStoredText(finished.not_stored());
  switch (started.cache()) {
    case vtask::v1::HIT:
      if (finished.outcome() == ActionFinished::OUTCOME_UNSPECIFIED) {
        return "→ Cache hit\n";
      }
      return absl::StrCat("→ Cache hit - output replayed - ",
                          DurationText(finished.saved_us()), " saved\n");
    case vtask::v1::BUILTIN:
      return "→ Cache disabled for built-in command\n";
    case vtask::v1::DISABLED:
      return "→ Cache disabled in task configuration\n";
    case vtask::v1::UNKNOWN:
      return "→ Depends on earlier steps\n";
    default:
      break;
  }
  if (!not_stored.empty()) {
    return absl::StrCat("→ Not cached: ", not_stored, "\n");
  }
  if (started.forced()) {
    return "→ Forced: there is a result, but --force was given\n";
  }
  if (started.differences().empty()) {
    return "→ Cache miss: no previous cache entry found\n";
  }
  std::string text = "→ Cache miss: ";
  bool first = true;
  for (const vtask::v1::Difference& difference : started.differences()) {
    absl::StrAppend(&text, first ? "" : "                    ",
                    DifferenceText(difference), "\n");
    first = false;
  }
  return text;
}

// R-SUM-6; empty without -vv, which is when nothing is in the event.
std::string DetailLines(const ActionStarted& started,
                        const ActionFinished& finished) {
  std::string text;
  absl::string_view lead = "        Unchanged: ";
  for (const vtask::v1::Unchanged& unchanged : started.unchanged()) {
    absl::StrAppend(&text, lead, UnchangedText(unchanged), "\n");
    lead = "                   ";
  }
  lead = "        Outputs:   ";
  for (int i = 0; i < started.outputs_size(); ++i) {
    absl::StrAppend(&text, lead, "'", Printable(started.outputs(i)), "'",
                    i < started.output_reporters_size()
                        ? ReporterText(started.output_reporters(i))
                        : "",
                    "\n");
    lead = "                   ";
  }
  // Of what ran now, or of the result that is shown.
  lead = "        Reports:   ";
  for (const vtask::v1::ToolReport& report :
       finished.reports_size() > 0 ? finished.reports() : started.reports()) {
    absl::StrAppend(&text, lead, ReportText(report), "\n");
    lead = "                   ";
  }
  return text;
}

// With -vv: what the differences were, one a line.
std::string ChangedLines(const ActionStarted& started) {
  std::string text;
  for (const vtask::v1::Difference& difference : started.differences()) {
    const std::string detail = DifferenceDetail(difference);
    if (detail != DifferenceText(difference)) {
      absl::StrAppend(&text, "        Changed:   ", detail, "\n");
    }
  }
  return text;
}

std::string TrackingLine(const vtask::v1::Tracking& tracking) {
  return absl::StrCat("        Tracked:   tier ", tracking.tier(), ", ",
                      tracking.paths(), " paths, ", tracking.notifications(),
                      " notifications, ", tracking.signed_records(),
                      " signed records\n");
}

}  // namespace

void Summary::Add(const RunEvent& event) {
  if (event.has_action_started()) {
    running_[event.action_started().action().index()] = event.action_started();
  } else if (event.has_action_finished()) {
    const uint32_t index = event.action_finished().action_index();
    entries_.push_back({running_[index], event.action_finished()});
  } else if (event.has_run_finished()) {
    finished_ = event.run_finished();
  }
}

std::string Summary::Render(const std::string& program, int verbose,
                            bool colour) const {
  if (entries_.empty()) {
    return "";
  }
  return verbose > 0 ? Detailed(verbose, colour) : Short(program, colour);
}

void Summary::AddPlanned(const ActionStarted& planned) {
  entries_.push_back({planned, {}});
  finished_.set_total(finished_.total() + 1);
  switch (planned.cache()) {
    case vtask::v1::HIT:
      finished_.set_hits(finished_.hits() + 1);
      finished_.set_cached_actions(finished_.cached_actions() + 1);
      break;
    case vtask::v1::MISS:
    case vtask::v1::UNKNOWN:
      finished_.set_cached_actions(finished_.cached_actions() + 1);
      break;
    default:
      break;
  }
}

std::string Summary::RenderPlanned(const std::string& program, int verbose,
                                   bool colour) const {
  const RunFinished& f = finished_;
  if (f.total() == 0) {
    return "";
  }
  if (verbose > 0) {
    return Detailed(verbose, colour);
  }
  const std::string brand =
      Paint(absl::StrCat(program, " run:"), Style::kBrand, colour);
  std::string text;
  if (f.total() == 1 && f.hits() == 1) {
    text = " cache hit, nothing was run.";
  } else if (f.total() > 1 && f.cached_actions() > 0) {
    text = absl::StrCat(" ", f.hits(), "/", f.cached_actions(), " cache hit (",
                        100 * f.hits() / f.cached_actions(),
                        "%), nothing was run.");
  } else if (f.total() > 1) {
    text = " nothing was run.";
  } else {
    return "";
  }
  return absl::StrCat("\n", Paint("---", Style::kDim, colour), "\n", brand,
                      text, "\n");
}

std::string Summary::Short(const std::string& program, bool colour) const {
  const RunFinished& f = finished_;
  const std::string brand =
      Paint(absl::StrCat(program, " run:"), Style::kBrand, colour);
  const std::string saved =
      f.saved_us() > 0
          ? absl::StrCat(
                ", ", Paint(DurationText(f.saved_us()), Style::kSaved, colour),
                " saved")
          : "";
  std::string text;
  if (f.total() == 1 && f.hits() == 1) {
    absl::StrAppend(&text, brand, " cache hit", saved, ".\n");
  } else if (f.total() > 1) {
    absl::StrAppend(&text, brand, " ");
    if (f.cached_actions() > 0) {
      absl::StrAppend(&text, f.hits(), "/", f.cached_actions(), " cache hit (",
                      100 * f.hits() / f.cached_actions(), "%), ");
    }
    absl::StrAppend(&text, f.total() - f.failed(), "/", f.total(),
                    " successful", saved, ". (Run `", program,
                    " run --last-details` for full details)\n");
  }
  // One line for each action that could not be stored: D13 of tool-ipc.
  for (const Entry& entry : entries_) {
    const std::string why = NotStoredText(entry.finished.not_stored());
    if (!why.empty()) {
      absl::StrAppend(&text, brand, " ", entry.started.action().label(),
                      " not cached: ", why, "\n");
    }
    for (const std::string& note : entry.finished.notes()) {
      absl::StrAppend(&text, brand, " ", entry.started.action().label(), ": ",
                      note, "\n");
    }
  }
  return text.empty()
             ? ""
             : absl::StrCat(Paint("---", Style::kDim, colour), "\n", text);
}

std::string Summary::Detailed(int verbose, bool colour) const {
  const RunFinished& f = finished_;
  const std::string thick = Repeat("━", 47);
  std::string text =
      absl::StrCat("\n", thick, "\n    ",
                   Paint("vtask • Execution Summary", Style::kBrand, colour),
                   "\n", thick, "\n\n");
  const uint32_t misses = f.cached_actions() - f.hits();
  const uint32_t disabled = f.total() - f.cached_actions();
  absl::StrAppend(&text,
                  "Statistics:   ", CountText(f.total(), "task", "tasks"),
                  " • ", CountText(f.hits(), "cache hit", "cache hits"), " • ",
                  CountText(misses, "cache miss", "cache misses"));
  if (disabled > 0) {
    absl::StrAppend(&text, " • ", disabled, " cache disabled");
  }
  if (f.failed() > 0) {
    absl::StrAppend(&text, " • ", f.failed(), " failed");
  }
  absl::StrAppend(&text, "\nPerformance:  ");
  if (f.cached_actions() == 0) {
    absl::StrAppend(&text, "no task has caching enabled");
  } else {
    absl::StrAppend(&text, 100 * f.hits() / f.cached_actions(),
                    "% cache hit rate");
    if (f.saved_us() > 0) {
      absl::StrAppend(&text, ", ", DurationText(f.saved_us()),
                      " saved in total");
    }
  }
  if (number_ != 0) {
    absl::StrAppend(&text, "\nRun:          ", number_);
  }
  absl::StrAppend(&text, "\n\nTask Details:\n", Repeat("─", 48), "\n");
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    const vtask::v1::ActionRef& action = entry.started.action();
    const ActionFinished& finished = entry.finished;
    absl::StrAppend(&text,
                    i == 0 ? "" : absl::StrCat("  ", Repeat("·", 55), "\n"),
                    "  [", i + 1, "] ", action.label(), ": ", action.cwd(),
                    "$ ", action.command());
    switch (finished.outcome()) {
      case ActionFinished::OUTCOME_UNSPECIFIED:
        break;
      case ActionFinished::SUCCEEDED:
        absl::StrAppend(&text, " ", Paint("✓", Style::kHit, colour));
        break;
      case ActionFinished::CANCELLED:
        absl::StrAppend(&text, " ", Paint("✗", Style::kBad, colour),
                        " (cancelled)");
        break;
      default:
        absl::StrAppend(&text, " ", Paint("✗", Style::kBad, colour));
        if (finished.error().empty()) {
          absl::StrAppend(&text, " (exit code: ", finished.exit_code(), ")");
        }
    }
    absl::StrAppend(
        &text, "\n      ", CacheLine(entry.started, finished),
        DetailLines(entry.started, finished),
        verbose >= 2 ? ChangedLines(entry.started) : "",
        finished.has_tracking() ? TrackingLine(finished.tracking()) : "");
    if (!finished.error().empty()) {
      absl::StrAppend(&text, "      ✗ Error: Failed to spawn process\n",
                      "        ↳ ", finished.error(), "\n");
    }
    for (const std::string& note : finished.notes()) {
      absl::StrAppend(&text, "      ", note, "\n");
    }
  }
  absl::StrAppend(&text, thick, "\n");
  return text;
}

}  // namespace vt::report
