// SPDX-License-Identifier: Apache-2.0
//
// ActionCache: two-phase lookup, atomic store and restore
// (docs/ARCHITECTURE.md, docs/CACHE_FORMAT.md): weak fingerprint -> path sets
// -> strong fingerprint -> result. It never fails a run: what goes wrong in a
// lookup is a miss, in a store a value that says why.

#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "daemon/base/digest.h"
#include "daemon/base/env_query.h"
#include "daemon/cache/compare.h"
#include "daemon/cache/details.h"
#include "daemon/cache/in_use.h"
#include "daemon/cache/on_arena.h"
#include "daemon/cache/parts.h"
#include "daemon/cache/upkeep.h"
#include "daemon/fingerprint/file_digests.h"
#include "vtask/storage/v1/storage.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::store {
class Database;
}

namespace vt::cache {

// An action about to be looked up or stored.
struct ActionKey {
  vtask::storage::v1::WeakDescription description;
  std::string root;                         // absolute workspace root
  std::shared_ptr<const base::EnvMap> env;  // unfiltered; not null
  std::string position;                     // plan::Step::position
  mode_t umask = 022;                       // of the caller
};

struct Hit {
  base::Digest strong;
  OnArena<vtask::storage::v1::PathSet> path_set;  // aligned with result.values
  OnArena<vtask::storage::v1::Result> result;
  // Garbage collection leaves the result, and what it names, while this is
  // held.
  std::shared_ptr<const Lease> lease;
  Evaluation evaluation;  // for the next lookup
};
// That a result served an action: garbage collection goes by it.
struct HitUse {
  std::string result;  // its key in the database
  std::string root;
  std::string position;
};
struct Miss {
  // All differences against the nearest earlier result, sorted as they are
  // shown. Empty with first_run: nothing to compare with.
  std::vector<vtask::v1::Difference> differences;
  bool first_run = false;
  bool partial = false;  // the description differs; files not compared
  std::string note;      // the cache itself had a problem
};
struct LookupResult {
  std::optional<Hit> hit;
  Miss miss;
};

// What an action found at a path.
enum class Found {
  kThere,
  kMissing,
  kBlocked,  // missing, because something on the way is no directory
};

// What a finished action turned out to be; made by run/ from tracking, tool
// reports and configuration.
struct FinishedAction {
  vtask::storage::v1::PathSet path_set;
  // Values that the disk need not show any more: pre-states of paths that the
  // action changed, and what nested actions saw. By KnownValueKey.
  std::map<std::pair<int, std::string>, vtask::storage::v1::Value> known_values;
  std::vector<std::string> outputs;  // relative paths
  std::vector<vtask::storage::v1::Deletion> deletions;
  std::vector<std::string> refilled;  // directories
  // Relative paths that it read and wrote, and that held an earlier output of
  // its own when it began: known_values has that content. The result counts
  // for it, and for what the action made of it (decisions H4); but not for a
  // missing file, from which the action may make more than what was left to do
  // this time (tsc writes only what changed since its .tsbuildinfo).
  std::set<std::string> leftovers;
  // Relative paths the action itself changed: they do not count as "changed
  // while it ran".
  std::vector<std::string> own_changes;
  std::vector<vtask::storage::v1::LogChunk> log;
  absl::Time started;
  absl::Duration duration;
  // Optional, and worth it. base::FileClock::now_ns immediately before the
  // spawn: tells what changed while it ran to the kernel's tick, so that a file
  // saved just before counts as unchanged. 0: `started` less 10 ms is used.
  int64_t started_file_clock_ns = 0;
  // Optional. FileClock::past_ns when its last process had ended: an output
  // with a later stamp is somebody else's.
  int64_t ended_file_clock_ns = 0;
  // Optional. By path of an observation. If the disk now disagrees, and the
  // path is not in own_changes, the input changed while it ran. Without it a
  // file that somebody removes after it was read is stored as missing.
  absl::flat_hash_map<std::string, Found> found;
  // Of those `outputs` that were not just seen: who told us.
  std::map<std::string, vtask::storage::v1::Provenance> output_reporters;
  std::vector<vtask::storage::v1::ToolReport> tool_reports;
  // The result counts only in this root, whatever it names (decisions H8).
  bool root_only = false;
};

// Of FinishedAction::known_values: kind and path; of a glob its patterns.
std::pair<int, std::string> KnownValueKey(
    const vtask::storage::v1::Observation& observation);

// Thread-safe. Blocking.
class ActionCache {
 public:
  // Opens or creates the cache in `directory` (…/v1: db/, blobs/, tmp/). A
  // damaged database is replaced by an empty one (see notice()).
  // UNAVAILABLE: locked by another process; others as store::Database::Open.
  static absl::StatusOr<std::unique_ptr<ActionCache>> Open(
      const std::string& directory);
  // The same over a database and a clock of the caller's, for tests that inject
  // faults; null: the real clock.
  static absl::StatusOr<std::unique_ptr<ActionCache>> OpenWith(
      const std::string& directory, std::unique_ptr<store::Database> database,
      std::function<absl::Time()> now);
  virtual ~ActionCache() = default;

