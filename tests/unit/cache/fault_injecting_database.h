// SPDX-License-Identifier: Apache-2.0
//
// A database whose writes can be made to fail.

#pragma once

#include <memory>
#include <string>
#include <utility>

#include "daemon/store/database.h"

namespace vt::test {

// What the test holds; the database is the cache's.
struct Faults {
  absl::Status write = absl::OkStatus();
  int writes = 0;
};

// Thread-compatible.
class FaultInjectingDatabase final : public store::Database {
 public:
  // `faults` outlives this.
  FaultInjectingDatabase(std::unique_ptr<store::Database> real, Faults* faults)
      : real_(std::move(real)),
        faults_(faults) {}

  absl::StatusOr<std::string> Get(store::Table table,
                                  absl::string_view key) const override {
    return real_->Get(table, key);
  }
  absl::Status Write(const store::Batch& batch) override {
    ++faults_->writes;
    return faults_->write.ok() ? real_->Write(batch) : faults_->write;
  }
  absl::Status Scan(
      store::Table table, absl::string_view prefix,
      const std::function<bool(absl::string_view, absl::string_view)>& visit)
      const override {
    return real_->Scan(table, prefix, visit);
  }
  absl::Status Clear() override { return real_->Clear(); }
  uint64_t DiskBytes() const override { return real_->DiskBytes(); }
  absl::Status Flush() override { return real_->Flush(); }
  absl::Status GiveBack() override { return real_->GiveBack(); }
  const std::string& notice() const override { return real_->notice(); }

 private:
  std::unique_ptr<store::Database> real_;
  Faults* faults_;
};

}  // namespace vt::test
