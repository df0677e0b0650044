// SPDX-License-Identifier: Apache-2.0
//
// Arena: the shared memory of one action, as the daemon holds it: it makes the
// memory, says in the header what the writers must know, and maps chunks when
// they are read. What it finds in it is read by ArenaReader.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "daemon/track/preload/arena_layout.h"

namespace vt::track {

// Thread-compatible. Traced processes may write to the memory at any time.
class Arena {
 public:
  // Null with errno set if there is no memory for one. Sparse: pages are made
  // as they are written, charged to the writer.
  static std::unique_ptr<Arena> Create(uint64_t signature,
                                       uint32_t chunk_count);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  // Given to processes that ask for it.
  int fd() const { return fd_.get(); }

  void SetEpoch(uint32_t epoch);
  void RaiseGeneration();
  void SetFlags(uint32_t flags);
  void ClearFlags(uint32_t flags);

  // A record found no room.
  bool is_lost() const;
  // How many chunks have been given out, at most chunk_count.
  uint32_t used_chunks() const;
  uint32_t chunk_count() const { return chunk_count_; }

  // kChunkSize bytes, to be read only. Null: it could not be mapped.
  const char* Chunk(uint32_t index);

  // Whether the header still says what this object wrote there.
  bool is_intact() const;

 private:
  Arena(base::UniqueFd fd, ArenaHeader* header, uint64_t signature,
        uint32_t chunk_count);

  base::UniqueFd fd_;
  ArenaHeader* const header_;
  const uint64_t signature_;
  const uint32_t chunk_count_;
  uint32_t epoch_ = 0;
  uint32_t generation_ = 0;
  uint32_t flags_ = 0;
  std::vector<char*> chunks_;  // null: not mapped
};

}  // namespace vt::track
