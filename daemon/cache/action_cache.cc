// SPDX-License-Identifier: Apache-2.0
//
// The two phases over the tables. Whoever calls in is counted, so that Close
// can wait for them and then give the database back.

#include "daemon/cache/action_cache.h"

#include <filesystem>
#include <system_error>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "daemon/base/mutex.h"
#include "daemon/base/status.h"
#include "daemon/base/version.h"
#include "daemon/cache/blob_store.h"
#include "daemon/cache/evaluate.h"
#include "daemon/cache/log_record.h"
#include "daemon/cache/outputs.h"
#include "daemon/cache/records.h"
#include "daemon/cache/restore.h"
#include "daemon/cache/store_action.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/store/database.h"

namespace vt::cache {
namespace {

using store::Batch;
using store::Table;
using vtask::storage::v1::LogChunk;
using vtask::storage::v1::Observation;
using vtask::storage::v1::PathSet;
using vtask::storage::v1::Position;
using vtask::storage::v1::Result;
using vtask::storage::v1::Value;
using vtask::storage::v1::WeakEntry;
using vtask::v1::NotStored;

// The order of path sets is written when it changes, their age this often.
constexpr int64_t kTouchSeconds = 3600;
// After a failed write. RocksDB recovers from a full disk by itself within
// about 5 s (measured on 7.8.3).
constexpr absl::Duration kProbeInterval = absl::Seconds(5);

std::string Bytes(const base::Digest& digest) {
  return std::string(digest.AsBytes());
}

NotStored StoreFailed(absl::string_view text) {
  NotStored why;
  why.set_reason(NotStored::STORE_FAILED);
  why.set_text(std::string(text));
  return why;
}

// What was made out of somebody else's content is not the action's own: were it
// rebuildable, a formatted source would be restored over a later edit of it, or
// after its deletion (decisions H4).
std::vector<std::pair<std::string, base::Digest>> OwnContents(
    const PathSet& path_set,
    const std::vector<std::pair<std::string, base::Digest>>& contents) {
  absl::flat_hash_set<absl::string_view> given;
  for (const Observation& observation : path_set.observations()) {
    if (!observation.rebuildable() &&
        (observation.kind() == Observation::CONTENT ||
         observation.kind() == Observation::LINK)) {
      given.insert(observation.path());
    }
  }
  std::vector<std::pair<std::string, base::Digest>> own;
  for (const auto& content : contents) {
    if (!given.contains(content.first)) {
      own.push_back(content);
    }
  }
  return own;
}

class ActionCacheImpl final : public ActionCache {
 public:
  ActionCacheImpl(std::unique_ptr<store::Database> database, BlobStore blobs,
                  std::string notice, std::function<absl::Time()> now)
      : now_(now != nullptr ? std::move(now) : absl::Now),
        database_(std::move(database)),
        blobs_(std::move(blobs)),
        notice_(std::move(notice)),
        files_(database_.get()) {}
  ~ActionCacheImpl() override { Close(); }

  LookupResult Lookup(const ActionKey& key) override;
  Details Describe(const ActionKey& key, const LookupResult& found) override;
  absl::Status Restore(const ActionKey& key, const Hit& hit,
                       std::vector<std::string>* notes) override;
  absl::StatusOr<std::vector<LogChunk>> ReadLog(const Hit& hit) override;
  std::optional<NotStored> Store(const ActionKey& key,
                                 const FinishedAction& finished) override;
  bool IsOwnOutput(const base::Digest& weak, const std::string& path,
                   const base::Digest& digest) override;
  fingerprint::FileDigests& files() override { return files_; }
  absl::Status Clean() override;
  std::string health() const override;
  std::string notice() const override { return notice_; }
  void Close() override;

 private:
  // Keeps the database open while it exists. Thread-compatible.
  class Use {
   public:
    explicit Use(ActionCacheImpl* cache) : cache_(cache) {
      base::MutexLock lock(&cache_->mutex_);
      is_open_ = !cache_->closed_;
      cache_->users_ += is_open_ ? 1 : 0;
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() {
      base::MutexLock lock(&cache_->mutex_);
      cache_->users_ -= is_open_ ? 1 : 0;
      cache_->changed_.SignalAll();
    }
    bool is_open() const { return is_open_; }

   private:
    ActionCacheImpl* const cache_;
    bool is_open_ = false;
  };

