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
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/table.h"

#include "daemon/base/file.h"
#include "daemon/base/mutex.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"

namespace vt::store {
namespace {

// Stored: never rename. In the order of Table.
constexpr std::array<const char*, kTableCount> kTableNames = {
    "meta",        "weak",      "path_sets", "results",
    "own_outputs", "positions", "files",     "usage"};
constexpr char kFormatKey[] = "format";
constexpr char kLockName[] = "vtask.lock";
constexpr size_t kBlockCache = 8 << 20;
// Less in memory is not worth a file for each table (GiveBack).
constexpr uint64_t kSmallTables = 6 << 20;

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
  const std::string path = absl::StrCat(directory, "/", kLockName);
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

std::vector<rocksdb::ColumnFamilyDescriptor> MakeDescriptors(
    const rocksdb::DBOptions& options, const std::string& directory,
    const std::shared_ptr<rocksdb::Cache>& cache);

class RocksDatabase final : public Database {
 public:
  RocksDatabase(std::string directory, base::UniqueFd lock)
      : directory_(std::move(directory)),
        lock_(std::move(lock)) {}

  ~RocksDatabase() override { CloseFiles(); }

  // Errors as Database::Open.
  absl::Status OpenFiles() {
    const rocksdb::DBOptions options = MakeOptions();
    rocksdb::DB* db = nullptr;
    VT_RETURN_IF_ERROR(
        base::Annotate(ToStatus(rocksdb::DB::Open(
                           options, directory_,
                           MakeDescriptors(options, directory_, block_cache_),
                           &handles_, &db)),
                       absl::StrCat("opening `", directory_, "`")));
    db_.reset(db);
    return base::Annotate(CheckFormat(),
                          absl::StrCat("opening `", directory_, "`"));
  }

  absl::StatusOr<std::string> Get(Table table,
                                  absl::string_view key) const override {
    const Use use(this);
    VT_RETURN_IF_ERROR(CheckOpen());
    return GetUnlocked(table, key);
  }

  absl::StatusOr<std::string> GetUnlocked(Table table,
                                          absl::string_view key) const {
    std::string value;
    VT_RETURN_IF_ERROR(ToStatus(
        db_->Get(rocksdb::ReadOptions(), Handle(table), ToSlice(key), &value)));
    return value;
  }

  absl::Status Write(const Batch& batch) override {
    const Use use(this);
    VT_RETURN_IF_ERROR(CheckOpen());
    return WriteUnlocked(batch);
  }

  absl::Status WriteUnlocked(const Batch& batch) {
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
    const Use use(this);
    VT_RETURN_IF_ERROR(CheckOpen());
    rocksdb::ReadOptions options;
    // A scan of everything would drive out what lookups need.
    options.fill_cache = !prefix.empty();
    std::unique_ptr<rocksdb::Iterator> it(
        db_->NewIterator(options, Handle(table)));
    for (it->Seek(ToSlice(prefix));
         it->Valid() && it->key().starts_with(ToSlice(prefix)); it->Next()) {
      if (!visit(ToView(it->key()), ToView(it->value()))) {
        break;
      }
    }
    return ToStatus(it->status());
  }

  absl::Status Clear() override {
    const base::MutexLock alone(&mutex_);
    while (users_ > 0) {
      changed_.Wait(&mutex_);
    }
    CloseFiles();
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(directory_, error)) {
      if (entry.path().filename() != kLockName) {
        std::filesystem::remove_all(entry.path(), error);
      }
    }
    if (error) {
      return base::ErrnoToStatus(error.value(),
                                 absl::StrCat("emptying `", directory_, "`"));
    }
    return OpenFiles();
  }

  uint64_t DiskBytes() const override {
    uint64_t bytes = 0;
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(directory_, error)) {
      const uint64_t size = entry.file_size(error);
      bytes += error ? 0 : size;
    }
    return bytes;
  }

