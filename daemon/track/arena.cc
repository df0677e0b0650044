// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

// Of Linux 6.3, later than Debian 12's headers.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace vt::track {
namespace {

constexpr const char* kName = "vtask-arena";
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

uint32_t Load(const uint32_t& word) {
  return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}

void Store(uint32_t* word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

// A file over the limit would end the daemon with SIGXFSZ.
bool MayBeAsLarge(uint64_t size) {
  rlimit limit;
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur >= size;
}

base::UniqueFd MakeMemory(uint64_t size) {
  if (!MayBeAsLarge(size)) {
    errno = EFBIG;
    return {};
  }
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  // With vm.memfd_noexec=2 there are no others.
  base::UniqueFd fd(::memfd_create(kName, kFlags | MFD_NOEXEC_SEAL));
  if (!fd.is_valid() && errno == EINVAL) {
    fd.Reset(::memfd_create(kName, kFlags));
  }
  if (!fd.is_valid() || ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) {
    return {};
  }
  return fd;
}

}  // namespace

std::unique_ptr<Arena> Arena::Create(uint64_t signature, uint32_t chunk_count) {
  chunk_count = std::min(chunk_count, kMaxChunks);
  base::UniqueFd fd =
      MakeMemory(kHeaderSize + uint64_t{chunk_count} * kChunkSize);
  if (!fd.is_valid()) {
    return nullptr;
  }
  void* page = ::mmap(nullptr, kHeaderSize, PROT_READ | PROT_WRITE, MAP_SHARED,
                      fd.get(), 0);
  if (page == MAP_FAILED) {
    return nullptr;
  }
  auto* header = static_cast<ArenaHeader*>(page);
  header->signature = signature;
  header->version = kArenaVersion;
  header->chunk_count = chunk_count;
  header->magic = kArenaMagic;
  return std::unique_ptr<Arena>(
      new Arena(std::move(fd), header, signature, chunk_count));
}

Arena::Arena(base::UniqueFd fd, ArenaHeader* header, uint64_t signature,
             uint32_t chunk_count)
    : fd_(std::move(fd)),
      header_(header),
      signature_(signature),
      chunk_count_(chunk_count) {}

Arena::~Arena() {
  for (char* chunk : chunks_) {
    if (chunk != nullptr) {
      ::munmap(chunk, kChunkSize);
    }
  }
  ::munmap(header_, kHeaderSize);
}

void Arena::SetEpoch(uint32_t epoch) {
  epoch_ = epoch;
  Store(&header_->epoch, epoch);
}

void Arena::RaiseGeneration() {
  Store(&header_->cwd_generation, ++generation_);
}

void Arena::SetFlags(uint32_t flags) {
  flags_ |= flags;
  __atomic_fetch_or(&header_->flags, flags, __ATOMIC_ACQ_REL);
}

void Arena::ClearFlags(uint32_t flags) {
  flags_ &= ~flags;
  __atomic_fetch_and(&header_->flags, ~flags, __ATOMIC_ACQ_REL);
}

bool Arena::is_lost() const { return (Load(header_->flags) & kFlagLost) != 0; }

uint32_t Arena::used_chunks() const {
  return std::min(Load(header_->next_chunk), chunk_count_);
}

const char* Arena::Chunk(uint32_t index) {
  if (index >= chunk_count_) {
    return nullptr;
  }
  if (index >= chunks_.size()) {
    chunks_.resize(index + 1);
  }
  if (chunks_[index] == nullptr) {
    const off_t offset = kHeaderSize + off_t{index} * kChunkSize;
    void* memory =
        ::mmap(nullptr, kChunkSize, PROT_READ, MAP_SHARED, fd_.get(), offset);
    chunks_[index] =
        memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
  }
  return chunks_[index];
}

bool Arena::is_intact() const {
  constexpr uint32_t kKnown = kFlagSlow | kFlagHold | kFlagLost | kFlagClosed;
  const uint32_t flags = Load(header_->flags);
  return __atomic_load_n(&header_->magic, __ATOMIC_RELAXED) == kArenaMagic &&
         __atomic_load_n(&header_->signature, __ATOMIC_RELAXED) == signature_ &&
         Load(header_->version) == kArenaVersion &&
         Load(header_->chunk_count) == chunk_count_ &&
         Load(header_->epoch) == epoch_ &&
         Load(header_->cwd_generation) == generation_ &&
         (flags & ~kFlagLost) == flags_ && (flags & ~kKnown) == 0;
}

}  // namespace vt::track
