// SPDX-License-Identifier: Apache-2.0
//
// AccessLog: what is known of each path while the action runs. The listener
// tells it every observation and every change in order, before the system call
// goes on; Finish() compares with what is on the disk at the end.
//
// The rules (tracking.md 6, decisions H4 and H5):
//  - What the action made itself is never an input: a path that was missing
//    before its first change, and everything below a directory it made.
//  - A path that was there before its first change is an input as long as it
//    still has the identity (inode, size, times) of that moment; after, its
//    content is the action's own.
//  - What a change found is taken before the change: identity always, digest
//    when the old content may matter (it was read, or is removed).
//  - A change that left the identity as it was did not happen: it is an
//    observation.
//
// What signed records tell is heard late. So that it comes out the same, each
// change has an epoch, and each record the one before its call:
//  - Changes that would make an old record mean something else ask for the
//    records first (DisturbanceOf); others just happen.
//  - What the action made in a later epoch was missing for a record (WasMade).
//  - What it changed in a later epoch was still there; if that record had not
//    been heard when it was changed, it was made at the same time: an input if
//    the old content is known, else the set is incomplete.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "absl/strings/string_view.h"

#include "daemon/base/digest.h"
#include "daemon/track/access_set.h"
#include "daemon/track/file_identity.h"
#include "daemon/track/nested_changes.h"
#include "daemon/track/resolve.h"

namespace vt::track {

// From where the next observations and changes are known.
struct Source {
  static constexpr uint32_t kNow = UINT32_MAX;
  // kNow: of a notification, the disk is as the call will see it. Else of a
  // signed record: the epoch before the call.
  uint32_t epoch = kNow;
  pid_t tid = 0;     // of a notification
  int program = -1;  // of a record
  // The tasks have gone: what is on the disk now is what Finish would find.
  bool is_last = false;

  bool is_record() const { return epoch != kNow; }
};

// What a change does to the meaning of records that are not read yet.
enum class Disturbance {
  kNone,
  kContent,  // of one old file
  kNames,    // of a link or directory that names may lead through
};

// Thread-compatible.
class AccessLog {
 public:
  using DigestFunction =
      std::function<std::optional<base::Digest>(const std::string& path)>;

  using ProgramFunction = std::function<int(pid_t tid)>;

  // `root`: see TrackerOptions::workspace_root. Below `own_directories` nothing
  // is recorded.
  // `enclosing` is told of every change (see nested_changes.h). `program_of`
  // gives an index into AccessSet::programs; may be null.
  AccessLog(std::string root, std::vector<std::string> own_directories,
            DigestFunction digest, ChangeSink enclosing = nullptr,
            ProgramFunction program_of = nullptr);
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;
  ~AccessLog();

  // Whose the following calls are.
  void SetSource(const Source& source) { source_ = source; }

  // Begins a new epoch; the changes that are told from now on belong to it.
  uint32_t RaiseEpoch() { return ++epoch_; }
  uint32_t epoch() const { return epoch_; }

  // What changing `at` does to records of epochs until now.
  Disturbance DisturbanceOf(const Resolved& at, Change change) const;

  // Whether the action made `path` after `epoch`: it was missing then.
  bool WasMade(absl::string_view path, uint32_t epoch) const;

  // Whether the action changed `path` at all, or made it or a directory above.
  bool IsChanged(const std::string& path) const;

  // Whether a link or directory on the way to `at` was changed after the epoch
  // of the record that is being told: it may have led elsewhere.
  bool MayHaveMoved(const Resolved& at) const;

  // Records the links on the way to `at`, and the directories that they left.
  void ObserveWay(const Resolved& at);

  // A record says that `at` was there, and it is not.
  void ObserveGone(const Resolved& at, uint32_t observed);

  // A record says that `at` was missing, and it is there.
  void ObserveAppeared(const Resolved& at, uint32_t observed);

  // Records `observed` of what `at` leads to, and the links on the way.
  void Observe(const Resolved& at, uint32_t observed);

