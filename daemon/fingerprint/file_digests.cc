// SPDX-License-Identifier: Apache-2.0
//
// When is a digest on file still true? A file is changed only together with its
// ctime. So an identity tells two contents apart if any change after the file
// was read has another ctime (sighting.h says when that is known). What is not
// so is read again at each look, until it is old enough.

#include "daemon/fingerprint/file_digests.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "daemon/base/consulted.h"
#include "daemon/base/file_clock.h"
#include "daemon/base/fnv.h"
#include "daemon/base/mutex.h"
#include "daemon/base/near_files.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"
#include "daemon/fingerprint/content.h"
#include "daemon/fingerprint/digest_table.h"
#include "daemon/fingerprint/sighting.h"
#include "daemon/fingerprint/sink.h"
#include "daemon/store/database.h"

namespace vt::fingerprint {
namespace {

using vtask::storage::v1::FileIdentity;
using vtask::storage::v1::Value;

// Read at once: each worker has a buffer of it, for good.
constexpr size_t kChunk = 128 << 10;

// Of a path: those of 100 000 files would take as much again. Two of one key
// cost a look, no more: an entry counts for the inode that its identity names,
// by whatever path.
uint64_t KeyOf(absl::string_view path) { return base::Fnv1a64(path); }

std::string Record(const KnownContent& entry) {
  FileIdentity stored;
  stored.set_device(entry.identity.device);
  stored.set_inode(entry.identity.inode);
  stored.set_size(entry.identity.size);
  stored.set_mtime_ns(entry.identity.mtime_ns);
  stored.set_ctime_ns(entry.identity.ctime_ns);
  stored.set_content_digest(std::string(entry.content.AsBytes()));
  stored.set_contains_root(entry.contains_root);
  return stored.SerializeAsString();
}

KnownContent KnownNow(const Sighting& seen, const base::Digest& content,
                      bool contains_root) {
  KnownContent entry;
  entry.identity = IdentityOf(seen.status);
  entry.content = content;
  entry.contains_root = contains_root;
  entry.is_settled = seen.is_final;
  entry.known_since_ns = absl::GetCurrentTimeNanos();
  if (entry.is_settled) {
    entry.known_since_ns =
        std::min(entry.known_since_ns, LastChange(entry.identity));
  }
  return entry;
}

// What is known below one root. Thread-safe.
struct RootTable {
  explicit RootTable(std::string root_id) : id(std::move(root_id)) {}

  // Puts `entry` for `path`, or nothing if `entry` is null.
  void Update(const std::string& path, const KnownContent* entry)
      ABSL_LOCKS_EXCLUDED(mutex);

  const std::string id;
  base::Mutex mutex;
  DigestTable files ABSL_GUARDED_BY(mutex);
  // Paths whose entries differ from the database's.
  absl::flat_hash_set<std::string> unsaved ABSL_GUARDED_BY(mutex);
};

void RootTable::Update(const std::string& path, const KnownContent* entry) {
  const uint64_t key = KeyOf(path);
  std::string unsaved_path = path;  // made while nobody waits
  base::MutexLock lock(&mutex);
  if (entry == nullptr) {
    if (files.Erase(key)) {
      unsaved.insert(std::move(unsaved_path));
    }
    return;
  }
  files.Put(key, *entry);
  if (entry->is_settled) {
    unsaved.insert(std::move(unsaved_path));
  }
}

// What Save has to write of one root.
struct Unsaved {
  std::string root;
  RootTable* table;
  absl::flat_hash_set<std::string> paths;
};

Value::Type TypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return Value::FILE;
    case S_IFDIR:
      return Value::DIRECTORY;
    case S_IFLNK:
      return Value::SYMLINK;
    default:
      return Value::OTHER;
  }
}

FileState StateOf(const struct stat& st) {
  FileState state;
  state.type = TypeOf(st.st_mode);
  state.mode = st.st_mode & 07777;
  state.size = static_cast<uint64_t>(st.st_size);
  state.mtime_ns = base::ToNs(st.st_mtim);
  state.ctime_ns = base::ToNs(st.st_ctim);
  return state;
}

struct Reading {
  bool ok = false;
  Sighting seen;  // before the first byte was read
  base::Digest content;
  bool contains_root = false;
  bool is_steady = false;  // nobody changed it while it was read
};

