// SPDX-License-Identifier: Apache-2.0
//
// The past: which runs there were, and what differs between two of them.

#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "daemon/base/status.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/history/runs.h"
#include "daemon/report/texts.h"
#include "daemon/run/cache_report.h"
#include "daemon/run/caller.h"
#include "daemon/run/explain.h"
#include "daemon/run/explain_parts.h"
#include "daemon/run/json_difference.h"

namespace vt::run {
namespace {

using base::JsonObject;
using vtask::storage::v1::WeakDescription;
using vtask::v1::ActionFinished;
using vtask::v1::ActionStarted;
using vtask::v1::Difference;
using vtask::v1::RunEvent;
using vtask::v1::RunRecord;

struct PastAction {
  ActionStarted started;
  ActionFinished finished;
};

// By package, task and place in it: a command that was edited stays the same
// action.
using PastActions =
    std::map<std::tuple<std::string, std::string, int>, PastAction>;

PastActions ActionsOf(const RunRecord& record) {
  std::map<uint32_t, PastAction> by_index;
  std::vector<uint32_t> order;
  for (const RunEvent& event : record.events()) {
    if (event.has_action_started()) {
      const uint32_t index = event.action_started().action().index();
      by_index[index].started = event.action_started();
      order.push_back(index);
    } else if (event.has_action_finished()) {
      by_index[event.action_finished().action_index()].finished =
          event.action_finished();
    }
  }
  PastActions actions;
  std::map<std::pair<std::string, std::string>, int> counts;
  for (const uint32_t index : order) {
    const vtask::v1::ActionRef& ref = by_index[index].started.action();
    const int place = counts[{ref.package_path(), ref.task()}]++;
    actions[{ref.package_path(), ref.task(), place}] = by_index[index];
  }
  return actions;
}

std::map<std::string, WeakDescription> DescriptionsOf(const RunRecord& record) {
  std::map<std::string, WeakDescription> descriptions;
  for (const std::string& bytes : record.descriptions()) {
    WeakDescription description;
    if (description.ParseFromString(bytes)) {
      const base::Digest weak = fingerprint::WeakFingerprint(description);
      descriptions[std::string(weak.AsBytes())] = std::move(description);
    }
  }
  return descriptions;
}

struct Comparison {
  bool same = false;
  bool partial = false;  // the commands differ; files were not compared
  std::vector<Difference> differences;
  std::string note;
};

// Compares two runs of one action. Thread-compatible.
class Comparer {
 public:
  Comparer(const RunRecord& before, const RunRecord& after,
           const std::string& root, cache::ActionCache* cache)
      : before_(before),
        after_(after),
        root_(root),
        cache_(cache),
        old_descriptions_(DescriptionsOf(before)),
        new_descriptions_(DescriptionsOf(after)) {}

  Comparison Compare(const PastAction& a, const PastAction& b) const {
    Comparison out;
    if (a.finished.weak() != b.finished.weak()) {
      const auto x = old_descriptions_.find(a.finished.weak());
      const auto y = new_descriptions_.find(b.finished.weak());
      if (x == old_descriptions_.end() || y == new_descriptions_.end()) {
        out.note = "caching was off for it in one of them";
        return out;
      }
      out.partial = true;
      out.differences = fingerprint::DescribeDifferences(x->second, y->second);
      return out;
    }
    if (a.finished.strong().empty() || b.finished.strong().empty()) {
      out.note = absl::StrCat(WhyNoResult(before_, a),
                              WhyNoResult(before_, a).empty() ? "" : "; ",
                              WhyNoResult(after_, b));
      return out;
    }
    out.same = a.finished.strong() == b.finished.strong();
    if (!out.same && cache_ != nullptr) {
      cache::ResultComparison compared =
          cache_->Compare(base::Digest::FromBytes(a.finished.strong()),
                          base::Digest::FromBytes(b.finished.strong()), root_);
      out.differences = std::move(compared.differences);
      out.note = std::move(compared.note);
    }
    return out;
  }

 private:
  static std::string WhyNoResult(const RunRecord& record,
                                 const PastAction& action) {
    if (!action.finished.strong().empty()) {
      return "";
    }
    const std::string why = report::NotStoredText(action.finished.not_stored());
    return absl::StrCat("run ", record.id(), " left nothing to compare",
                        !why.empty() ? absl::StrCat(": ", why)
                        : action.finished.outcome() == ActionFinished::SUCCEEDED
                            ? ""
                            : ": it failed or was cancelled");
  }

