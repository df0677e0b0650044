// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/preload/directory.h"

#include "daemon/track/preload/record.h"

namespace vt::preload {
namespace {

using track::RecordKind;

constexpr long kPrGetTidAddress = 40;

bool BeginsWith(const char* text, long size, const char* prefix) {
  for (long i = 0; prefix[i] != '\0'; ++i) {
    if (i >= size || text[i] != prefix[i]) {
      return false;
    }
  }
  return true;
}

bool EndsWith(const char* text, long size, const char* suffix,
              long suffix_size) {
  return size >= suffix_size &&
         BeginsWith(text + size - suffix_size, suffix_size, suffix);
}

// Names there mean something else for each process.
bool IsInProcOrDev(const char* text, long size) {
  return BeginsWith(text, size, "/proc") || BeginsWith(text, size, "/dev");
}

uint32_t RecordBase(Attached* attached, Lane* lane, const char* text, long size,
                    uint32_t epoch) {
  if (size <= 0 || size >= kPathMax || text[0] != '/' ||
      IsInProcOrDev(text, size)) {
    return 0;
  }
  return Write(attached, lane,
               {.kind = RecordKind::kBase,
                .base = 0,
                .result = 0,
                .epoch = epoch,
                .path = text,
                .path_size = static_cast<uint32_t>(size)});
}

uint32_t AskForDirectory(Attached* attached, Lane* lane, uint64_t generation,
                         uint64_t kept, uint32_t epoch) {
  const Buffer buffer(attached);
  if (buffer.data() == nullptr) {
    return 0;
  }
  const long size = Syscall(nr::kGetcwd, Word(buffer.data()), kPathMax);
  if (size <= 1 || !IsOwner(attached)) {
    return 0;
  }
  const uint32_t base =
      RecordBase(attached, lane, buffer.data(), size - 1, epoch);
  // Fails if the directory was changed in the meantime.
  CompareExchange(&attached->directory, kept, generation << 32 | base);
  return base;
}

uint32_t WorkingDirectory(Attached* attached, Lane* lane, uint32_t epoch) {
  const uint64_t generation = LoadAcquire(&attached->arena->cwd_generation);
  const uint64_t kept = LoadAcquire(&attached->directory);
  const auto base = static_cast<uint32_t>(kept);
  if (base == 0 || kept >> 32 != generation) {
    return AskForDirectory(attached, lane, generation, kept, epoch);
  }
  // A vfork child has gone elsewhere: is this it?
  return IsOwner(attached) ? base : 0;
}

// Keeps the answer if what is called so is what `identity` says: another thread
// may have put another directory into the descriptor meanwhile.
uint32_t AskForDescriptor(Attached* attached, Lane* lane, int directory,
                          uint32_t epoch, uint32_t generation,
                          const DirectoryIdentity* identity) {
  const Buffer buffer(attached);
  if (buffer.data() == nullptr) {
    return 0;
  }
  const long size = NameOfDescriptor(*attached, directory, buffer.data());
  const uint32_t base =
      RecordBase(attached, lane, buffer.data(), size, epoch);
  if (base == 0 || identity == nullptr) {
    return base;
  }
  buffer.data()[size] = '\0';
  DirectoryIdentity named;
  if (IdentifyDirectory(kAtCwd, buffer.data(), attached->signature, &named) &&
      IsSame(named, *identity)) {
    attached->open_directories.Keep(*identity, generation, base);
  }
  return base;
}

uint32_t OpenDirectory(Attached* attached, Lane* lane, int directory,
                       uint32_t epoch) {
  // First of all, so that what changes meanwhile is not kept as of after it.
  const uint32_t generation = LoadAcquire(&attached->arena->cwd_generation);
  DirectoryIdentity identity;
  if (!IdentifyDirectory(directory, "", attached->signature, &identity)) {
    return AskForDescriptor(attached, lane, directory, epoch, generation,
                            nullptr);
  }
  const uint32_t base = attached->open_directories.Find(identity, generation);
  return base != 0 ? base
                   : AskForDescriptor(attached, lane, directory, epoch,
                                      generation, &identity);
}

}  // namespace

// A vfork child has the memory of its parent and must not pass for it. What
// tells them apart is clear_child_tid: set by fork() and at the start of a
// program (glibc, musl), not by vfork() and posix_spawn(). Without
// CONFIG_CHECKPOINT_RESTORE it cannot be asked for: then the pid is compared at
// each use.
bool IsOwner(Attached* attached) {
  Owner* owner = attached->owner;
  const auto pid = static_cast<uint32_t>(Syscall(nr::kGetpid));
  const uint32_t known = LoadAcquire(&owner->pid);
  if (known != 0) {
    return known == pid;
  }
  void* address = nullptr;
  if (IsError(Syscall(nr::kPrctl, kPrGetTidAddress, Word(&address)))) {
    Store(&owner->is_shared, 1U);
  } else if (address == nullptr) {
    return false;
  }
  return CompareExchange(&owner->pid, 0U, pid) ||
         LoadAcquire(&owner->pid) == pid;
}

uint32_t FindBaseOf(Attached* attached, Lane* lane, int directory,
                    uint32_t epoch) {
  if (directory == kAtCwd) {
    return WorkingDirectory(attached, lane, epoch);
  }
  return directory < 0 ? 0 : OpenDirectory(attached, lane, directory, epoch);
}

void DirectoryChanged(Attached* attached) {
  const uint64_t count = FetchAdd(&attached->chdir_count, 1U) + 1;
  StoreRelease(&attached->directory, count << 32);
  if (!IsOwner(attached)) {
    Store(&attached->owner->is_shared, 1U);
  }
}

// /proc/thread-self, not self: a thread may have descriptors of its own
// (unshare(CLONE_FILES)).
long NameOfDescriptor(const Attached& attached, long fd, char* buffer) {
  char link[] = "/proc/thread-self/fd/\0\0\0\0\0\0\0\0\0\0";
  char digits[10];
  int count = 0;
  for (long rest = fd; count == 0 || rest > 0; rest /= 10) {
    digits[count++] = static_cast<char>('0' + rest % 10);
  }
  char* end = link + sizeof "/proc/thread-self/fd/" - 1;
  while (count > 0) {
    *end++ = digits[--count];
  }
  const long size =
      Syscall(nr::kReadlinkat, kAtCwd, Word(link), Word(buffer), kPathMax, 0,
              static_cast<long>(attached.signature ^
                                static_cast<uint64_t>(Word(link))));
  static constexpr char kDeleted[] = " (deleted)";
  const bool is_name = size > 0 && size < kPathMax && buffer[0] == '/' &&
                       !EndsWith(buffer, size, kDeleted, sizeof kDeleted - 1);
  return is_name ? size : 0;
}

Buffer::Buffer(Attached* attached) : attached_(attached) {
  for (uint32_t i = 0; i < kBufferCount && data_ == nullptr; ++i) {
    const uint32_t used =
        __atomic_fetch_or(&attached->buffers_used, 1U << i, __ATOMIC_ACQUIRE);
    if ((used & 1U << i) == 0) {
      bit_ = 1U << i;
      data_ = attached->buffers + i * kPathMax;
    }
  }
}

Buffer::~Buffer() {
  __atomic_fetch_and(&attached_->buffers_used, ~bit_, __ATOMIC_RELEASE);
}

}  // namespace vt::preload