  // Records that `at` is about to be changed. `mode`: the permissions that the
  // call gives to what it makes where nothing stands, or, of kMode, to what
  // stands there; nullopt: it makes nothing, or no mode is known. `by_nested`:
  // by an action that runs inside of this one, whose observations are taken
  // from elsewhere.
  void Mutate(const Resolved& at, Change change,
              std::optional<mode_t> mode = std::nullopt,
              bool by_nested = false);

  // Whether Mutate needs to know the mode: finding it takes time.
  bool NeedsMode(const std::string& path, Change change) const;

  // The directory `from` is about to become `to`, both already given to
  // Mutate: what the action did below `from` is from now on below `to`.
  // `exchange`: and the other way round.
  void MoveDirectory(const Resolved& from, const Resolved& to, bool exchange,
                     bool by_nested = false);

  // Whether the action made what `path` names.
  bool IsOwnProduct(const std::string& path) const;

  // Whether `path` is one of ours, which is not recorded.
  bool IsOwnDirectory(const std::string& path) const;

  // Adds a reason not to store; one of a kind and path is enough.
  void AddFlaw(int reason, std::string text, std::string path = "");

  // Compares with the disk; `set` gets accesses and flaws. `start_ns`: when the
  // action began, by the clock of files (FileClock::now_ns).
  // Blocking. Call once.
  void Finish(int64_t start_ns, AccessSet* set);

  size_t path_count() const { return states_.size(); }

 private:
  struct PathState;
  using Item = std::pair<const std::string, PathState>;

  PathState* Find(const std::string& path);
  void ObserveMissing(const Resolved& at, uint32_t observed);
  void ObservePath(const std::string& path, uint32_t observed, bool missing,
                   const struct stat* status);
  void ObserveRaced(const std::string& path, uint32_t observed, bool missing,
                    PathState* state);
  void ObserveHidden(const std::string& path);
  void Observed(uint32_t observed, bool missing, PathState* state);
  void NoteSource(PathState* state);
  bool IsBelowOwnDirectory(const std::string& path) const;
  bool IsOlderThanProduct(const std::string& path) const;
  void AddVanished(const std::string& path, const PathState& state);
  bool IsMadeDirectory(absl::string_view path) const;
  void DirectoryMoves(const std::string& from, const std::string& to);
  bool IsBelowLostDirectory(const std::string& path) const;
  bool IsBelowChanged(const std::string& path) const;
  void TakeDigest(const std::string& path, PathState* state);
  void NoteOldContent(const std::string& path, Change change, bool by_nested,
                      PathState* state);
  static void FinishMode(const FileIdentity& now, PathState* state);
  void FinishMutation(const std::string& path, PathState* state);
  void FinishObservation(const std::string& path, PathState* state);
  void FinishMoves();
  static Access ToAccess(const std::string& path, const PathState& state);
  void CheckDirectories(int64_t start_ns, const std::vector<Item*>& sorted);

  const std::string root_;
  const std::vector<std::string> own_directories_;
  const DigestFunction digest_;
  const ChangeSink enclosing_;
  const ProgramFunction program_of_;
  Source source_;
  uint32_t epoch_ = 0;
  // Of the last change to a link or directory that was there.
  uint32_t names_epoch_ = 0;
  absl::node_hash_map<std::string, PathState> states_;
  // Keys of the states that were changed, in order, for prefix walks.
  absl::btree_set<std::string> mutated_;
  // Directories that the action made; never taken out.
  absl::flat_hash_set<std::string> made_directories_;
  // One it made was renamed to what was a directory: that succeeds only over an
  // empty one. Own if it is that one which stands there.
  absl::flat_hash_map<std::string, FileIdentity> successors_;
  // Directories from before that were renamed, to be looked at in the end.
  struct Move {
    std::string from;
    dev_t device;
    ino_t inode;
  };
  std::vector<Move> moves_;
  std::vector<Flaw> flaws_;
};

}  // namespace vt::track