  const RunRecord& before_;
  const RunRecord& after_;
  const std::string& root_;
  cache::ActionCache* const cache_;
  const std::map<std::string, WeakDescription> old_descriptions_;
  const std::map<std::string, WeakDescription> new_descriptions_;
};

absl::Time StartOf(const RunRecord& record) {
  return record.events().empty()
             ? absl::UnixEpoch()
             : absl::FromUnixMicros(record.events(0).time_unix_us());
}

std::string CommandOf(const RunRecord& record) {
  std::vector<std::string> words;
  if (!record.events().empty()) {
    for (const std::string& word : record.events(0).run_started().argv()) {
      words.push_back(report::Printable(words.empty() ? "vt" : word));
    }
  }
  return absl::StrJoin(words, " ");
}

vtask::v1::RunFinished EndOf(const RunRecord& record) {
  return record.events().empty() ? vtask::v1::RunFinished()
                                 : record.events().rbegin()->run_finished();
}

std::string ListText(const std::vector<RunRecord>& records) {
  if (records.empty()) {
    return "no runs of this workspace are known\n";
  }
  std::string text = absl::StrFormat("%6s  %-10s %5s  %9s  %s\n", "run", "when",
                                     "exit", "hits", "command");
  for (const RunRecord& record : records) {
    const vtask::v1::RunFinished end = EndOf(record);
    absl::StrAppendFormat(
        &text, "%6d  %-10s %5d  %9s  %s\n", record.id(),
        absl::StrCat(SpanText(absl::Now() - StartOf(record)), " ago"),
        end.exit_code(), absl::StrCat(end.hits(), "/", end.total()),
        CommandOf(record));
  }
  return text;
}

JsonObject RunJson(const RunRecord& record) {
  const vtask::v1::RunFinished end = EndOf(record);
  JsonObject run;
  run.AddNumber("id", record.id());
  run.AddNumber("startedAt", absl::ToUnixSeconds(StartOf(record)));
  run.AddNumber("exitCode", end.exit_code());
  run.AddNumber("commands", end.total());
  run.AddNumber("hits", end.hits());
  run.AddNumber("lookups", end.cached_actions());
  run.Add("argv", base::JsonStrings(
                      record.events().empty()
                          ? std::vector<std::string>()
                          : Strings(record.events(0).run_started().argv())));
  return run;
}

std::string ListJson(const std::vector<RunRecord>& records,
                     const std::string& root,
                     const report::RenderOptions& options) {
  std::vector<std::string> runs;
  runs.reserve(records.size());
  for (const RunRecord& record : records) {
    runs.push_back(RunJson(record).Text());
  }
  JsonObject document = ExplainDocument("list", root, options);
  document.Add("runs", base::JsonArray(runs));
  return absl::StrCat(document.Text(), "\n");
}

absl::StatusOr<RunRecord> Find(const std::string& runs, const std::string& root,
                               const std::string& name) {
  uint64_t id = 0;
  return absl::SimpleAtoi(name, &id) ? history::LoadRun(runs, root, id)
                                     : history::LoadLastRun(runs, root);
}

// Both answers of `--diff`.
std::string Diff(const RunRecord& before, const RunRecord& after,
                 const std::string& root, const plan::RunFlags& flags,
                 cache::ActionCache* cache,
                 const report::RenderOptions& options) {
  const Comparer comparer(before, after, root, cache);
  const PastActions old_actions = ActionsOf(before);
  const PastActions new_actions = ActionsOf(after);
  std::string text =
      absl::StrCat("run ", before.id(), ": ", CommandOf(before), "\nrun ",
                   after.id(), ": ", CommandOf(after), "\n\n");
  std::vector<std::string> actions;
  std::set<PastActions::key_type> keys;
  for (const auto& [key, action] : old_actions) {
    keys.insert(key);
  }
  for (const auto& [key, action] : new_actions) {
    keys.insert(key);
  }
  for (const auto& key : keys) {
    const auto a = old_actions.find(key);
    const auto b = new_actions.find(key);
    const PastAction& shown = b != new_actions.end() ? b->second : a->second;
    const vtask::v1::ActionRef& ref = shown.started.action();
    JsonObject json;
    json.AddString("package", ref.package_path());
    json.AddString("task", ref.task());
    json.AddString("label", ref.label());
    json.AddString("command", ref.command());
    absl::StrAppend(&text, ref.label(), ": ", ref.command(), "\n");
    if (a == old_actions.end() || b == new_actions.end()) {
      const uint64_t only = a == old_actions.end() ? after.id() : before.id();
      json.AddNumber("onlyIn", only);
      absl::StrAppend(&text, "    only in run ", only, "\n");
      actions.push_back(json.Text());
      continue;
    }
    const Comparison compared = comparer.Compare(a->second, b->second);
    json.AddBool("same", compared.same);
    json.AddBool("partial", compared.partial);
    if (!compared.note.empty()) {
      json.AddString("note", compared.note);
    }
    json.Add("differences", DifferencesJson(compared.differences));
    actions.push_back(json.Text());
    absl::StrAppend(
        &text, compared.same ? "    the same\n" : "",
        compared.note.empty() ? "" : absl::StrCat("    ", compared.note, "\n"),
        DifferenceLines(compared.differences, flags.verbose));
  }
  if (!flags.json) {
    return text;
  }
  JsonObject document = ExplainDocument("diff", root, options);
  document.Add(
      "runs", base::JsonArray({RunJson(before).Text(), RunJson(after).Text()}));
  document.Add("actions", base::JsonArray(actions));
  return absl::StrCat(document.Text(), "\n");
}

}  // namespace

absl::StatusOr<std::string> ExplainPast(const std::string& root,
                                        const plan::RunFlags& flags,
                                        cache::ActionCache* cache,
                                        const std::string& runs,
                                        const report::RenderOptions& options) {
  if (flags.explain->list) {
    const std::vector<RunRecord> records = history::ListRuns(runs, root);
    return flags.json ? ListJson(records, root, options) : ListText(records);
  }
  VT_ASSIGN_OR_RETURN(const RunRecord before,
                      Find(runs, root, flags.explain->diff[0]));
  VT_ASSIGN_OR_RETURN(const RunRecord after,
                      Find(runs, root, flags.explain->diff[1]));
  return Diff(before, after, root, flags, cache, options);
}

void AddDescriptions(const plan::Plan& plan, RunRecord* record) {
  std::set<std::string> known;
  plan::ForEachStep(
      plan, [&](const plan::PlannedTask& /*task*/, const plan::Step& step) {
        if (step.cached) {
          std::string bytes = step.description.SerializeAsString();
          if (known.insert(bytes).second) {
            record->add_descriptions(std::move(bytes));
          }
        }
      });
}

}  // namespace vt::run
