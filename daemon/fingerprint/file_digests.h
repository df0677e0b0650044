// SPDX-License-Identifier: Apache-2.0
//
// FileDigests: content digests of files, remembered by stat identity (decisions
// H7), so that an unchanged file is hashed once. The content digest replaces
// every occurrence of the workspace root by a placeholder: it is the same in
// every clone (storage.proto).

#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "daemon/base/digest.h"
#include "daemon/fingerprint/sighting.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::store {
class Database;
}

namespace vt::fingerprint {

// What stands at a path now.
struct FileState {
  vtask::storage::v1::Value::Type type = vtask::storage::v1::Value::MISSING;
  // MISSING, because something on the way is no directory (ENOTDIR).
  bool is_blocked = false;
  // MISSING, because links lead round in circles (ELOOP), or too far.
  bool is_lost = false;
  uint32_t mode = 0;  // st_mode & 07777
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  // FILE, if asked for. Of one that did not rest while it was read: one that
  // nothing else has.
  std::optional<base::Digest> content;
  bool contains_root = false;  // with content
  // With content: a moment (ns since 1970) from which on the file has had this
  // content, as far as this daemon can prove. 0 for anything else, and for one
  // that did not rest.
  int64_t known_since_ns = 0;
};

// Sixteen bytes that stand for a root in keys; kMeta names the root for it.
std::string RootId(const std::string& root);

// Stands for a directory where content digests are kept; never that of a file.
base::Digest DirectoryDigest();

// Digest of the text of a symbolic link, root replaced; never that of a file.
base::Digest LinkDigest(const std::string& root, absl::string_view text);

// Thread-safe. Blocking.
class FileDigests {
 public:
  // `database` keeps the table over restarts; null: memory only. Outlives this.
  explicit FileDigests(store::Database* database);
  FileDigests(const FileDigests&) = delete;
  FileDigests& operator=(const FileDigests&) = delete;
  ~FileDigests();

  // lstat (or stat, with `follow`) of absolute `path`; with `want_content` also
  // the content digest of a regular file, from the table if its identity is the
  // same and it was final (sighting.h), else by reading it (3 us + 0.7
  // us a KiB). A file that cannot be read is UNREADABLE. Never fails: what
  // cannot be looked at is MISSING (ENOENT, ENOTDIR, ELOOP) or UNREADABLE.
  // Notes the path as consulted.
  FileState Look(const std::string& root, const std::string& path, bool follow,
                 bool want_content);

  // Digest for bytes in memory, as Look would give for a file of them.
  static base::Digest ContentDigest(const std::string& root,
                                    absl::string_view bytes,
                                    bool* contains_root);

  // Notes that `path` has had this content since it was `seen`. The caller has
  // read it since then and found it to be the same file at the end, or has
  // written it. What cannot be told from a later change is forgotten instead.
  void Remember(const std::string& root, const std::string& path,
                const Sighting& seen, const base::Digest& content,
                bool contains_root);

  // Writes what changed since the last call to the database, a little at a
  // time: others do not wait for it. After an error, and after a kill, files
  // are hashed once more.
  absl::Status Save();

  // Lets go of the database, which may be destroyed after this. Look goes on in
  // memory.
  void Detach();
  // Forgets everything it holds in memory, and what was not saved.
  void Forget();

  // Files read for their content so far; for tests and statistics.
  uint64_t reads() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Whether `bytes` name the absolute path `root`: raw, JSON-escaped,
// percent-encoded, or base64 in any of the three alignments (decisions H8).
bool NamesRoot(const std::string& root, absl::string_view bytes);

}  // namespace vt::fingerprint