  absl::Status Flush() override {
    const Use use(this);
    VT_RETURN_IF_ERROR(CheckOpen());
    return ToStatus(db_->Flush(rocksdb::FlushOptions(), handles_));
  }

  absl::Status GiveBack() override {
    const Use use(this);
    VT_RETURN_IF_ERROR(CheckOpen());
    block_cache_->EraseUnRefEntries();
    uint64_t unwritten = 0;
    return db_->GetAggregatedIntProperty(
               rocksdb::DB::Properties::kCurSizeAllMemTables, &unwritten) &&
                   unwritten > kSmallTables
               ? ToStatus(db_->Flush(rocksdb::FlushOptions(), handles_))
               : absl::OkStatus();
  }

  const std::string& notice() const override { return notice_; }

  // Compares the stored format with ours; see Open.
  absl::Status CheckFormat() {
    absl::StatusOr<std::string> stored = GetUnlocked(Table::kMeta, kFormatKey);
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
      VT_RETURN_IF_ERROR(DeleteAll());
      notice_ = absl::StrCat("the cache was emptied: it had the older format ",
                             format);
    }
    Batch batch;
    batch.Put(Table::kMeta, kFormatKey, absl::StrCat(kStoredFormat));
    return WriteUnlocked(batch);
  }

 private:
  // Keeps the files open while it exists. Thread-compatible.
  class Use {
   public:
    explicit Use(const RocksDatabase* database) : database_(database) {
      const base::MutexLock lock(&database_->mutex_);
      ++database_->users_;
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() {
      const base::MutexLock lock(&database_->mutex_);
      if (--database_->users_ == 0) {
        database_->changed_.SignalAll();
      }
    }

   private:
    const RocksDatabase* const database_;
  };

  absl::Status CheckOpen() const {
    return db_ != nullptr ? absl::OkStatus()
                          : absl::UnavailableError(
                                "the database could not be opened again");
  }

  void CloseFiles() {
    if (db_ == nullptr) {
      return;
    }
    for (rocksdb::ColumnFamilyHandle* handle : handles_) {
      db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    }
    handles_.clear();
    db_->Close().PermitUncheckedError();
    db_.reset();
  }

  // Record by record, for records that are ours to read.
  absl::Status DeleteAll() {
    Batch batch;
    for (int i = 0; i < kTableCount; ++i) {
      std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(
          rocksdb::ReadOptions(), Handle(static_cast<Table>(i))));
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        batch.Delete(static_cast<Table>(i), ToView(it->key()));
      }
      VT_RETURN_IF_ERROR(ToStatus(it->status()));
    }
    return WriteUnlocked(batch);
  }

  rocksdb::ColumnFamilyHandle* Handle(Table table) const {
    // The default family, which must be opened and stays empty, is first.
    return handles_[static_cast<size_t>(table) + 1];
  }

  const std::string directory_;
  // Before db_: given back last.
  const base::UniqueFd lock_;
  const std::shared_ptr<rocksdb::Cache> block_cache_ =
      rocksdb::NewLRUCache(kBlockCache);
  // Calls under way, also inside of each other: Clear waits until there is none
  // and keeps the lock, the one of ours with I/O under it.
  mutable base::Mutex mutex_;
  mutable base::CondVar changed_;
  mutable int users_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::string notice_;
};

// The default family, ours in the order of Table, then whatever else a newer
// vtask put there (RocksDB opens all or nothing).
std::vector<rocksdb::ColumnFamilyDescriptor> MakeDescriptors(
    const rocksdb::DBOptions& options, const std::string& directory,
    const std::shared_ptr<rocksdb::Cache>& cache) {
  const rocksdb::ColumnFamilyOptions table_options = MakeTableOptions(cache);
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
  auto database = std::make_unique<RocksDatabase>(path, std::move(lock));
  VT_RETURN_IF_ERROR(database->OpenFiles());
  return database;
}

}  // namespace vt::store
