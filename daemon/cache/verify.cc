// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/verify.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/status.h"
#include "daemon/cache/records.h"
#include "daemon/cache/usage.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/fingerprint/sink.h"

namespace vt::cache {
namespace {

using store::Batch;
using store::Table;
using vtask::storage::v1::FileIdentity;
using vtask::storage::v1::Output;
using vtask::storage::v1::OwnOutputs;
using vtask::storage::v1::PathSet;
using vtask::storage::v1::Position;
using vtask::storage::v1::Result;
using vtask::storage::v1::Usage;
using vtask::storage::v1::Value;
using vtask::storage::v1::WeakEntry;

// So many are told one by one.
constexpr size_t kMaxProblems = 100;

template <typename Message>
bool Parses(absl::string_view value) {
  Message message;
  return ParseRecord(value, &message);
}

// What is wrong with a record; empty: nothing. `is_missing`: it is whole, but
// has lost what it names.
struct Finding {
  std::string problem;
  bool is_missing = false;
};

class Verifier {
 public:
  Verifier(const CacheParts& parts, const Pace& pace)
      : parts_(parts),
        pace_(pace) {}

  absl::StatusOr<VerifyReport> Run() {
    VT_RETURN_IF_ERROR(VerifyBlobs());
    // What results name first, so that they are judged by what is left.
    VT_RETURN_IF_ERROR(
        VerifyTable(Table::kPathSets, "path set",
                    [this](absl::string_view key, absl::string_view value) {
                      return CheckPathSet(key, value);
                    }));
    VT_RETURN_IF_ERROR(
        VerifyTable(Table::kUsage, "usage",
                    [this](absl::string_view key, absl::string_view value) {
                      return CheckUsage(key, value);
                    }));
    VT_RETURN_IF_ERROR(
        VerifyTable(Table::kResults, "result",
                    [this](absl::string_view key, absl::string_view value) {
                      return CheckResult(key, value);
                    }));
    VT_RETURN_IF_ERROR(
        VerifyTable(Table::kWeak, "weak fingerprint",
                    [this](absl::string_view, absl::string_view value) {
                      return CheckWeak(value);
                    }));
    VT_RETURN_IF_ERROR(
        VerifyTable(Table::kPositions, "position",
                    [](absl::string_view, absl::string_view value) {
                      return CheckPosition(value);
                    }));
    VT_RETURN_IF_ERROR(VerifyTable(
        Table::kOwnOutputs, "own output",
        [](absl::string_view, absl::string_view value) {
          return Finding{Parses<OwnOutputs>(value) ? "" : "it does not parse"};
        }));
    VT_RETURN_IF_ERROR(VerifyTable(
        Table::kFiles, "identity of a file",
        [](absl::string_view, absl::string_view value) {
          return Finding{Parses<FileIdentity>(value) ? ""
                                                     : "it does not parse"};
        }));
    return std::move(report_);
  }

 private:
  using Check = absl::FunctionRef<Finding(absl::string_view key,
                                          absl::string_view value)>;

  bool Step(const char* what, uint64_t done, uint64_t total) {
    if (pace_ != nullptr && !pace_({what, done, total})) {
      stopped_ = absl::CancelledError("cancelled");
    }
    return stopped_.ok();
  }
  void Tell(std::string problem) {
    if (report_.problems.size() < kMaxProblems) {
      report_.problems.push_back(std::move(problem));
    }
  }

  absl::Status VerifyBlobs();
  absl::Status VerifyTable(Table table, const char* what, Check check);
  absl::Status TakeOut(Table table, const char* what, const std::string& key,
                       const std::string& value, Check check);
  Finding CheckPathSet(absl::string_view key, absl::string_view value);
  Finding CheckUsage(absl::string_view key, absl::string_view value);
  Finding CheckResult(absl::string_view key, absl::string_view value);
  Finding CheckWeak(absl::string_view value);
  static Finding CheckPosition(absl::string_view value);
  Finding CheckBlob(const std::string& blob) const;

