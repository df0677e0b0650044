// SPDX-License-Identifier: Apache-2.0
//
// Database opens the daemon's RocksDB directory. It is the only door to
// RocksDB: no other module includes its headers.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vt::store {

// Column families. The names are stored: never rename.
enum class Table {
  kMeta,        // "format" -> number, "root:<path>" -> id, "totals"
  kWeak,        // weak fingerprint -> storage.v1.WeakEntry
  kPathSets,    // path set digest -> storage.v1.PathSet
  kResults,     // strong fingerprint [+ root id] -> storage.v1.Result
  kOwnOutputs,  // weak fingerprint + path -> storage.v1.OwnOutputs
  kPositions,   // root + position -> storage.v1.Position
  kFiles,       // root id + path -> storage.v1.FileIdentity
  kUsage,       // as kResults -> storage.v1.Usage
};
inline constexpr int kTableCount = 8;

// A set of changes that is applied whole or not at all.
struct Batch {
  struct Change {
    Table table;
    std::string key;
    std::string value;
    bool is_delete = false;
  };
  std::vector<Change> changes;

  void Put(Table table, absl::string_view key, std::string value) {
    changes.push_back({table, std::string(key), std::move(value), false});
  }
  void Delete(Table table, absl::string_view key) {
    changes.push_back({table, std::string(key), "", true});
  }
};

// Thread-safe. Blocking: call it from the worker pool, never from the loop.
class Database {
 public:
  // Opens, or creates, the database in `directory`. One of an older format is
  // emptied (see notice()).
  //
  // Errors: UNAVAILABLE when another process holds its lock; DATA_LOSS when it
  // is corrupt; FAILED_PRECONDITION when a newer vtask made it;
  // RESOURCE_EXHAUSTED for a full disk; otherwise as RocksDB says.
  static absl::StatusOr<std::unique_ptr<Database>> Open(
      absl::string_view directory);
  virtual ~Database() = default;

  // NOT_FOUND when `key` has no value.
  virtual absl::StatusOr<std::string> Get(Table table,
                                          absl::string_view key) const = 0;
  virtual absl::Status Write(const Batch& batch) = 0;
  // Calls `visit` for every pair whose key starts with `prefix`, in byte order,
  // until it returns false.
  virtual absl::Status Scan(
      Table table, absl::string_view prefix,
      const std::function<bool(absl::string_view key, absl::string_view value)>&
          visit) const = 0;

  // Deletes everything but the format number. Works on a damaged database, too,
  // and gives its space back at once. On failure all later calls fail.
  virtual absl::Status Clear() = 0;
  // Of its files.
  virtual uint64_t DiskBytes() const = 0;
  // Moves what only the log holds into tables, so that the next Open is short.
  virtual absl::Status Flush() = 0;
  // Gives back the memory that it can do without; for when it has rested.
  virtual absl::Status GiveBack() = 0;
  // Not empty: one sentence for people, about an older format that was dropped.
  virtual const std::string& notice() const = 0;
};

// Number of the stored format, in kMeta under "format" as decimal digits.
inline constexpr int kStoredFormat = 1;

}  // namespace vt::store
