// SPDX-License-Identifier: Apache-2.0
//
// The RocksDB side of Database. Options and failure behaviour were measured on
// RocksDB 7.8.3; RocksDB's own threads do the compaction.

#include "daemon/store/database.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/table.h"

#include "daemon/base/file.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"

namespace vt::store {
namespace {

// Stored: never rename. In the order of Table.
constexpr std::array<const char*, kTableCount> kTableNames = {
    "meta",        "weak",      "path_sets", "results",
    "own_outputs", "positions", "files"};
constexpr char kFormatKey[] = "format";

rocksdb::Slice ToSlice(absl::string_view s) { return {s.data(), s.size()}; }
absl::string_view ToView(const rocksdb::Slice& s) {
  return {s.data(), s.size()};
}

absl::Status ToStatus(const rocksdb::Status& s) {
  if (s.ok()) {
    return absl::OkStatus();
  }
  if (s.IsNotFound()) {
    return absl::NotFoundError("no such key");
  }
  if (s.IsNoSpace()) {
    return absl::ResourceExhaustedError(s.ToString());
  }
  if (s.IsCorruption()) {
    return absl::DataLossError(s.ToString());
  }
  if (s.IsBusy() || s.IsTryAgain()) {
    return absl::UnavailableError(s.ToString());
  }
  return absl::InternalError(s.ToString());
}

// One handful of small tables in a daemon that must stay small; the numbers
// were tried together (100 000 results: 28 MB resident).
rocksdb::DBOptions MakeOptions() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.paranoid_checks = true;
  options.max_open_files = 256;
  options.max_background_jobs = 2;
  options.db_write_buffer_size = 16 << 20;
  options.max_total_wal_size = 16 << 20;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // Column families are flushed together, or a batch could come back in part.
  options.atomic_flush = true;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = 1 << 20;
  options.keep_log_file_num = 2;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  options.skip_checking_sst_file_sizes_on_db_open = true;
  return options;
}

rocksdb::ColumnFamilyOptions MakeTableOptions(
    const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = 4 << 20;
  options.compression = rocksdb::kLZ4Compression;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// RocksDB's own lock gives a plain I/O error that only its text tells apart, so
// ours is taken first. Freed by the kernel when the process dies.
absl::StatusOr<base::UniqueFd> TakeLock(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/vtask.lock");
  base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.is_valid()) {
    return base::ErrnoToStatus(errno, absl::StrCat("opening `", path, "`"));
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return absl::UnavailableError(absl::StrCat(
          "opening `", directory, "`: another process holds its lock"));
    }
    return base::ErrnoToStatus(errno, absl::StrCat("locking `", path, "`"));
  }
  return fd;
}

class RocksDatabase final : public Database {
 public:
  RocksDatabase(base::UniqueFd lock, std::unique_ptr<rocksdb::DB> db,
                std::vector<rocksdb::ColumnFamilyHandle*> handles)
      : lock_(std::move(lock)),
        db_(std::move(db)),
        handles_(std::move(handles)) {}