  const CacheParts parts_;
  const Pace& pace_;
  absl::Status stopped_;
  VerifyReport report_;
  absl::flat_hash_set<base::Digest> good_blobs_;
  absl::flat_hash_map<base::Digest, int> path_sets_;  // how many observations
  absl::flat_hash_map<std::string, base::Digest> record_digests_;
};

absl::Status Verifier::VerifyBlobs() {
  uint64_t total = 0;
  parts_.blobs->Walk([&](const base::Digest&, uint64_t) {
    ++total;
    return Step("counting blobs", total, 0);
  });
  parts_.blobs->Walk([&](const base::Digest& digest, uint64_t size) {
    // Reading one may take seconds.
    const absl::StatusOr<bool> is_good = parts_.blobs->IsGood(
        digest, [&] { return Step("checking blobs", report_.blobs, total); });
    if (!is_good.ok()) {
      return false;
    }
    ++report_.blobs;
    report_.blob_bytes += size;
    if (*is_good) {
      good_blobs_.insert(digest);
    } else {
      ++report_.damaged;
      parts_.blobs->Quarantine(digest);
      Tell(absl::StrCat("blob ", digest.ToHex(), " is damaged"));
    }
    return Step("checking blobs", report_.blobs, total);
  });
  return stopped_;
}

absl::Status Verifier::VerifyTable(Table table, const char* what, Check check) {
  std::vector<std::pair<std::string, std::string>> bad;
  uint64_t done = 0;
  const absl::Status scanned = parts_.database->Scan(
      table, "", [&](absl::string_view key, absl::string_view value) {
        ++report_.records;
        if (!check(key, value).problem.empty()) {
          bad.emplace_back(key, value);
        }
        return Step("checking records", ++done, 0);
      });
  VT_RETURN_IF_ERROR(stopped_);
  VT_RETURN_IF_ERROR(scanned);
  for (const auto& [key, value] : bad) {
    VT_RETURN_IF_ERROR(TakeOut(table, what, key, value, check));
  }
  return absl::OkStatus();
}

// If it still is as it was.
absl::Status Verifier::TakeOut(Table table, const char* what,
                               const std::string& key, const std::string& value,
                               Check check) {
  const base::MutexLock lock(parts_.write_mutex);
  const absl::StatusOr<std::string> now = parts_.database->Get(table, key);
  if (!now.ok() || *now != value) {
    return absl::OkStatus();
  }
  const std::string hex =
      absl::BytesToHexString(absl::string_view(key).substr(0, 32));
  const Finding finding = check(key, value);
  Tell(absl::StrCat(what, " ", hex, ": ", finding.problem));
  if (finding.is_missing) {
    ++report_.missing;
  } else {
    ++report_.damaged;
    // For whoever wants to know what has happened to it.
    const std::string folder = parts_.blobs->QuarantineDirectory();
    base::MakeDirectories(folder, 0700).IgnoreError();
    base::WriteFileAtomic(
        absl::StrCat(folder, "/record-", static_cast<int>(table), "-", hex),
        value, 0600)
        .IgnoreError();
  }
  Batch batch;
  batch.Delete(table, key);
  return parts_.database->Write(batch);
}

Finding Verifier::CheckPathSet(absl::string_view key, absl::string_view value) {
  PathSet path_set;
  if (!ParseRecord(value, &path_set)) {
    return {"it does not parse"};
  }
  const base::Digest digest = fingerprint::PathSetDigest(path_set);
  if (key != digest.AsBytes()) {
    return {"it has another digest than its key"};
  }
  path_sets_[digest] = path_set.observations_size();
  return {};
}

Finding Verifier::CheckUsage(absl::string_view key, absl::string_view value) {
  Usage usage;
  if (!ParseRecord(value, &usage)) {
    return {"it does not parse"};
  }
  if (!usage.record_digest().empty()) {
    record_digests_[std::string(key)] =
        base::Digest::FromBytes(usage.record_digest());
  }
  return {};
}

Finding Verifier::CheckBlob(const std::string& blob) const {
  if (blob.size() != base::Digest::kSize) {
    return {"it names no blob"};
  }
  const base::Digest digest = base::Digest::FromBytes(blob);
  // One that came since they were read was checked when it was written.
  if (!good_blobs_.contains(digest) &&
      !*parts_.blobs->IsGood(digest, [] { return true; })) {
    return {absl::StrCat("its blob ", digest.ToHex(), " is lost"), true};
  }
  return {};
}

Finding Verifier::CheckResult(absl::string_view key, absl::string_view value) {
  Result result;
  if (!ParseRecord(value, &result)) {
    return {"it does not parse"};
  }
  const auto noted = record_digests_.find(std::string(key));
  if (noted != record_digests_.end() &&
      fingerprint::Sha256(value) != noted->second) {
    return {"it is not what was stored"};
  }
  const base::Digest path_set = base::Digest::FromBytes(result.path_set());
  const base::Digest strong = fingerprint::StrongFingerprint(
      base::Digest::FromBytes(result.weak()), path_set,
      {result.values().begin(), result.values().end()});
  if (key != ResultKey(strong, result)) {
    return {"it does not belong to its key"};
  }
  auto known = path_sets_.find(path_set);
  if (known == path_sets_.end()) {
    // Stored since they were read?
    const absl::StatusOr<PathSet> loaded = LoadRecord<PathSet>(
        *parts_.database, Table::kPathSets, result.path_set());
    if (!loaded.ok()) {
      return {"its path set is lost", true};
    }
    known = path_sets_.emplace(path_set, loaded->observations_size()).first;
  }
  if (known->second != result.values_size()) {
    return {"it does not fit its path set"};
  }
  for (const Output& output : result.outputs()) {
    if (!output.blob().empty()) {
      if (Finding finding = CheckBlob(output.blob());
          !finding.problem.empty()) {
        return finding;
      }
    }
  }
  return result.log_blob().empty() ? Finding{} : CheckBlob(result.log_blob());
}

Finding Verifier::CheckWeak(absl::string_view value) {
  WeakEntry entry;
  if (!ParseRecord(value, &entry)) {
    return {"it does not parse"};
  }
  for (const WeakEntry::Ref& ref : entry.path_sets()) {
    if (!path_sets_.contains(base::Digest::FromBytes(ref.path_set())) &&
        !parts_.database->Get(Table::kPathSets, ref.path_set()).ok()) {
      return {"it names a path set that is lost", true};
    }
  }
  return {};
}

Finding Verifier::CheckPosition(absl::string_view value) {
  Position position;
  if (!ParseRecord(value, &position)) {
    return {"it does not parse"};
  }
  if (fingerprint::WeakFingerprint(position.description()).AsBytes() !=
      position.weak()) {
    return {"its description has another fingerprint"};
  }
  return {};
}

}  // namespace

absl::StatusOr<VerifyReport> Verify(const CacheParts& parts, const Pace& pace) {
  return Verifier(parts, pace).Run();
}

}  // namespace vt::cache
