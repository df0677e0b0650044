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

constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
// The half of a slot that tells records apart.
constexpr uint64_t kTag = 0xffffffff00000000;
constexpr uint32_t kSlotsTried = 4;
// A table that is half full is exchanged for the large one.
constexpr uint32_t kFewRecords = kFewSlots / 2;

uint64_t WordAt(const char* at) {
  uint64_t word;
  __builtin_memcpy(&word, at, sizeof word);
  return word;
}

// The product of both, folded: quick, and every bit of both counts.
uint64_t Mix(uint64_t a, uint64_t b) {
  __extension__ const unsigned __int128 product =
      static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Up to seven bytes.
uint64_t FewBytesAt(const char* at, uint32_t size) {
  uint64_t word = 0;
  for (uint32_t i = 0; i < size; ++i) {
    word = word << 8 | static_cast<uint8_t>(at[i]);
  }
  return word;
}

// Whatever it is worth: what it finds is compared. From eight bytes on, the
// last word overlaps the one before.
uint64_t HashOf(const Observation& o) {
  const uint64_t how = uint64_t{o.base} << 32 | o.path_size << 16 |
                       static_cast<uint32_t>(o.result) << 4 |
                       static_cast<uint32_t>(o.kind);
  uint64_t hash = how ^ kMultiplier;
  const uint32_t size = o.path_size;
  if (size < 8) {
    return Mix(FewBytesAt(o.path, size) ^ kMultiplier, Mix(hash, kMultiplier));
  }
  for (uint32_t i = 0; i + 16 < size; i += 16) {
    hash = Mix(WordAt(o.path + i) ^ hash, WordAt(o.path + i + 8) ^ kMultiplier);
  }
  const uint64_t first = WordAt(o.path + (size < 16 ? 0 : size - 16));
  return Mix(first ^ hash, WordAt(o.path + size - 8) ^ ~kMultiplier);
}

bool IsSame(const char* a, const char* b, uint32_t size) {
  if (size < 8) {
    return FewBytesAt(a, size) == FewBytesAt(b, size);
  }
  for (uint32_t i = 0; i + 8 < size; i += 8) {
    if (WordAt(a + i) != WordAt(b + i)) {
      return false;
    }
  }
  return WordAt(a + size - 8) == WordAt(b + size - 8);
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

ChunkWord FindChunk(const Lane& lane, uint32_t index) {
  const ChunkWord current = LoadAcquire(&lane.current);
  if (IndexOf(current) == index) {
    return current;
  }
  for (const ChunkWord& known : lane.chunks) {
    const ChunkWord chunk = LoadAcquire(&known);
    if (chunk != 0 && IndexOf(chunk) == index) {
      return chunk;
    }
  }
  return 0;
}

// Compares all of it: a hash alone would lose a record one day. The record lies
// in shared memory, so the length that is compared is ours, and stays within.
bool IsRepeat(const Lane& lane, uint32_t offset, const Observation& o,
              uint32_t names_epoch) {
  const uint64_t position = uint64_t{offset} * 8 - kHeaderSize;
  const uint64_t in_chunk = position % kChunkSize;
  const ChunkWord chunk =
      FindChunk(lane, static_cast<uint32_t>(position / kChunkSize));
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

// An earlier record of the same, or 0; then `*slot` is where to keep a new one:
// a free slot, that of one whose name has come to mean something else, or any.
uint32_t FindRepeat(Lane* lane, const Observation& o, uint64_t hash,
                    uint32_t names_epoch, uint64_t** slot) {
  const uint32_t count = Load(&lane->record_count);
  const uint32_t mask =
      (count < kFewRecords ? kFewSlots : lane->slot_count) - 1;
  const auto first = static_cast<uint32_t>(hash);
  uint64_t* line = &lane->slots[first & mask & ~(kSlotsPerLine - 1)];
  for (uint32_t i = 0; i < kSlotsTried; ++i) {
    *slot = line + (first + i) % kSlotsPerLine;
    const uint64_t kept = Load(*slot);
    if (kept == 0) {
      return 0;
    }
    if (((kept ^ hash) & kTag) == 0) {
      const auto offset = static_cast<uint32_t>(kept);
      return IsRepeat(*lane, offset, o, names_epoch) ? offset : 0;
    }
  }
  const uint32_t victim = Load(&ChunkOf(LoadAcquire(&lane->current))->used);
  *slot = line + (first + victim / 8 % kSlotsTried) % kSlotsPerLine;
  return 0;
}

// Not for ever: the words around it are read by all threads.
void CountRecord(Lane* lane) {
  const uint32_t count = Load(&lane->record_count);
  if (count < kFewRecords) {
    Store(&lane->record_count, count + 1);
  }
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

uint32_t Write(Attached* attached, Lane* lane, const Observation& o) {
  const uint64_t hash = HashOf(o);
  uint64_t* slot;
  if (const uint32_t earlier =
          FindRepeat(lane, o, hash, NamesEpoch(attached), &slot)) {
    return earlier;
  }
  // Threads may have filled what HasRoom() saw; then each chunk is tried once.
  for (int tries = 0; tries < 4; ++tries) {
    const ChunkWord chunk = LoadAcquire(&lane->current);
    const uint32_t offset = Append(chunk, o);
    if (offset != 0) {
      Store(slot, (hash & kTag) | offset);
      CountRecord(lane);
      return offset;
    }
    if (!Grow(attached, lane, chunk)) {
      break;
    }
  }
  __atomic_fetch_or(&attached->arena->flags, track::kFlagLost,
                    __ATOMIC_ACQ_REL);
  return 0;
}

}  // namespace vt::preload
