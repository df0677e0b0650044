// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/preload/record.h"

#include "daemon/track/preload/attach.h"

namespace vt::preload {
namespace {

using track::ArenaHeader;
using track::ChunkHeader;
using track::kChunkSize;
using track::kHeaderSize;
using track::Record;
using track::RecordKind;

constexpr uint32_t kChunkRoom = kChunkSize - sizeof(ChunkHeader);
constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
constexpr uint64_t kOnes = 0x0101010101010101;

uint64_t WordAt(const char* at) {
  uint64_t word;
  __builtin_memcpy(&word, at, sizeof word);
  return word;
}

uint64_t Mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * kMultiplier;
  return hash ^ hash >> 29;
}

uint64_t HashOf(const Observation& o) {
  uint64_t hash = uint64_t{static_cast<uint8_t>(o.kind)} << 32 |
                  static_cast<uint32_t>(o.result);
  hash = Mix(hash, uint64_t{o.base} << 32 | o.path_size);
  uint32_t i = 0;
  for (; i + 8 <= o.path_size; i += 8) {
    hash = Mix(hash, WordAt(o.path + i));
  }
  uint64_t rest = 0;
  for (; i < o.path_size; ++i) {
    rest = rest << 8 | static_cast<uint8_t>(o.path[i]);
  }
  hash = Mix(hash, rest);
  return hash ^ hash >> 32;
}

bool IsSame(const char* a, const char* b, uint32_t size) {
  uint32_t i = 0;
  for (; i + 8 <= size; i += 8) {
    if (WordAt(a + i) != WordAt(b + i)) {
      return false;
    }
  }
  for (; i < size; ++i) {
    if (a[i] != b[i]) {
      return false;
    }
  }
  return true;
}

void Copy(char* to, const char* from, uint32_t size) {
  uint32_t i = 0;
  for (; i + 8 <= size; i += 8) {
    __builtin_memcpy(to + i, from + i, 8);
  }
  for (; i < size; ++i) {
    to[i] = from[i];
  }
}

ChunkWord FindChunk(const Attached& attached, uint32_t index) {
  const ChunkWord current = LoadAcquire(&attached.current);
  if (IndexOf(current) == index) {
    return current;
  }
  for (const ChunkWord& known : attached.chunks) {
    const ChunkWord chunk = LoadAcquire(&known);
    if (chunk != 0 && IndexOf(chunk) == index) {
      return chunk;
    }
  }
  return 0;
}

// Compares all of it: a hash alone would lose a record one day. The record lies
// in shared memory, so the length that is compared is ours, and stays within.
bool IsRepeat(const Attached& attached, uint32_t offset, const Observation& o,
              uint32_t names_epoch) {
  const uint64_t position = uint64_t{offset} * 8 - kHeaderSize;
  const uint64_t in_chunk = position % kChunkSize;
  const ChunkWord chunk =
      FindChunk(attached, static_cast<uint32_t>(position / kChunkSize));
  if (offset == 0 || chunk == 0 ||
      in_chunk + sizeof(Record) + o.path_size > kChunkSize) {
    return false;
  }
  const char* at = reinterpret_cast<const char*>(ChunkOf(chunk)) + in_chunk;
  const auto* record = reinterpret_cast<const Record*>(at);
  return LoadAcquire(&record->state) == 1 &&
         record->kind == static_cast<uint8_t>(o.kind) &&
         record->path_size == o.path_size && record->base == o.base &&
         record->result == o.result &&
         (o.kind == RecordKind::kBase || record->epoch >= names_epoch) &&
         IsSame(at + sizeof(Record), o.path, o.path_size);
}

// The epoch since which every name means what it means now. A link that was
// retargeted, say, gives the same name another meaning; the daemon raises the
// generation then, after the epoch.
uint32_t NamesEpoch(Attached* attached) {
  const uint64_t generation = LoadAcquire(&attached->arena->cwd_generation);
  const uint64_t names = LoadAcquire(&attached->names);
  if (names >> 32 == generation) {
    return static_cast<uint32_t>(names);
  }
  const uint32_t epoch = LoadAcquire(&attached->arena->epoch);
  CompareExchange(&attached->names, names, generation << 32 | epoch);
  return epoch;
}

uint32_t RoundUp(uint32_t size) { return (size + 7) & ~7U; }

// Reserves, then fills. The order of stores is what the daemon relies on.
uint32_t Append(ChunkWord chunk, const Observation& o) {
  ChunkHeader* header = ChunkOf(chunk);
  const uint32_t size =
      RoundUp(static_cast<uint32_t>(sizeof(Record)) + o.path_size);
  const uint32_t used = FetchAdd(&header->used, size);
  if (used % 8 != 0 || used > kChunkRoom - size) {
    return 0;
  }
  const uint32_t in_chunk = static_cast<uint32_t>(sizeof(ChunkHeader)) + used;
  char* at = reinterpret_cast<char*>(header) + in_chunk;
  auto* record = reinterpret_cast<Record*>(at);
  Store(&record->size, size);
  __atomic_thread_fence(__ATOMIC_RELEASE);
  record->kind = static_cast<uint8_t>(o.kind);
  record->path_size = static_cast<uint16_t>(o.path_size);
  record->base = o.base;
  record->result = o.result;
  record->epoch = o.epoch;
  Copy(at + sizeof(Record), o.path, o.path_size);
  StoreRelease(&record->state, uint8_t{1});
  return (kHeaderSize + IndexOf(chunk) * kChunkSize + in_chunk) / 8;
}

}  // namespace