  // One lookup under way.
  struct Search {
    const ActionKey& key;
    base::Digest weak;
    fingerprint::World world;
    Evaluator evaluator;
    WeakEntry known;
    Search(const ActionKey& k, fingerprint::World w)
        : key(k),
          world(std::move(w)),
          evaluator(&world) {}
  };

  fingerprint::World MakeWorld(const ActionKey& key, const base::Digest& weak);
  // Phase two for the path set of one entry. NOT_FOUND: no result.
  absl::StatusOr<Hit> TryPathSet(Search* search, const std::string& digest);
  void Touch(const Search& search, int index, const Hit& hit);
  Miss Explain(Search* search);
  // Against the result `strong`; false if nothing can be said.
  bool CompareWith(const base::Digest& strong, Search* search, Miss* miss);

  absl::Status WriteResult(const ActionKey& key, const base::Digest& weak,
                           const PathSet& path_set, const Result& result,
                           const CapturedOutputs& captured);
  bool MayWrite() const;
  void NoteWrite(const absl::Status& status);

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  int users_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string problem_ ABSL_GUARDED_BY(mutex_);
  absl::Time next_probe_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();

  const std::function<absl::Time()> now_;
  // Held over read, change and write of shared records: the one lock of ours
  // with I/O under it. Before mutex_.
  base::Mutex write_mutex_;
  // Null after Close; only used under a Use.
  std::unique_ptr<store::Database> database_;
  const BlobStore blobs_;
  const std::string notice_;
  fingerprint::FileDigests files_;
};

fingerprint::World ActionCacheImpl::MakeWorld(const ActionKey& key,
                                              const base::Digest& weak) {
  fingerprint::World world;
  world.root = key.root;
  world.env = key.env.get();
  world.files = &files_;
  world.is_own_output = [this, weak](const std::string& path,
                                     const base::Digest& digest) {
    return cache::IsOwnOutput(*database_, weak, path, digest);
  };
  return world;
}

bool ActionCacheImpl::IsOwnOutput(const base::Digest& weak,
                                  const std::string& path,
                                  const base::Digest& digest) {
  const Use use(this);
  return use.is_open() && cache::IsOwnOutput(*database_, weak, path, digest);
}

absl::StatusOr<Hit> ActionCacheImpl::TryPathSet(Search* search,
                                                const std::string& digest) {
  VT_ASSIGN_OR_RETURN(
      const PathSet path_set,
      LoadRecord<PathSet>(*database_, Table::kPathSets, digest));
  Hit hit;
  hit.strong = fingerprint::StrongFingerprint(
      search->weak, base::Digest::FromBytes(digest),
      ForFingerprint(path_set, search->evaluator.Evaluate(path_set)));
  VT_ASSIGN_OR_RETURN(hit.result,
                      LoadResult(*database_, hit.strong, search->key.root));
  return hit;
}

LookupResult ActionCacheImpl::Lookup(const ActionKey& key) {
  LookupResult found;
  const Use use(this);
  if (!use.is_open()) {
    found.miss.first_run = true;
    found.miss.note = "the cache is closed";
    return found;
  }
  const base::Digest weak = fingerprint::WeakFingerprint(key.description);
  Search search(key, MakeWorld(key, weak));
  search.weak = weak;
  std::string note;
  absl::StatusOr<WeakEntry> entry =
      LoadRecord<WeakEntry>(*database_, Table::kWeak, weak.AsBytes());
  if (entry.ok()) {
    search.known = *std::move(entry);
  } else if (!absl::IsNotFound(entry.status())) {
    note = std::string(entry.status().message());
  }
  for (int i = 0; i < search.known.path_sets_size(); ++i) {
    absl::StatusOr<Hit> hit =
        TryPathSet(&search, search.known.path_sets(i).path_set());
    if (hit.ok()) {
      Touch(search, i, *hit);
      found.hit = *std::move(hit);
      return found;
    }
    if (!absl::IsNotFound(hit.status())) {
      note = std::string(hit.status().message());
    }
  }
  found.miss = Explain(&search);
  if (!note.empty()) {
    found.miss.note = absl::StrCat("the cache is damaged: ", note);
  }
  return found;
}

void ActionCacheImpl::Touch(const Search& search, int index, const Hit& hit) {
  const base::MutexLock lock(&write_mutex_);
  Batch batch;
  const auto& ref = search.known.path_sets(index);
  if (index != 0 ||
      ref.last_used_unix_s() + kTouchSeconds < absl::ToUnixSeconds(now_())) {
    PutWeak(*database_, search.weak, ref.path_set(), now_(), &batch);
  }
  Position position;
  *position.mutable_description() = search.key.description;
  position.set_weak(Bytes(search.weak));
  position.set_strong(Bytes(hit.strong));
  PutPosition(*database_, PositionKey(search.key.root, search.key.position),
              position, &batch);
  PutPosition(*database_, LastOfWeakKey(search.weak), position, &batch);
  if (!batch.changes.empty() && MayWrite()) {
    NoteWrite(database_->Write(batch));
  }
}

Miss ActionCacheImpl::Explain(Search* search) {
  Miss miss;
  const absl::StatusOr<Position> last =
      LoadRecord<Position>(*database_, Table::kPositions,
                           PositionKey(search->key.root, search->key.position));
  const std::string weak = Bytes(search->weak);
  if (last.ok() && last->weak() != weak) {
    miss.partial = true;
    miss.differences = fingerprint::DescribeDifferences(
        last->description(), search->key.description);
    if (miss.differences.empty()) {
      // The same in all we can name: the way it is fingerprinted changed.
      auto& difference = miss.differences.emplace_back();
      difference.set_kind(vtask::v1::Difference::FORMAT);
      difference.set_change(vtask::v1::Difference::CHANGED);
    }
    return miss;
  }
  if (last.ok() &&
      CompareWith(base::Digest::FromBytes(last->strong()), search, &miss)) {
    return miss;
  }
  const absl::StatusOr<Position> of_weak = LoadRecord<Position>(
      *database_, Table::kPositions, LastOfWeakKey(search->weak));
  if (of_weak.ok() &&
      CompareWith(base::Digest::FromBytes(of_weak->strong()), search, &miss)) {
    return miss;
  }
  miss.first_run = !last.ok();
  if (last.ok() && miss.note.empty()) {
    miss.note = "the earlier result is no longer in the cache";
  }
  return miss;
}

bool ActionCacheImpl::CompareWith(const base::Digest& strong, Search* search,
                                  Miss* miss) {
  // One that is bound to another root still tells what changed.
  const absl::StatusOr<Result> result =
      LoadAnyResult(*database_, strong, search->key.root);
  if (!result.ok()) {
    return false;
  }
  const absl::StatusOr<PathSet> path_set =
      LoadRecord<PathSet>(*database_, Table::kPathSets, result->path_set());
  if (!path_set.ok() ||
      path_set->observations_size() != result->values_size()) {
    return false;
  }
  const std::vector<Value> now =
      ForFingerprint(*path_set, search->evaluator.Evaluate(*path_set));
  for (int i = 0; i < result->values_size(); ++i) {
    fingerprint::AppendDifferences(path_set->observations(i), result->values(i),
                                   now[static_cast<size_t>(i)],
                                   &miss->differences);
  }
  fingerprint::SortDifferences(&miss->differences);
  if (miss->differences.empty()) {
    miss->note =
        "an equal result names another directory, so it counts only "
        "there";
    return false;
  }
  miss->note.clear();
  return true;
}

Details ActionCacheImpl::Describe(const ActionKey& key,
                                  const LookupResult& found) {
  const Use use(this);
  if (!use.is_open()) {
    return {};
  }
  Search search(key,
                MakeWorld(key, fingerprint::WeakFingerprint(key.description)));
  absl::StatusOr<Result> result = absl::NotFoundError("");
  if (found.hit.has_value()) {
    result = found.hit->result;
  } else if (const absl::StatusOr<Position> last =
                 LoadRecord<Position>(*database_, Table::kPositions,
                                      PositionKey(key.root, key.position));
             last.ok() && !found.miss.partial) {
    result = LoadAnyResult(*database_, base::Digest::FromBytes(last->strong()),
                           key.root);
  }
  if (!result.ok()) {
    return {};
  }
  const absl::StatusOr<PathSet> path_set =
      LoadRecord<PathSet>(*database_, Table::kPathSets, result->path_set());
  if (!path_set.ok() ||
      path_set->observations_size() != result->values_size()) {
    return {};
  }
  return DescribeResult(
      *result, *path_set,
      ForFingerprint(*path_set, search.evaluator.Evaluate(*path_set)));
}

absl::Status ActionCacheImpl::Restore(const ActionKey& key, const Hit& hit,
                                      std::vector<std::string>* notes) {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  return RestoreOutputs(key.root, hit.result, blobs_, &files_, notes);
}

absl::StatusOr<std::vector<LogChunk>> ActionCacheImpl::ReadLog(const Hit& hit) {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  return LoadLog(hit.result, blobs_);
}

std::optional<NotStored> ActionCacheImpl::Store(
    const ActionKey& key, const FinishedAction& finished) {
  const Use use(this);
  if (!use.is_open()) {
    return StoreFailed("the cache is closed");
  }
  if (!MayWrite()) {
    return StoreFailed(health());
  }
  const base::Digest weak = fingerprint::WeakFingerprint(key.description);
  const PathSet path_set = Canonical(finished.path_set);
  NotStored why;
  std::optional<std::vector<Value>> values =
      EvaluateFinished(path_set, finished, MakeWorld(key, weak), &why);
  if (!values.has_value()) {
    return why;
  }
  *values = ForFingerprint(path_set, *std::move(values));

  std::string failed_path;
  absl::StatusOr<CapturedOutputs> captured =
      CaptureOutputs(key.root, finished.outputs, blobs_, &files_, &failed_path);
  if (!captured.ok()) {
    NoteWrite(captured.status());
    why = StoreFailed(captured.status().message());
    why.set_path(failed_path);
    if (absl::IsAborted(captured.status())) {
      why.set_reason(NotStored::OUTPUT_CHANGED);
    } else if (absl::IsOutOfRange(captured.status())) {
      why.set_reason(NotStored::DEVICE_OR_LIMIT);
    }
    return why;
  }

  Result result;
  result.set_weak(Bytes(weak));
  result.set_path_set(Bytes(fingerprint::PathSetDigest(path_set)));
  *result.mutable_values() = {values->begin(), values->end()};
  *result.mutable_outputs() = {captured->outputs.begin(),
                               captured->outputs.end()};
  *result.mutable_deletions() = {finished.deletions.begin(),
                                 finished.deletions.end()};
  *result.mutable_refilled() = {finished.refilled.begin(),
                                finished.refilled.end()};
  result.set_duration_us(absl::ToInt64Microseconds(finished.duration));
  result.set_stored_unix_s(absl::ToUnixSeconds(now_()));
  result.set_vtask_version(std::string(base::Version()));
  if (captured->names_root || LogNamesRoot(finished.log, key.root)) {
    result.set_root(key.root);
  }
  absl::Status written = StoreLog(finished.log, blobs_, &result);
  if (written.ok()) {
    // The blobs are all there: from here on it is one batch.
    written = WriteResult(key, weak, path_set, result, *captured);
  }
  NoteWrite(written);
  if (!written.ok()) {
    return StoreFailed(written.message());
  }
  // Lost with the daemon at worst: then they are hashed again.
  files_.Save().IgnoreError();
  return std::nullopt;
}

absl::Status ActionCacheImpl::WriteResult(const ActionKey& key,
                                          const base::Digest& weak,
                                          const PathSet& path_set,
                                          const Result& result,
                                          const CapturedOutputs& captured) {
  const base::Digest strong = fingerprint::StrongFingerprint(
      weak, base::Digest::FromBytes(result.path_set()),
      {result.values().begin(), result.values().end()});
  const std::string bound_key =
      absl::StrCat(strong.AsBytes(), fingerprint::RootId(key.root));
  const base::MutexLock lock(&write_mutex_);
  Batch batch;
  if (result.root().empty()) {
    batch.Put(Table::kResults, strong.AsBytes(), result.SerializeAsString());
    // An earlier run may have named the root: a lookup would prefer that.
    batch.Delete(Table::kResults, bound_key);
  } else {
    batch.Put(Table::kResults, bound_key, result.SerializeAsString());
    batch.Put(Table::kMeta, absl::StrCat("root:", key.root),
              fingerprint::RootId(key.root));
  }
  batch.Put(Table::kPathSets, result.path_set(), path_set.SerializeAsString());
  PutWeak(*database_, weak, result.path_set(), now_(), &batch);
  PutOwnOutputs(*database_, weak, OwnContents(path_set, captured.contents),
                &batch);
  Position position;
  *position.mutable_description() = key.description;
  position.set_weak(Bytes(weak));
  position.set_strong(Bytes(strong));
  PutPosition(*database_, PositionKey(key.root, key.position), position,
              &batch);
  PutPosition(*database_, LastOfWeakKey(weak), position, &batch);
  return database_->Write(batch);
}

absl::Status ActionCacheImpl::Clean() {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  const base::MutexLock lock(&write_mutex_);
  // Records first: a blob without a record is waste, the reverse a lost hit.
  const absl::Status cleared = database_->Clear();
  NoteWrite(cleared);
  VT_RETURN_IF_ERROR(cleared);
  files_.Forget();
  return blobs_.Clear();
}

bool ActionCacheImpl::MayWrite() const {
  base::MutexLock lock(&mutex_);
  return problem_.empty() || now_() >= next_probe_;
}

void ActionCacheImpl::NoteWrite(const absl::Status& status) {
  base::MutexLock lock(&mutex_);
  if (status.ok()) {
    problem_.clear();
    return;
  }
  next_probe_ = now_() + kProbeInterval;
  if (absl::IsResourceExhausted(status)) {
    problem_ = absl::StrCat("the cache cannot be written (",
                            absl::string_view(status.message()),
                            "): free space on its disk");
  } else if (absl::IsInternal(status) || absl::IsDataLoss(status)) {
    problem_ = absl::StrCat("the cache cannot be written (",
                            absl::string_view(status.message()),
                            "): if this stays, run `vt cache clean`");
  }
  // Anything else is about one file of the workspace, not about the cache.
}

std::string ActionCacheImpl::health() const {
  base::MutexLock lock(&mutex_);
  return problem_;
}

void ActionCacheImpl::Close() {
  {
    base::MutexLock lock(&mutex_);
    if (closed_) {
      return;
    }
    closed_ = true;
    while (users_ > 0) {
      changed_.Wait(&mutex_);
    }
  }
  // Beyond this point nobody but us has the database.
  files_.Save().IgnoreError();
  database_->Flush().IgnoreError();
  files_.Detach();
  database_.reset();
}

absl::StatusOr<std::unique_ptr<store::Database>> OpenDatabase(
    const std::string& directory, std::string* notice) {
  absl::StatusOr<std::unique_ptr<store::Database>> database =
      store::Database::Open(directory);
  if (absl::IsDataLoss(database.status()) ||
      absl::IsInternal(database.status())) {
    // A cache may start again; a run must not fail for it (spec X-9).
    *notice = absl::StrCat("the cache was emptied: it was damaged (",
                           absl::string_view(database.status().message()), ")");
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    database = store::Database::Open(directory);
  }
  return database;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ActionCache>> ActionCache::Open(
    const std::string& directory) {
  std::string notice;
  VT_ASSIGN_OR_RETURN(std::unique_ptr<store::Database> database,
                      OpenDatabase(absl::StrCat(directory, "/db"), &notice));
  if (notice.empty()) {
    notice = database->notice();
  }
  VT_ASSIGN_OR_RETURN(BlobStore blobs, BlobStore::Open(directory));
  if (!notice.empty()) {
    // No record is left that names one.
    VT_RETURN_IF_ERROR(blobs.Clear());
  }
  return std::make_unique<ActionCacheImpl>(std::move(database),
                                           std::move(blobs), notice, nullptr);
}

absl::StatusOr<std::unique_ptr<ActionCache>> ActionCache::OpenWith(
    const std::string& directory, std::unique_ptr<store::Database> database,
    std::function<absl::Time()> now) {
  VT_ASSIGN_OR_RETURN(BlobStore blobs, BlobStore::Open(directory));
  return std::make_unique<ActionCacheImpl>(
      std::move(database), std::move(blobs), "", std::move(now));
}

}  // namespace vt::cache
