// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/in_use.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include "daemon/base/mutex.h"

namespace vt::cache {

struct InUse::Table {
  mutable base::Mutex mutex;
  // How many hold it.
  mutable absl::flat_hash_map<base::Digest, int> held ABSL_GUARDED_BY(mutex);
  mutable bool sweeping ABSL_GUARDED_BY(mutex) = false;
  // Held at some time since the sweep began.
  mutable absl::flat_hash_set<base::Digest> since ABSL_GUARDED_BY(mutex);

  void Take(const base::Digest& digest) const {
    const base::MutexLock lock(&mutex);
    ++held[digest];
    if (sweeping) {
      since.insert(digest);
    }
  }
  void Give(const base::Digest& digest) const {
    const base::MutexLock lock(&mutex);
    const auto found = held.find(digest);
    if (--found->second == 0) {
      held.erase(found);
    }
  }
  bool Has(const base::Digest& digest) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return held.contains(digest) || since.contains(digest);
  }
};

class InUse::ResultLease final : public Lease {
 public:
  ResultLease(std::shared_ptr<const Table> table, const base::Digest& strong)
      : table_(std::move(table)),
        strong_(strong) {
    table_->Take(strong_);
  }
  ResultLease(const ResultLease&) = delete;
  ResultLease& operator=(const ResultLease&) = delete;
  ~ResultLease() override { table_->Give(strong_); }

 private:
  const std::shared_ptr<const Table> table_;
  const base::Digest strong_;
};

InUse::InUse() : table_(std::make_shared<const Table>()) {}

std::shared_ptr<const Lease> InUse::LeaseResult(
    const base::Digest& strong) const {
  return std::make_shared<const ResultLease>(table_, strong);
}

InUse::Pins::~Pins() {
  for (const base::Digest& digest : added_) {
    in_use_->table_->Give(digest);
  }
}

void InUse::Pins::Add(const base::Digest& digest) {
  in_use_->table_->Take(digest);
  const base::MutexLock lock(&in_use_->table_->mutex);
  added_.push_back(digest);
}

InUse::Sweeping::Sweeping(const InUse* in_use) : in_use_(in_use) {
  const base::MutexLock lock(&in_use_->table_->mutex);
  in_use_->table_->sweeping = true;
  for (const auto& [key, count] : in_use_->table_->held) {
    in_use_->table_->since.insert(key);
  }
}

InUse::Sweeping::~Sweeping() {
  const base::MutexLock lock(&in_use_->table_->mutex);
  in_use_->table_->sweeping = false;
  in_use_->table_->since.clear();
}

bool InUse::Sweeping::Has(const base::Digest& digest) const {
  const base::MutexLock lock(&in_use_->table_->mutex);
  return in_use_->table_->Has(digest);
}

bool InUse::Sweeping::Unless(const base::Digest& digest,
                             absl::FunctionRef<void()> remove) const {
  const base::MutexLock lock(&in_use_->table_->mutex);
  if (in_use_->table_->Has(digest)) {
    return false;
  }
  remove();
  return true;
}

}  // namespace vt::cache
