// SPDX-License-Identifier: Apache-2.0
//
// DigestTable: what is known of the contents of very many files, in little
// memory. When an entry counts is for file_digests.cc to say.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include "daemon/base/digest.h"

namespace vt::fingerprint {

// A state of a file (decisions H7).
struct Identity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;

  friend bool operator==(const Identity& a, const Identity& b) = default;
};

// The latest moment at which the last change may have been made.
int64_t LastChange(const Identity& identity);

struct KnownContent {
  Identity identity;
  base::Digest content;
  // As of FileState.
  int64_t known_since_ns = 0;
  bool contains_root = false;
  // Whatever happens to the file from now on changes its identity.
  bool is_settled = false;
};

// A settled entry takes 85 bytes, and is not copied when the table grows. The
// key stands for a path. Thread-compatible.
class DigestTable {
 public:
  DigestTable();
  DigestTable(const DigestTable&) = delete;
  DigestTable& operator=(const DigestTable&) = delete;
  ~DigestTable() = default;

  // Of a settled entry, `known_since_ns` may come out up to 2 s later than it
  // was put, but not later than LastChange.
  std::optional<KnownContent> Find(uint64_t key) const;
  // In place of what it had. It may have to leave out one whose device or size
  // is beyond what it can hold (4096 devices, 4 PiB).
  void Put(uint64_t key, const KnownContent& entry);
  // Whether there was one.
  bool Erase(uint64_t key);
  void Clear();
  size_t size() const { return index_.size() + young_.size(); }

 private:
  struct Record {
    uint64_t key;
    uint64_t inode;
    uint64_t device_and_size;  // 12 bits, of an index into devices_, and 52
    int64_t mtime_ns;
    int64_t ctime_ns;
    base::Digest content;
    // 31 bits of LastChange - known_since_ns, and one of contains_root.
    uint32_t lead_and_root;
  };
  // Finds records, which stand in a row, by their keys.
  struct Hash {
    using is_transparent = void;
    const DigestTable* table;
    size_t operator()(uint64_t key) const;
    size_t operator()(uint32_t record) const;
  };
  struct Equal {
    using is_transparent = void;
    const DigestTable* table;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(uint32_t record, uint64_t key) const;
    bool operator()(uint64_t key, uint32_t record) const;
  };

  // Of `device`; nullopt if there are too many.
  std::optional<uint64_t> DeviceIndex(uint64_t device);
  Record& At(uint32_t record);
  const Record& At(uint32_t record) const;
  bool EraseSettled(uint64_t key);

  std::vector<std::vector<Record>> chunks_;
  absl::flat_hash_set<uint32_t, Hash, Equal> index_;
  std::vector<uint64_t> devices_;
  // Those that are not settled: few, and soon looked at again.
  absl::flat_hash_map<uint64_t, KnownContent> young_;
};

}  // namespace vt::fingerprint
