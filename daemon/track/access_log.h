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

#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "absl/strings/string_view.h"

#include "daemon/base/digest.h"
#include "daemon/track/access_set.h"
#include "daemon/track/resolve.h"

namespace vt::track {

// What is compared to tell whether a file is still the same (decisions H7).
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  mode_t mode = 0;
  uint64_t size = 0;
  timespec mtime = {};
  timespec ctime = {};

  static FileIdentity Of(const struct stat& status);
};

// How a system call changes what a name stands for.
enum class Change {
  kCreate,           // symlink, new name of a link or rename, O_CREAT
  kCreateDirectory,  // mkdir
  kReplace,          // O_TRUNC: the old content is not looked at
  kOverwrite,        // the target of a rename, if something stands there
  kWrite,            // opened for writing: the new content depends on the old
  kRemove,           // unlink, rmdir
  kMoveAway,         // the source of a rename: its content goes on elsewhere
  kMode,             // chmod, chown, utimes, xattr
};

// Thread-compatible.
class AccessLog {
 public:
  using DigestFunction =
      std::function<std::optional<base::Digest>(const std::string& path)>;

  // `root`: see TrackerOptions::workspace_root. Below `own_directories` nothing
  // is recorded.
  AccessLog(std::string root, std::vector<std::string> own_directories,
            DigestFunction digest);
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;
  ~AccessLog();

  // Records `observed` of what `at` leads to, and the links on the way.
  void Observe(const Resolved& at, uint32_t observed);

  // Records that `at` is about to be changed.
  void Mutate(const Resolved& at, Change change);

  // The directory `from` is about to become `to`, both already given to
  // Mutate: what the action did below `from` is from now on below `to`.
  // `exchange`: and the other way round.
  void MoveDirectory(const Resolved& from, const Resolved& to, bool exchange);

  // Whether the action made what `path` names.
  bool IsOwnProduct(const std::string& path) const;

  // Whether `path` is one of ours, which is not recorded.
  bool IsOwnDirectory(const std::string& path) const;

  // Adds a reason not to store; one of a kind and path is enough.
  void AddFlaw(int reason, std::string text, std::string path = "");

  // Compares with the disk; `set` gets accesses and flaws. Blocking. Call once.
  void Finish(AccessSet* set);

  size_t path_count() const { return states_.size(); }

 private:
  struct PathState;

  PathState* Find(const std::string& path);
  void ObservePath(const std::string& path, uint32_t observed, bool missing,
                   const struct stat* status);
  bool IsBelowOwnDirectory(const std::string& path) const;
  bool IsBelowLostDirectory(const std::string& path) const;
  void TakeDigest(const std::string& path, PathState* state);
  void NoteOldContent(const std::string& path, Change change, PathState* state);
  void FinishMutation(const std::string& path, PathState* state);
  void FinishObservation(const std::string& path, PathState* state);
  void FinishMoves();

  const std::string root_;
  const std::vector<std::string> own_directories_;
  const DigestFunction digest_;
  absl::node_hash_map<std::string, PathState> states_;
  // Keys of the states that were changed, in order, for prefix walks.
  absl::btree_set<std::string> mutated_;
  // Directories that the action made; never taken out.
  absl::flat_hash_set<std::string> made_directories_;
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
