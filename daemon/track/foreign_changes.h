// SPDX-License-Identifier: Apache-2.0
//
// ForeignChanges: what others do to the files that an action changes, while it
// runs. inotify tells of every change in a directory, but not who made it; the
// listener tells of every change of the action's own before it happens. So
// whatever there is more of by inotify is somebody else's.
//
// Counted by name: descriptors closed that could write, names that came by a
// rename, names that went, new attributes (permissions, times, owner); and a
// file is modified only while the action has it open. An own call that then
// fails is one too many expected, and hides one of somebody else's; never the
// other way round: what is called foreign is. Who has a file open when the
// action ends has not been counted (StaysOpenForWriting). Not seen: what is
// done through another hard link; truncate(2) while the action has the file
// open; what goes through no kernel of this machine (network, FUSE).
// docs/TRACKING.md.

#pragma once

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "daemon/base/unique_fd.h"

namespace vt::track {

// Absolute physical paths; those outside of the root are left out.
// Thread-compatible. No call blocks.
class ForeignChanges {
 public:
  // `root`: nothing outside of it matters. Empty: nothing does.
  explicit ForeignChanges(std::string root);
  ForeignChanges(const ForeignChanges&) = delete;
  ForeignChanges& operator=(const ForeignChanges&) = delete;
  ~ForeignChanges();

  // What the action is about to do. Each begins to watch the directory of the
  // path; so does Watch, for what leaves no event that is counted.
  void Watch(const std::string& path);
  void ExpectWrite(const std::string& path);       // opened for writing
  void ExpectTruncation(const std::string& path);  // without a descriptor
  // chmod(2), chown(2), utimensat(2), setxattr(2) and their kin.
  void ExpectAttributes(const std::string& path);
  void ExpectRemoval(const std::string& path);
  void ExpectDirectory(const std::string& path);  // mkdir
  // `from` becomes `to`; a link to it made under this name likewise.
  void ExpectRename(const std::string& from, const std::string& to);
  void ExpectLink(const std::string& from, const std::string& to);
  // A directory, with all that is below.
  void ExpectMove(const std::string& from, const std::string& to);
  // `path`, and what is below, is changed by others on behalf of the action.
  void Exempt(const std::string& path);

  // Takes in what has happened until now. False: some of it is lost.
  bool Read();

  // Whether it is known who changes it: below the root, and not exempt.
  bool IsJudged(const std::string& path) const;
  // As of the last Read. Somebody else has written, replaced or removed it.
  bool IsChanged(const std::string& path) const;
  // Somebody else has removed it, and the action never did.
  bool IsRemoved(const std::string& path) const;

 private:
  struct Count {
    int expected = 0;
    int seen = 0;
    bool is_exceeded() const { return seen > expected; }
    int outstanding() const { return is_exceeded() ? 0 : expected - seen; }
  };
  struct Counts {
    Count writes, arrivals, departures, attributes;
    bool is_truncated = false;  // by the action, without a descriptor
    bool is_modified = false;   // while the action did not have it open
    bool is_tainted = false;    // it came of something that others had changed
    bool is_changed() const {
      return is_tainted || is_modified || writes.is_exceeded() ||
             arrivals.is_exceeded() || departures.is_exceeded() ||
             attributes.is_exceeded();
    }
  };

  bool IsInRoot(absl::string_view path) const;
  Counts* Of(const std::string& path);
  const Counts* Find(const std::string& path) const;
  void Forget(const std::string& directory);
  void Carry(const std::string& from, const std::string& to);
  void Handle(int watch, uint32_t mask, absl::string_view name);

  const std::string root_;
  base::UniqueFd inotify_;  // none: not needed yet, or not to be had
  bool is_tried_ = false;
  bool is_lost_ = false;
  size_t unread_ = 0;  // own changes since the last Read
  absl::flat_hash_map<std::string, int> watches_;  // by directory
  absl::flat_hash_map<int, std::string> directories_;
  absl::flat_hash_map<std::string, Counts> counts_;
  absl::flat_hash_set<std::string> exempt_;
};

// Whether somebody has the file open for writing, and still at `deadline`. Who
// opens it in this moment is made to wait, or refused if he will not wait.
// False also where the kernel does not say: files of another owner, network
// file systems. Blocking, if it is true or was a moment ago. Thread-safe.
bool StaysOpenForWriting(const std::string& path, absl::Time deadline);

}  // namespace vt::track
