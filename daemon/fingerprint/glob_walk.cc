// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/glob_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/consulted.h"
#include "daemon/base/glob.h"
#include "daemon/base/path.h"
#include "daemon/fingerprint/observe.h"

namespace vt::fingerprint {
namespace {

using vtask::storage::v1::Value;

Value::Type TypeOf(DIR* directory, const struct dirent& entry) {
  switch (entry.d_type) {
    case DT_REG:
      return Value::FILE;
    case DT_DIR:
      return Value::DIRECTORY;
    case DT_LNK:
      return Value::SYMLINK;
    case DT_UNKNOWN:
      break;
    default:
      return Value::OTHER;
  }
  // Some file systems do not tell.
  struct stat st = {};
  if (::fstatat(::dirfd(directory), entry.d_name, &st, AT_SYMLINK_NOFOLLOW) !=
      0) {
    return Value::OTHER;
  }
  return S_ISREG(st.st_mode)   ? Value::FILE
         : S_ISDIR(st.st_mode) ? Value::DIRECTORY
         : S_ISLNK(st.st_mode) ? Value::SYMLINK
                               : Value::OTHER;
}

class GlobWalk {
 public:
  explicit GlobWalk(const std::string& root) : root_(root) {}

  void Exclude(const std::string& pattern) {
    absl::StatusOr<base::Glob> glob =
        base::Glob::Parse(pattern, base::Glob::Style::kPath);
    if (!glob.ok()) {
      return;
    }
    excluded_.push_back(*std::move(glob));
    // Of `x/**` and `x/` the whole directory need not be entered.
    absl::string_view whole = pattern;
    if (absl::EndsWith(whole, "/**")) {
      whole.remove_suffix(3);
    } else if (absl::EndsWith(whole, "/")) {
      whole.remove_suffix(1);
    } else {
      return;
    }
    glob = base::Glob::Parse(whole, base::Glob::Style::kPath);
    if (glob.ok()) {
      excluded_whole_.push_back(*std::move(glob));
    }
  }

  void Include(const std::string& pattern) {
    absl::StatusOr<base::Glob> glob =
        base::Glob::Parse(pattern, base::Glob::Style::kPath);
    if (glob.ok()) {
      Enter(glob->literal_prefix(), *glob);
    }
  }

  std::vector<std::string> Finish() {
    std::sort(found_.begin(), found_.end());
    found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
    return std::move(found_);
  }

 private:
  static bool Any(const std::vector<base::Glob>& globs,
                  const std::string& path) {
    return std::any_of(globs.begin(), globs.end(), [&](const base::Glob& glob) {
      return glob.Matches(path);
    });
  }

  void Enter(const std::string& directory, const base::Glob& glob) {
    std::vector<DirectoryEntry> entries;
    if (!ListDirectory(AbsolutePath(root_, directory), &entries)) {
      return;
    }
    for (const DirectoryEntry& entry : entries) {
      const std::string path = base::JoinPath(directory, entry.name);
      if (entry.type == Value::DIRECTORY) {
        if (path != ".git" && glob.MayMatchBelow(path) &&
            !Any(excluded_whole_, path)) {
          Enter(path, glob);
        }
        continue;
      }
      if (entry.type != Value::OTHER && glob.Matches(path) &&
          !Any(excluded_, path)) {
        found_.push_back(path);
      }
    }
  }

  const std::string& root_;
  std::vector<base::Glob> excluded_;
  std::vector<base::Glob> excluded_whole_;
  std::vector<std::string> found_;
};

}  // namespace

bool ListDirectory(const std::string& path, std::vector<DirectoryEntry>* out) {
  struct Close {
    void operator()(DIR* directory) const { ::closedir(directory); }
  };
  base::NoteListed(path);
  std::unique_ptr<DIR, Close> directory(::opendir(path.c_str()));
  if (directory == nullptr) {
    return false;
  }
  // Safe: the stream is not shared (readdir(3), "MT-Safe race:dirstream").
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  while (const struct dirent* entry = ::readdir(directory.get())) {
    const absl::string_view name = entry->d_name;
    if (name == "." || name == ".." ||
        absl::StartsWith(name, kTemporaryPrefix)) {
      continue;
    }
    out->push_back({std::string(name), TypeOf(directory.get(), *entry)});
  }
  std::sort(out->begin(), out->end(),
            [](const DirectoryEntry& a, const DirectoryEntry& b) {
              return a.name < b.name;
            });
  return true;
}

std::vector<std::string> WalkGlobs(
    const std::string& root,
    const google::protobuf::RepeatedPtrField<vtask::storage::v1::Glob>& globs) {
  GlobWalk walk(root);
  for (const vtask::storage::v1::Glob& glob : globs) {
    if (glob.negative()) {
      walk.Exclude(glob.pattern());
    }
  }
  for (const vtask::storage::v1::Glob& glob : globs) {
    if (!glob.negative()) {
      walk.Include(glob.pattern());
    }
  }
  return walk.Finish();
}

}  // namespace vt::fingerprint
