// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/cache_report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "daemon/base/json_text.h"
#include "daemon/report/texts.h"

namespace vt::run {
namespace {

using base::JsonObject;

std::string Row(absl::string_view name, absl::string_view text) {
  return absl::StrFormat("%-12s%s\n", name, text);
}

JsonObject Document(const char* command, const std::string& schema) {
  JsonObject document = JsonObject::Document(schema);
  document.AddString("command", command);
  return document;
}

// Seconds since 1970, null for never.
void AddTime(const char* key, absl::Time time, JsonObject* out) {
  const bool is_known =
      time != absl::InfiniteFuture() && time != absl::InfinitePast();
  out->Add(key, is_known ? absl::StrCat(absl::ToUnixSeconds(time)) : "null");
}

std::string LimitsJson(const cache::Limits& limits) {
  JsonObject out;
  out.Add("bytes", limits.max_bytes == cache::Limits::kUnlimited
                       ? "null"
                       : absl::StrCat(limits.max_bytes));
  out.Add("ageSeconds",
          limits.max_age == absl::InfiniteDuration()
              ? "null"
              : absl::StrCat(absl::ToInt64Seconds(limits.max_age)));
  return out.Text();
}

}  // namespace

std::string SizeText(uint64_t bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 || value >= 100
             ? absl::StrFormat("%.0f %s", value, units[unit])
             : absl::StrFormat("%.1f %s", value, units[unit]);
}

std::string SpanText(absl::Duration span) {
  const int64_t seconds = std::max<int64_t>(absl::ToInt64Seconds(span), 0);
  if (seconds < 120) {
    return absl::StrCat(seconds, " s");
  }
  if (seconds < 120 * 60) {
    return absl::StrCat(seconds / 60, " min");
  }
  if (seconds < 48 * 3600) {
    return absl::StrCat(seconds / 3600, " h");
  }
  return absl::StrCat(seconds / 86400, " d");
}

std::string CacheStatusText(const CacheStatus& status, absl::Time now) {
  const cache::CacheSize& size = status.size;
  std::string text = Row("directory", status.directory);
  absl::StrAppend(&text, Row("results", absl::StrCat(size.results, " (",
                                                     size.results_of_root,
                                                     " of this workspace)")));
  absl::StrAppend(
      &text,
      Row("size",
          absl::StrCat(
              SizeText(size.bytes()),
              status.limits.max_bytes == cache::Limits::kUnlimited
                  ? ", unlimited"
                  : absl::StrCat(" of ", SizeText(status.limits.max_bytes)),
              ": ", SizeText(size.blob_bytes), " in ",
              report::CountText(size.blobs, "file", "files"), ", ",
              SizeText(size.result_bytes + size.path_set_bytes),
              " of records")),
      Row("database", SizeText(size.database_bytes)));
  const std::string age = status.limits.max_age == absl::InfiniteDuration()
                              ? "results are kept for ever"
                              : absl::StrCat("results go when unused for ",
                                             SpanText(status.limits.max_age));
  absl::StrAppend(
      &text,
      Row("oldest", size.results == 0
                        ? age
                        : absl::StrCat("used ", SpanText(now - size.oldest_use),
                                       " ago; ", age)));
  absl::StrAppend(
      &text,
      Row("swept", size.swept == absl::InfinitePast()
                       ? "never"
                       : absl::StrCat(SpanText(now - size.swept), " ago")));
  if (status.rate.lookups > 0) {
    absl::StrAppend(
        &text,
        Row("hit rate",
            absl::StrCat(100 * status.rate.hits / status.rate.lookups, "% (",
                         status.rate.hits, " of ", status.rate.lookups,
                         " commands in the last ",
                         report::CountText(status.rate.runs, "run", "runs"),
                         "), ", report::DurationText(status.rate.saved_us),
                         " saved")));
  }
  if (size.quarantined > 0) {
    absl::StrAppend(&text,
                    Row("quarantine",
                        report::CountText(size.quarantined, "file", "files")));
  }
  return text;
}

std::string SweepText(const cache::SweepReport& report) {
  return absl::StrCat(
      report.results_removed == 0 && report.bytes_removed == 0
          ? "nothing to remove"
          : absl::StrCat(
                "removed ",
                report::CountText(report.results_removed, "result", "results"),
                " and ",
                report::CountText(report.blobs_removed, "file", "files"), ", ",
                SizeText(report.bytes_removed)),
      "; ", report::CountText(report.results, "result", "results"), " left, ",
      SizeText(report.bytes), "\n");
}

std::string VerifyText(const cache::VerifyReport& report) {
  std::string text;
  for (const std::string& problem : report.problems) {
    absl::StrAppend(&text, problem, "\n");
  }
  const uint64_t bad = report.damaged + report.missing;
  if (bad > report.problems.size()) {
    absl::StrAppend(&text, "… and ", bad - report.problems.size(), " more\n");
  }
  absl::StrAppend(&text, "checked ",
                  report::CountText(report.blobs, "file", "files"), " (",
                  SizeText(report.blob_bytes), ") and ",
                  report::CountText(report.records, "record", "records"), ": ");
  if (report.database_rebuilt) {
    return absl::StrCat(text, "the database was damaged and is emptied\n");
  }
  if (bad == 0) {
    return absl::StrCat(text, "all good\n");
  }
  return absl::StrCat(text, report.damaged, " damaged, put into quarantine; ",
                      report.missing, " had lost something, removed\n");
}

std::string CacheStatusJson(const CacheStatus& status,
                            const std::string& schema) {
  const cache::CacheSize& size = status.size;
  JsonObject out = Document("status", schema);
  out.AddString("directory", status.directory);
  out.AddNumber("bytes", size.bytes());
  out.Add("limits", LimitsJson(status.limits));
  out.AddNumber("results", size.results);
  out.AddNumber("resultsOfWorkspace", size.results_of_root);
  out.AddNumber("resultBytes", size.result_bytes);
  out.AddNumber("pathSets", size.path_sets);
  out.AddNumber("pathSetBytes", size.path_set_bytes);
  out.AddNumber("blobs", size.blobs);
  out.AddNumber("blobBytes", size.blob_bytes);
  out.AddNumber("databaseBytes", size.database_bytes);
  out.AddNumber("quarantined", size.quarantined);
  AddTime("oldestUse", size.oldest_use, &out);
  AddTime("swept", size.swept, &out);
  JsonObject runs;
  runs.AddNumber("count", status.rate.runs);
  runs.AddNumber("hits", status.rate.hits);
  runs.AddNumber("lookups", status.rate.lookups);
  runs.AddNumber("savedMs", status.rate.saved_us / 1000);
  out.Add("runs", runs.Text());
  return absl::StrCat(out.Text(), "\n");
}

std::string SweepJson(const cache::SweepReport& report,
                      const std::string& schema) {
  JsonObject out = Document("prune", schema);
  out.AddNumber("resultsRemoved", report.results_removed);
  out.AddNumber("recordsRemoved", report.records_removed);
  out.AddNumber("blobsRemoved", report.blobs_removed);
  out.AddNumber("bytesRemoved", report.bytes_removed);
  out.AddNumber("results", report.results);
  out.AddNumber("bytes", report.bytes);
  return absl::StrCat(out.Text(), "\n");
}

std::string VerifyJson(const cache::VerifyReport& report,
                       const std::string& schema) {
  JsonObject out = Document("verify", schema);
  out.AddNumber("blobs", report.blobs);
  out.AddNumber("blobBytes", report.blob_bytes);
  out.AddNumber("records", report.records);
  out.AddNumber("damaged", report.damaged);
  out.AddNumber("missing", report.missing);
  out.AddBool("databaseRebuilt", report.database_rebuilt);
  out.Add("problems", base::JsonStrings(report.problems));
  return absl::StrCat(out.Text(), "\n");
}

}  // namespace vt::run
