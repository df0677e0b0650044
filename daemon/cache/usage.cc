// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/usage.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "daemon/cache/records.h"
#include "daemon/fingerprint/file_digests.h"
#include "daemon/fingerprint/sink.h"

namespace vt::cache {
namespace {

using store::Table;
using vtask::storage::v1::Usage;

// A guess: clones and worktrees of one user.
constexpr int kMaxUsers = 8;
// Hits of many different results between two writes; more are not noted.
constexpr size_t kMaxPending = 65536;

Usage LoadUsage(const store::Database& database, absl::string_view key) {
  absl::StatusOr<Usage> usage = LoadRecord<Usage>(database, Table::kUsage, key);
  return usage.ok() ? *std::move(usage) : Usage();
}

}  // namespace

std::string ResultKey(const base::Digest& strong,
                      const vtask::storage::v1::Result& result) {
  return result.root().empty()
             ? std::string(strong.AsBytes())
             : absl::StrCat(strong.AsBytes(),
                            fingerprint::RootId(result.root()));
}

void AddUser(const std::string& root, const std::string& position,
             Usage* usage) {
  Usage::User user;
  user.set_root_id(fingerprint::RootId(root));
  user.set_position(position);
  const google::protobuf::RepeatedPtrField<Usage::User> before = usage->users();
  usage->clear_users();
  *usage->add_users() = user;
  for (const Usage::User& other : before) {
    const bool is_same = other.root_id() == user.root_id() &&
                         other.position() == user.position();
    if (!is_same && usage->users_size() < kMaxUsers) {
      *usage->add_users() = other;
    }
  }
}

void PutUsage(const store::Database& database, absl::string_view result_key,
              absl::string_view record, const ActionKey& key, absl::Time now,
              store::Batch* batch) {
  Usage usage = LoadUsage(database, result_key);
  usage.set_last_used_unix_s(absl::ToUnixSeconds(now));
  const base::Digest digest = fingerprint::Sha256(record);
  usage.set_record_digest(std::string(digest.AsBytes()));
  AddUser(key.root, key.position, &usage);
  batch->Put(Table::kUsage, result_key, usage.SerializeAsString());
}

void PendingHits::Note(const HitUse& use, absl::Time now) {
  const base::MutexLock lock(&mutex_);
  if (hits_.size() < kMaxPending || hits_.count(use.result) > 0) {
    hits_[use.result] = {now, use.root, use.position};
  }
}

bool PendingHits::empty() const {
  const base::MutexLock lock(&mutex_);
  return hits_.empty();
}

void PendingHits::TakeInto(const store::Database& database,
                           store::Batch* batch) {
  std::map<std::string, Hit> hits;
  {
    const base::MutexLock lock(&mutex_);
    hits.swap(hits_);
  }
  for (const auto& [key, hit] : hits) {
    // The result may have gone meanwhile.
    if (!database.Get(Table::kResults, key).ok()) {
      continue;
    }
    Usage usage = LoadUsage(database, key);
    usage.set_last_used_unix_s(absl::ToUnixSeconds(hit.when));
    AddUser(hit.root, hit.position, &usage);
    batch->Put(Table::kUsage, key, usage.SerializeAsString());
  }
}

}  // namespace vt::cache
