// SPDX-License-Identifier: Apache-2.0
//
// Resolver walks a name as the kernel would for the task that uses it, and says
// what it met: links, the first missing component, and what stands at the end.
// It looks at the disk as it is at that moment; the listener calls it before it
// lets the system call go on.

#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

#include "daemon/track/task.h"

namespace vt::track {

struct Resolved {
  enum class Kind {
    kFound,
    kMissing,   // nothing there, or a component before is missing or no
                // directory
    kHidden,    // it cannot be looked at: permissions, too many links
    kNoFile,    // a pipe, a deleted file, /proc, /sys or /dev
    kTerminal,  // /dev/tty
  };
  Kind kind = Kind::kNoFile;
  // Absolute; no ".", "..", no link in a directory component. For kMissing the
  // components after the first missing one are as given.
  std::string path;
  struct stat status = {};         // kFound: of `path` itself (lstat)
  std::vector<std::string> links;  // symbolic links that were followed
  // Directories from which a link went up (".."): were one of them a link
  // itself, it would go somewhere else.
  std::vector<std::string> left;
  // kMissing: the directory component that was missing, or that was no
  // directory (`blocked_by_file`); empty if it was the last component.
  std::string first_missing;
  bool blocked_by_file = false;
  // It led through a link of /proc that jumps to what the caller has open.
  bool depends_on_caller = false;
  // kHidden: it led to a directory whose name is longer than a name may be.
  bool is_too_deep = false;

  bool found() const { return kind == Kind::kFound; }
};

// Thread-compatible.
class Resolver {
 public:
  // Paths below /proc, /sys and /dev are no files, unless within `root`.
  explicit Resolver(std::string root) : root_(std::move(root)) {}

  // Whether what now stands at a path is to be taken for missing.
  using Hidden = absl::FunctionRef<bool(absl::string_view path)>;

  // `name` is absolute and not normalised. `task`: the caller; its number is 0
  // if it cannot be asked any more. `follow`: a link at the end is
  // followed too (a trailing slash does that by itself).
  void Resolve(absl::string_view name, bool follow, const Task& task,
               Resolved* out) {
    Resolve(name, follow, task, nullptr, out);
  }
  // The same on a disk without what is `hidden`; null: nothing.
  void Resolve(absl::string_view name, bool follow, const Task& task,
               const Hidden* hidden, Resolved* out);

  // Forgets what it knew of directories: names have come to mean other things.
  void Forget() { plain_directories_.clear(); }

 private:
  struct Walk;

  bool IsPseudo(absl::string_view path) const;
  void Follow(Walk* walk, const std::string& link, Resolved* out);
  bool Step(Walk* walk, Resolved* out);
  absl::string_view KnownDirectory(absl::string_view name,
                                   const Hidden* hidden) const;
  void RememberDirectories(absl::string_view end, absl::string_view known);
  void Finish(const std::string& path, const Hidden* hidden, Resolved* out);

  const std::string root_;
  // Directories whose own name has no link, "." or ".." in it.
  absl::flat_hash_set<std::string> plain_directories_;
};

}  // namespace vt::track