// Whole words at multiples of eight: they never reach into a page that the
// string does not.
uint32_t LengthOf(const char* text) {
  uint32_t length = 0;
  while (reinterpret_cast<uintptr_t>(text + length) % 8 != 0) {
    if (text[length] == '\0') {
      return length;
    }
    ++length;
  }
  while (length < kPathMax) {
    uint64_t word;
    __builtin_memcpy(&word, __builtin_assume_aligned(text + length, 8), 8);
    const uint64_t zeros = (word - kOnes) & ~word & kOnes << 7;
    if (zeros != 0) {
      return length + static_cast<uint32_t>(__builtin_ctzll(zeros)) / 8;
    }
    length += 8;
  }
  return kPathMax;
}

bool HasRoom(Attached* attached) {
  const ChunkWord chunk = LoadAcquire(&attached->current);
  return Load(&ChunkOf(chunk)->used) <= kChunkRoom - 2 * kLargestRecord ||
         Grow(attached, chunk);
}

uint32_t Write(Attached* attached, const Observation& o) {
  const uint32_t sets = Load(&attached->record_count) < kFewRepeatSets
                            ? kFewRepeatSets
                            : kRepeatSets;
  uint64_t* set = &attached->repeats[HashOf(o) % sets];
  const uint64_t ways = Load(set);
  const uint32_t names_epoch = NamesEpoch(attached);
  const uint32_t earlier[] = {static_cast<uint32_t>(ways),
                              static_cast<uint32_t>(ways >> 32)};
  for (const uint32_t way : earlier) {
    if (way != 0 && IsRepeat(*attached, way, o, names_epoch)) {
      return way;
    }
  }
  // Threads may have filled what HasRoom() saw; then each chunk is tried once.
  for (int tries = 0; tries < 4; ++tries) {
    const ChunkWord chunk = LoadAcquire(&attached->current);
    const uint32_t offset = Append(chunk, o);
    if (offset != 0) {
      Store(set, ways << 32 | offset);
      Store(&attached->record_count, Load(&attached->record_count) + 1);
      return offset;
    }
    if (!Grow(attached, chunk)) {
      break;
    }
  }
  __atomic_fetch_or(&attached->arena->flags, track::kFlagLost,
                    __ATOMIC_ACQ_REL);
  return 0;
}

}  // namespace vt::preload