  LookupResult Lookup(const ActionKey& key) { return Lookup(key, {}); }
  // `before`: that of the last hit of the same `key`. If all of it still comes
  // to the same, so does this lookup, and looks only at what is not current.
  virtual LookupResult Lookup(const ActionKey& key,
                              const Evaluation& before) = 0;
  // As Lookup, but leaves no trace: it is no use of the result.
  virtual LookupResult Peek(const ActionKey& key) = 0;

  // For `-vv`: what of the hit, or else of the nearest earlier result, is as it
  // was, and what it holds. Empty for first runs and after a changed
  // description. Observes everything once more.
  virtual Details Describe(const ActionKey& key, const LookupResult& found) = 0;

  // See compare.h.
  virtual ResultComparison Compare(const base::Digest& before,
                                   const base::Digest& after,
                                   const std::string& root) = 0;

  // Makes the outputs on disk equal to the result's: leaves identical files
  // alone, writes others atomically, removes what the action had removed (H5).
  // Refuses paths that leave the root or pass through a symlink, and what
  // somebody put in the way (cache/obstacles.h). An error means "run it
  // instead": DATA_LOSS for a lost or damaged blob, others as errno. `notes`
  // gets lines for people.
  virtual absl::Status Restore(const ActionKey& key, const Hit& hit,
                               std::vector<std::string>* notes) = 0;

  // DATA_LOSS if the recorded output is lost or damaged.
  virtual absl::StatusOr<std::vector<vtask::storage::v1::LogChunk>> ReadLog(
      const Hit& hit) = 0;

  // Stores the result; nullopt when it was, else why not (INPUT_CHANGED with
  // the path, STORE_FAILED). Reads and compresses the outputs. `*stored`, if
  // not null, becomes what a lookup finds from now on.
  virtual std::optional<vtask::v1::NotStored> Store(
      const ActionKey& key, const FinishedAction& finished,
      Hit* stored = nullptr) = 0;

  // Of an action that has failed: notes what it left of its own, without a
  // result, so that the next one may find and rewrite it (decisions H4).
  virtual void RememberOutputs(const ActionKey& key,
                               const FinishedAction& finished) = 0;

  // Whether the action once gave the file at `path` these permissions, and that
  // did not depend on what stood there.
  virtual bool IsOwnMode(const base::Digest& weak, const std::string& path,
                         uint32_t mode) = 0;

  // How long the action at `position` (ActionKey) took when its last result was
  // made; zero: not known. From memory, but for the first time: 20 us.
  virtual absl::Duration LastDuration(const std::string& root,
                                      const std::string& position) = 0;

  // Whether content `digest` was once recorded as output at `path` for this
  // weak fingerprint (decisions H4).
  virtual bool IsOwnOutput(const base::Digest& weak, const std::string& path,
                           const base::Digest& digest) = 0;

  virtual fingerprint::FileDigests& files() = 0;

  // Another number whenever stored results were taken away, replaced, or found
  // damaged. What was found at an older one must be looked up again. No I/O.
  virtual uint64_t generation() const = 0;

  // For a hit of a run that did not look it up because nothing has changed
  // since: it counts as one that Lookup has found now.
  virtual HitUse UseOf(const std::string& root, const std::string& position,
                       const Hit& hit) const = 0;
  virtual void NoteUse(const HitUse& use) = 0;

  // Forgets everything. Running stores may still land.
  virtual absl::Status Clean() = 0;

  // Upkeep. Of Sweep, Verify and Clean one runs at a time, the others wait.
  // All work for long, and end with CANCELLED when the cache is closed.
  virtual absl::StatusOr<SweepReport> Sweep(const SweepRequest& request) = 0;
  // Counts; those of the workspace `root` apart.
  virtual absl::StatusOr<CacheSize> Measure(const std::string& root,
                                            const Pace& pace) = 0;
  // See verify.h. A database that cannot be read is replaced by an empty one.
  virtual absl::StatusOr<VerifyReport> Verify(const Pace& pace) = 0;
  // Whether a sweep would find something to do: by what has been stored since
  // the last one, or because that was a day ago. Quick.
  virtual bool NeedsSweep(const Limits& limits) = 0;
  // Writes down what may be lost, and would hold up a store: which results were
  // hit, and the digests of files. Blocking; nobody waits for it.
  virtual void SaveHits() = 0;
  // Gives back the memory that a cache can do without that has rested.
  virtual void GiveBack() = 0;

  // Empty: healthy. Else one sentence with the remedy.
  virtual std::string health() const = 0;

  // Empty, or what people should know about Open: an older format was dropped,
  // a damaged database was replaced.
  virtual std::string notice() const { return ""; }

  // Flushes and closes; later calls miss, and store nothing.
  virtual void Close() = 0;
};

}  // namespace vt::cache