// `size` is what the status said: beyond it nothing is looked for, but where it
// said nothing (/proc). Had the file grown, its status would tell.
bool HashAll(int fd, uint64_t size, ContentHasher* hasher) {
  thread_local std::string buffer;
  buffer.resize(kChunk);
  uint64_t total = 0;
  while (size == 0 || total < size) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n == 0) {
      return true;
    }
    if (n > 0) {
      total += static_cast<uint64_t>(n);
      hasher->Update({buffer.data(), static_cast<size_t>(n)});
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

Reading ReadOnce(const std::string& root, const std::string& path,
                 bool follow) {
  Reading reading;
  // Not to hang on a pipe that took the file's place.
  const int flags =
      O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (follow ? 0 : O_NOFOLLOW);
  const base::NearFiles::Place place = base::FindNear(path);
  base::UniqueFd fd(::openat(place.directory, place.name, flags));
  const struct stat& st = reading.seen.status;
  if (!fd.is_valid() || !See(fd.get(), &reading.seen) || !S_ISREG(st.st_mode)) {
    return reading;
  }
  ContentHasher hasher(root);
  if (!HashAll(fd.get(), static_cast<uint64_t>(st.st_size), &hasher)) {
    return reading;
  }
  reading.content = hasher.Finish();
  reading.contains_root = hasher.contains_root();
  reading.is_steady = IsAsSeen(fd.get(), reading.seen);
  reading.ok = true;
  return reading;
}

// What a file has of which half was read before a change: equal to nothing.
base::Digest UnknownContent() {
  static std::atomic<uint64_t> count = 0;
  HashingSink sink;
  sink.Number("unknown", count.fetch_add(1, std::memory_order_relaxed));
  sink.Number("process", static_cast<uint64_t>(::getpid()));
  sink.Number("time", static_cast<uint64_t>(absl::GetCurrentTimeNanos()));
  return sink.Finish();
}

// A file that never rests has unknown content, and is not remembered.
Reading Read(const std::string& root, const std::string& path, bool follow) {
  constexpr int kTries = 3;
  Reading reading;
  for (int i = 0; i < kTries; ++i) {
    reading = ReadOnce(root, path, follow);
    if (!reading.ok || reading.is_steady) {
      return reading;
    }
  }
  reading.content = UnknownContent();
  return reading;
}

}  // namespace

struct FileDigests::State {
  explicit State(store::Database* db) : database(db) {}

  // Lock order: database_mutex, then mutex, then that of a table.
  base::Mutex database_mutex;
  store::Database* database ABSL_GUARDED_BY(database_mutex);
  base::Mutex mutex;
  // By root; EXECUTED files outside of all are under "". None is ever removed.
  absl::flat_hash_map<std::string, std::unique_ptr<RootTable>> roots
      ABSL_GUARDED_BY(mutex);
  std::atomic<uint64_t> reads = 0;

  // The table of `root`; the first time with what is stored of it.
  RootTable* Table(const std::string& root)
      ABSL_LOCKS_EXCLUDED(database_mutex, mutex);
  std::vector<Unsaved> TakeUnsaved() ABSL_LOCKS_EXCLUDED(mutex);
  absl::Status Write(const store::Batch& batch)
      ABSL_LOCKS_EXCLUDED(database_mutex);
};

namespace {

// Adds the next paths from `*at`, as they are now, and moves it on.
void AddNext(const Unsaved& unsaved,
             absl::flat_hash_set<std::string>::const_iterator* at,
             store::Batch* batch) {
  // A lookup that waits for the lock waits for no more than these.
  constexpr int kAtOnce = 256;
  RootTable* const table = unsaved.table;
  base::MutexLock lock(&table->mutex);
  for (int i = 0; i < kAtOnce && *at != unsaved.paths.end(); ++i, ++*at) {
    std::string key = absl::StrCat(table->id, **at);
    const std::optional<KnownContent> entry = table->files.Find(KeyOf(**at));
    if (entry.has_value() && entry->is_settled) {
      batch->Put(store::Table::kFiles, std::move(key), Record(*entry));
    } else {
      batch->Delete(store::Table::kFiles, std::move(key));
    }
  }
}

}  // namespace

std::string RootId(const std::string& root) {
  return std::string(Sha256(root).AsBytes().substr(0, 16));
}

base::Digest DirectoryDigest() {
  HashingSink sink;
  sink.Bytes("directory", "");
  return sink.Finish();
}

base::Digest LinkDigest(const std::string& root, absl::string_view text) {
  const base::Digest content =
      FileDigests::ContentDigest(root, text, /*contains_root=*/nullptr);
  HashingSink sink;
  sink.Bytes("link", content.AsBytes());
  return sink.Finish();
}

FileDigests::FileDigests(store::Database* database)
    : state_(std::make_unique<State>(database)) {}
FileDigests::~FileDigests() = default;

RootTable* FileDigests::State::Table(const std::string& root) {
  {
    base::MutexLock lock(&mutex);
    if (const auto found = roots.find(root); found != roots.end()) {
      return found->second.get();
    }
  }
  base::MutexLock database_lock(&database_mutex);
  auto table = std::make_unique<RootTable>(RootId(root));
  if (database != nullptr) {
    const size_t skip = table->id.size();
    base::MutexLock lock(&table->mutex);
    DigestTable* const files = &table->files;
    const auto visit = [&](absl::string_view key, absl::string_view value) {
      FileIdentity stored;
      if (stored.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
        KnownContent entry;
        entry.identity = {stored.device(), stored.inode(), stored.size(),
                          stored.mtime_ns(), stored.ctime_ns()};
        entry.content = base::Digest::FromBytes(stored.content_digest());
        entry.contains_root = stored.contains_root();
        entry.is_settled = true;
        entry.known_since_ns = LastChange(entry.identity);
        files->Put(KeyOf(key.substr(skip)), entry);
      }
      return true;
    };
    // A table that cannot be read costs time, not correctness.
    database->Scan(store::Table::kFiles, table->id, visit).IgnoreError();
  }
  base::MutexLock lock(&mutex);
  // Another thread may have come first.
  return roots.try_emplace(root, std::move(table)).first->second.get();
}

