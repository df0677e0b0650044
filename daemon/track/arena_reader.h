// SPDX-License-Identifier: Apache-2.0
//
// ArenaReader: takes the records out of an arena while others write to it.
// Believes nothing: what is there may be half written, written over, or made to
// mislead, and may change between two looks. It copies a record's head first,
// checks the copy, and never looks again. Fuzzed (tests/fuzz).

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

#include "daemon/track/preload/arena_layout.h"

namespace vt::track {

// A signed call, as it is said to have been made.
struct SignedCall {
  RecordKind kind = RecordKind::kRead;  // never kBase
  int error = 0;                        // errno, or 0
  uint32_t epoch = 0;
  uint32_t chunk = 0;
  absl::string_view base;  // absolute, if `name` is relative
  absl::string_view name;  // 1 to 4095 bytes without NUL
};

// Thread-compatible.
class ArenaReader {
 public:
  // Gives the kChunkSize bytes of a chunk, or null.
  using Memory = std::function<const char*(uint32_t index)>;
  using Sink = absl::FunctionRef<void(const SignedCall&)>;

  explicit ArenaReader(Memory memory) : memory_(std::move(memory)) {}

  // Gives every complete record of the first `chunks` chunks that it has not
  // given before: those of one chunk in order, among chunks those of an older
  // epoch first. `epoch`: of now; none can be younger. A record that is not
  // complete stops its chunk until the next call.
  //
  // `is_last`: nobody writes any more. What was begun and not ended then is
  // passed over: its writer was killed, and the result of its call never used.
  void Read(uint32_t chunks, uint32_t epoch, bool is_last, Sink sink);

  // Process id that a chunk says it belongs to; 0 if there is none.
  uint32_t OwnerOf(uint32_t chunk) const;

  // Empty, or the first thing that was wrong. Then no more is read.
  const std::string& damage() const { return damage_; }
  // Records given so far.
  uint64_t count() const { return count_; }

 private:
  // A record's head, copied once.
  struct Head {
    Record record;
    const char* bytes;  // its name
  };
  enum class Look { kRecord, kWait, kEnd };

  Look Peek(uint32_t chunk, bool is_last, Head* head);
  // Reads chunk by chunk until one with an epoch under `limit` is at turn.
  bool Take(uint32_t chunk, const Head& head, uint32_t epoch, Sink sink);
  bool CheckRecord(const Record& record, uint64_t room);
  const std::string* Base(uint32_t reference);
  bool Damage(const char* what);

  const Memory memory_;
  std::vector<uint32_t> positions_;  // in each chunk, after its header
  absl::flat_hash_map<uint32_t, std::string> bases_;
  std::array<char, 4096> name_;
  std::string damage_;
  uint64_t count_ = 0;
};

}  // namespace vt::track
