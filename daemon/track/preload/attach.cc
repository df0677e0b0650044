// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/preload/attach.h"

#include "daemon/track/preload/directory.h"

namespace vt::preload {
namespace {

using track::ArenaHeader;
using track::ChunkHeader;
using track::kChunkSize;
using track::kHeaderSize;

// Attaching costs about two notifications. A process that has made so many
// calls makes more: most programs make none or dozens. Break-even is at two or
// three by the costs in docs/TRACKING.md.
constexpr uint32_t kAttachAfter = 4;
// After an error other than "never": as many plain calls until the next try.
constexpr uint32_t kRetryAfter = 256;
// A lane costs a notification and a dozen pages: about 50 us (guess). That is
// what 500 calls of two threads in one lane cost; most threads make none.
constexpr uint32_t kLaneAfter = 128;
// So many threads or calls found the attaching thread busy: it was killed, or
// jumped out of a signal handler, or the flag is that of a fork's parent.
constexpr uint32_t kPatience = 1000;

constexpr long kProtRead = 1, kProtWrite = 2;
constexpr long kMapShared = 1, kMapPrivate = 2, kMapAnonymous = 0x20,
               kMapPopulate = 0x8000;
constexpr long kMadviseWipeOnFork = 18;
constexpr long kSeekEnd = 2;

constexpr uint64_t RoundToPage(uint64_t size) {
  return (size + kPageSize - 1) & ~(kPageSize - 1);
}
// Owner | Attached | buffers.
constexpr uint64_t kPrivateSize =
    kPageSize + RoundToPage(sizeof(Attached)) + kBufferCount * kPathMax;

// Null: no memory (ulimit -v).
template <typename T>
T* Map(uint64_t size, long flags, long fd, uint64_t offset) {
  const long at =
      Syscall(nr::kMmap, 0, static_cast<long>(size), kProtRead | kProtWrite,
              flags, fd, static_cast<long>(offset));
  return IsError(at) ? nullptr : reinterpret_cast<T*>(at);
}

void Unmap(const void* at, uint64_t size) {
  if (at != nullptr) {
    Syscall(nr::kMunmap, Word(at), static_cast<long>(size));
  }
}

bool TryBegin() {
  if (__atomic_exchange_n(&process.busy, 1U, __ATOMIC_ACQUIRE) == 0) {
    Store(&process.refused, 0U);
    return true;
  }
  if (FetchAdd(&process.refused, 1U) < kPatience) {
    return false;
  }
  // Two at a time are harmless: what they make is published by one exchange.
  Store(&process.refused, 0U);
  return true;
}

void End() { StoreRelease(&process.busy, 0U); }

// Asks for the arena: a descriptor, or an error.
long Hello() {
  static const char kName[] = "v";
  long fd;
  do {
    fd = Syscall(nr::kOpenat, track::kHelloDirectory, Word(kName),
                 track::kHelloFlags, 0, static_cast<long>(track::kHelloWord),
                 track::kArenaVersion);
  } while (fd == -kEintr);
  return fd;
}

// Takes the next chunk of the arena `fd`. Nothing in the shared header is
// trusted with a mapping beyond the file's end, where access is a SIGBUS.
ChunkWord TakeChunk(ArenaHeader* arena, long fd) {
  const long file_size = Syscall(nr::kLseek, fd, 0, kSeekEnd);
  const uint32_t index = FetchAdd(&arena->next_chunk, 1U);
  if (index >= track::kMaxChunks || index >= Load(&arena->chunk_count)) {
    return 0;
  }
  const uint64_t offset = kHeaderSize + uint64_t{index} * kChunkSize;
  if (IsError(file_size) ||
      offset + kChunkSize > static_cast<uint64_t>(file_size)) {
    return 0;
  }
  auto* chunk = Map<ChunkHeader>(kChunkSize, kMapShared, fd, offset);
  if (chunk == nullptr) {
    return 0;
  }
  chunk->index = index;
  chunk->owner = static_cast<uint32_t>(Syscall(nr::kGetpid));
  return reinterpret_cast<uint64_t>(chunk) | index;
}

void Remember(Lane* lane, ChunkWord chunk) {
  const uint32_t number = FetchAdd(&lane->chunk_count, 1U);
  StoreRelease(&lane->chunks[number % kChunksKnown], chunk);
}

void SetUp(Lane* lane, ChunkWord chunk, uint64_t* slots, uint32_t count) {
  lane->current = chunk;
  lane->slots = slots;
  lane->slot_count = count;
  Remember(lane, chunk);
}

Attached* NewAttached(ArenaHeader* arena, ChunkWord chunk) {
  auto* memory = Map<char>(kPrivateSize, kMapPrivate | kMapAnonymous, -1, 0);
  if (memory == nullptr) {
    return nullptr;
  }
  // Refused by some container's filter: children of a fork then keep the
  // parent's number here, and make plain calls once the directory changes.
  Syscall(nr::kMadvise, Word(memory), kPageSize, kMadviseWipeOnFork);
  auto* attached = reinterpret_cast<Attached*>(memory + kPageSize);
  attached->arena = arena;
  attached->signature = arena->signature;
  attached->owner = reinterpret_cast<Owner*>(memory);
  attached->buffers = memory + kPageSize + RoundToPage(sizeof(Attached));
  SetUp(&attached->first, chunk, attached->slots, kSlots);
  const uint64_t generation = LoadAcquire(&arena->cwd_generation);
  attached->names = generation << 32 | LoadAcquire(&arena->epoch);
  return attached;
}

// Makes all of it and publishes it at once, unless somebody else did.
void AttachTo(long fd) {
  auto* arena = Map<ArenaHeader>(kHeaderSize, kMapShared, fd, 0);
  ChunkWord chunk = 0;
  Attached* attached = nullptr;
  if (arena != nullptr && arena->magic == track::kArenaMagic &&
      arena->version == track::kArenaVersion) {
    chunk = TakeChunk(arena, fd);
  }
  if (chunk != 0) {
    attached = NewAttached(arena, chunk);
  }
  if (attached == nullptr) {
    Store(&process.attach_after, kNever);
  } else {
    IsOwner(attached);  // claims it
    if (CompareExchange<Attached*>(&process.attached, nullptr, attached)) {
      return;
    }
    Unmap(attached->owner, kPrivateSize);
  }
  if (chunk != 0) {
    Unmap(ChunkOf(chunk), kChunkSize);
  }
  Unmap(arena, kHeaderSize);
}

// Counts a call that could not be signed; true: time to ask for memory, which
// no other thread does at present. End() follows.
bool BeginIfDue() {
  const uint32_t attach_after = Load(&process.attach_after);
  if (attach_after == kNever) {
    return false;
  }
  const uint32_t calls = Load(&process.calls) + 1;
  Store(&process.calls, calls);
  return calls >= attach_after && TryBegin();
}

void Refused(long error) {
  const bool is_final =
      error == -kEperm || error == -kEbadf || error == -kEnosys;
  Store(&process.attach_after,
        is_final ? kNever : Load(&process.calls) + kRetryAfter);
}

// One more chunk, unless another thread is asking for one, too. 0: not now.
ChunkWord AnotherChunk(const Attached* attached) {
  if (!BeginIfDue()) {
    return 0;
  }
  ChunkWord chunk = 0;
  const long fd = Hello();
  if (IsError(fd)) {
    Refused(fd);
  } else {
    chunk = TakeChunk(attached->arena, fd);
    Syscall(nr::kClose, fd);
    if (chunk == 0) {
      Store(&process.attach_after, kNever);
    }
  }
  End();
  return chunk;
}

}  // namespace

__attribute__((section(".data")))
Process process = {.attached = nullptr,
                   .calls = 0,
                   .attach_after = kAttachAfter,
                   .busy = 0,
                   .refused = 0};

Attached* AttachIfDue() {
  if (!BeginIfDue()) {
    return nullptr;
  }
  if (LoadAcquire(&process.attached) == nullptr) {
    const long fd = Hello();
    if (IsError(fd)) {
      Refused(fd);
    } else {
      AttachTo(fd);
      Syscall(nr::kClose, fd);
    }
  }
  End();
  return LoadAcquire(&process.attached);
}

void AttachSoon() {
  if (Load(&process.attach_after) == kAttachAfter) {
    Store(&process.attach_after, 1U);
  }
}

void Retire() {
  Store(&process.attach_after, kNever);
  StoreRelease<Attached*>(&process.attached, nullptr);
}

void PrepareToGrow(Attached* attached, Lane* lane, ChunkWord full) {
  if (LoadAcquire(&lane->spare) != 0 || LoadAcquire(&lane->current) != full) {
    return;
  }
  if (const ChunkWord chunk = AnotherChunk(attached)) {
    Remember(lane, chunk);
    StoreRelease(&lane->spare, chunk);
  }
}

bool Grow(Attached* attached, Lane* lane, ChunkWord full) {
  if (LoadAcquire(&lane->current) != full) {
    return true;
  }
  ChunkWord chunk =
      __atomic_exchange_n(&lane->spare, ChunkWord{0}, __ATOMIC_ACQ_REL);
  if (chunk == 0) {
    chunk = AnotherChunk(attached);
    if (chunk == 0) {
      return false;
    }
    Remember(lane, chunk);
  }
  if (!CompareExchange(&lane->current, full, chunk)) {
    StoreRelease(&lane->spare, chunk);
  }
  return true;
}

Lane* AddLaneIfDue(Attached* attached, uint32_t number) {
  uint32_t* calls = &attached->wishes[number].calls;
  const uint32_t count = Load(calls) + 1;
  Store(calls, count % kLaneAfter);
  if (count < kLaneAfter) {
    return &attached->first;
  }
  const ChunkWord chunk = AnotherChunk(attached);
  if (chunk == 0) {
    return &attached->first;
  }
  constexpr uint64_t kSize = RoundToPage(sizeof(MoreLane));
  auto* memory =
      Map<MoreLane>(kSize, kMapPrivate | kMapAnonymous | kMapPopulate, -1, 0);
  if (memory != nullptr) {
    SetUp(&memory->lane, chunk, memory->slots, kLaneSlots);
    if (CompareExchange<Lane*>(&attached->lanes[number], nullptr,
                               &memory->lane)) {
      return &memory->lane;
    }
    Unmap(memory, kSize);
  }
  Remember(&attached->first, chunk);
  StoreRelease(&attached->first.spare, chunk);
  return &attached->first;
}

}  // namespace vt::preload