FileState FileDigests::Look(const std::string& root, const std::string& path,
                            bool follow, bool want_content) {
  struct stat st = {};
  const base::NearFiles::Place place = base::FindNear(path);
  if (::fstatat(place.directory, place.name, &st,
                follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
    const int error = errno;
    base::NoteConsulted(path, follow);
    FileState state;
    const bool absent = error == ENOENT || error == ENOTDIR || error == ELOOP ||
                        error == ENAMETOOLONG;
    state.type = absent ? Value::MISSING : Value::UNREADABLE;
    state.is_blocked = error == ENOTDIR;
    state.is_lost = error == ELOOP || error == ENAMETOOLONG;
    return state;
  }
  base::NoteConsulted(path, follow, S_ISREG(st.st_mode) && st.st_nlink > 1);
  FileState state = StateOf(st);
  if (!want_content || state.type != Value::FILE) {
    return state;
  }

  RootTable* const table = state_->Table(root);
  std::optional<KnownContent> known;
  {
    const uint64_t key = KeyOf(path);
    base::MutexLock lock(&table->mutex);
    known = table->files.Find(key);
  }
  if (known.has_value() && !(known->identity == IdentityOf(st))) {
    known.reset();
  }
  if (known.has_value() && known->is_settled) {
    state.content = known->content;
    state.contains_root = known->contains_root;
    state.known_since_ns = known->known_since_ns;
    return state;
  }

  const Reading reading = Read(root, path, follow);
  state_->reads.fetch_add(1, std::memory_order_relaxed);
  if (!reading.ok) {
    state.type = Value::UNREADABLE;
    return state;
  }
  state = StateOf(reading.seen.status);
  state.content = reading.content;
  state.contains_root = reading.contains_root;
  if (!reading.is_steady) {
    table->Update(path, nullptr);
    return state;
  }
  KnownContent entry =
      KnownNow(reading.seen, reading.content, reading.contains_root);
  if (known.has_value() && known->identity == entry.identity &&
      known->content == entry.content) {
    entry.known_since_ns =
        std::min(entry.known_since_ns, known->known_since_ns);
  }
  state.known_since_ns = entry.known_since_ns;
  table->Update(path, &entry);
  return state;
}

void FileDigests::Remember(const std::string& root, const std::string& path,
                           const Sighting& seen, const base::Digest& content,
                           bool contains_root) {
  const KnownContent entry = KnownNow(seen, content, contains_root);
  state_->Table(root)->Update(path, entry.is_settled ? &entry : nullptr);
}

std::vector<Unsaved> FileDigests::State::TakeUnsaved() {
  std::vector<Unsaved> out;
  base::MutexLock lock(&mutex);
  for (auto& [root, table] : roots) {
    base::MutexLock table_lock(&table->mutex);
    if (!table->unsaved.empty()) {
      // Not emptied: it would keep room for as many.
      out.push_back({root, table.get(), std::exchange(table->unsaved, {})});
    }
  }
  return out;
}

absl::Status FileDigests::State::Write(const store::Batch& batch) {
  base::MutexLock lock(&database_mutex);
  return database == nullptr ? absl::OkStatus() : database->Write(batch);
}

absl::Status FileDigests::Save() {
  for (const Unsaved& unsaved : state_->TakeUnsaved()) {
    store::Batch root;
    root.Put(store::Table::kMeta, absl::StrCat("root:", unsaved.root),
             unsaved.table->id);
    VT_RETURN_IF_ERROR(state_->Write(root));
    for (auto at = unsaved.paths.begin(); at != unsaved.paths.end();) {
      store::Batch batch;
      AddNext(unsaved, &at, &batch);
      // What is lost with a failure is hashed again after the next start.
      VT_RETURN_IF_ERROR(state_->Write(batch));
    }
  }
  return absl::OkStatus();
}

void FileDigests::Detach() {
  base::MutexLock database_lock(&state_->database_mutex);
  state_->database = nullptr;
}

void FileDigests::Forget() {
  base::MutexLock lock(&state_->mutex);
  // The tables themselves stay: a Look may be on its way to one.
  for (auto& [root, table] : state_->roots) {
    base::MutexLock table_lock(&table->mutex);
    table->files.Clear();
    table->unsaved.clear();
  }
}

uint64_t FileDigests::reads() const {
  return state_->reads.load(std::memory_order_relaxed);
}

}  // namespace vt::fingerprint