  ~RocksDatabase() override {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) {
      db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    }
    db_->Close().PermitUncheckedError();
  }

  absl::StatusOr<std::string> Get(Table table,
                                  absl::string_view key) const override {
    std::string value;
    VT_RETURN_IF_ERROR(ToStatus(
        db_->Get(rocksdb::ReadOptions(), Handle(table), ToSlice(key), &value)));
    return value;
  }

  absl::Status Write(const Batch& batch) override {
    rocksdb::WriteBatch changes;
    for (const Batch::Change& change : batch.changes) {
      const rocksdb::Status added =
          change.is_delete
              ? changes.Delete(Handle(change.table), change.key)
              : changes.Put(Handle(change.table), change.key, change.value);
      VT_RETURN_IF_ERROR(ToStatus(added));
    }
    // Not synced: a dead process loses nothing, a power cut may lose the tail,
    // which a cache can afford (36 us instead of 372 us).
    return ToStatus(db_->Write(rocksdb::WriteOptions(), &changes));
  }

  absl::Status Scan(
      Table table, absl::string_view prefix,
      const std::function<bool(absl::string_view, absl::string_view)>& visit)
      const override {
    std::unique_ptr<rocksdb::Iterator> it(
        db_->NewIterator(rocksdb::ReadOptions(), Handle(table)));
    for (it->Seek(ToSlice(prefix));
         it->Valid() && it->key().starts_with(ToSlice(prefix)); it->Next()) {
      if (!visit(ToView(it->key()), ToView(it->value()))) {
        break;
      }
    }
    return ToStatus(it->status());
  }

  absl::Status Clear() override {
    Batch batch;
    for (int i = 0; i < kTableCount; ++i) {
      const Table table = static_cast<Table>(i);
      VT_RETURN_IF_ERROR(Scan(
          table, "", [&](absl::string_view key, absl::string_view /*value*/) {
            if (table != Table::kMeta || key != kFormatKey) {
              batch.Delete(table, key);
            }
            return true;
          }));
    }
    return Write(batch);
  }

  absl::Status Flush() override {
    return ToStatus(db_->Flush(rocksdb::FlushOptions(), handles_));
  }

  const std::string& notice() const override { return notice_; }

  // Compares the stored format with ours; see Open.
  absl::Status CheckFormat() {
    absl::StatusOr<std::string> stored = Get(Table::kMeta, kFormatKey);
    int format = 0;
    if (stored.ok() && !absl::SimpleAtoi(*stored, &format)) {
      return absl::DataLossError("the format number does not parse");
    }
    if (!stored.ok() && !absl::IsNotFound(stored.status())) {
      return stored.status();
    }
    if (format == kStoredFormat) {
      return absl::OkStatus();
    }
    if (format > kStoredFormat) {
      return absl::FailedPreconditionError(absl::StrCat(
          "made by a newer vtask (format ", format, ", this one reads ",
          kStoredFormat, "): update vtask, or use another cache directory"));
    }
    if (stored.ok()) {
      VT_RETURN_IF_ERROR(Clear());
      notice_ = absl::StrCat("the cache was emptied: it had the older format ",
                             format);
    }
    Batch batch;
    batch.Put(Table::kMeta, kFormatKey, absl::StrCat(kStoredFormat));
    return Write(batch);
  }

 private:
  rocksdb::ColumnFamilyHandle* Handle(Table table) const {
    // The default family, which must be opened and stays empty, is first.
    return handles_[static_cast<size_t>(table) + 1];
  }

  // Before db_: given back last.
  base::UniqueFd lock_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::string notice_;
};

// The default family, ours in the order of Table, then whatever else a newer
// vtask put there (RocksDB opens all or nothing).
std::vector<rocksdb::ColumnFamilyDescriptor> MakeDescriptors(
    const rocksdb::DBOptions& options, const std::string& directory) {
  const rocksdb::ColumnFamilyOptions table_options =
      MakeTableOptions(rocksdb::NewLRUCache(8 << 20));
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName, table_options);
  for (const char* name : kTableNames) {
    descriptors.emplace_back(name, table_options);
  }
  std::vector<std::string> present;
  if (rocksdb::DB::ListColumnFamilies(options, directory, &present).ok()) {
    for (const std::string& name : present) {
      bool known = name == rocksdb::kDefaultColumnFamilyName;
      for (const char* ours : kTableNames) {
        known = known || name == ours;
      }
      if (!known) {
        descriptors.emplace_back(name, table_options);
      }
    }
  }
  return descriptors;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(
    absl::string_view directory) {
  const std::string path(directory);
  VT_RETURN_IF_ERROR(base::MakeDirectories(path, 0700));
  VT_ASSIGN_OR_RETURN(base::UniqueFd lock, TakeLock(path));

  const rocksdb::DBOptions options = MakeOptions();
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  VT_RETURN_IF_ERROR(base::Annotate(
      ToStatus(rocksdb::DB::Open(options, path, MakeDescriptors(options, path),
                                 &handles, &db)),
      absl::StrCat("opening `", path, "`")));
  auto database = std::make_unique<RocksDatabase>(
      std::move(lock), std::unique_ptr<rocksdb::DB>(db), std::move(handles));
  VT_RETURN_IF_ERROR(base::Annotate(database->CheckFormat(),
                                    absl::StrCat("opening `", path, "`")));
  return database;
}

}  // namespace vt::store
