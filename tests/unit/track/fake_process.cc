// SPDX-License-Identifier: Apache-2.0

#include "tests/unit/track/fake_process.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <gtest/gtest.h>

#include "daemon/track/filter.h"
#include "daemon/track/syscall_numbers.h"

namespace vt::test {
namespace {

using track::ArenaHeader;
using track::ChunkHeader;
using track::kChunkSize;
using track::kHeaderSize;
using track::Record;
using track::RecordKind;

constexpr auto kHere = static_cast<uint32_t>(AT_FDCWD);

uint64_t Pointer(const std::string& text) {
  return reinterpret_cast<uintptr_t>(text.c_str());
}

pid_t OwnTid() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

int ErrorOf(long result) { return result < 0 ? errno : 0; }

int OpenAndClose(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK);
  const int error = ErrorOf(fd);
  if (fd >= 0) {
    ::close(fd);
  }
  return error;
}

void Put(const std::string& path, int flags, const std::string& content) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (fd >= 0) {
    EXPECT_EQ(::write(fd, content.data(), content.size()),
              static_cast<ssize_t>(content.size()));
    ::close(fd);
  }
}

}  // namespace

ParkedThread::ParkedThread()
    : thread_([this] {
        tid_ = OwnTid();
        tid_.notify_one();
        over_.wait(false);
      }) {
  tid_.wait(0);
}

ParkedThread::~ParkedThread() {
  over_ = true;
  over_.notify_one();
  thread_.join();
}

FakeArena::FakeArena(int fd) : fd_(::dup(fd)) {
  header_ = static_cast<ArenaHeader*>(
      ::mmap(nullptr, kHeaderSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
}

FakeArena::~FakeArena() {
  for (char* chunk : chunks_) {
    ::munmap(chunk, kChunkSize);
  }
  ::munmap(header_, kHeaderSize);
  ::close(fd_);
}

char* FakeArena::TakeChunk() {
  const uint32_t index = header_->next_chunk++;
  void* memory = ::mmap(nullptr, kChunkSize, PROT_READ | PROT_WRITE, MAP_SHARED,
                        fd_, kHeaderSize + off_t{index} * kChunkSize);
  chunks_.push_back(static_cast<char*>(memory));
  auto* header = reinterpret_cast<ChunkHeader*>(memory);
  header->index = index;
  header->owner = static_cast<uint32_t>(::getpid());
  return chunks_.back();
}

bool FakeArena::may_sign() const {
  return (header_->flags & track::kFlagsPlain) == 0;
}

uint32_t FakeArena::epoch() const { return header_->epoch; }

uint32_t FakeArena::Append(RecordKind kind, const std::string& path,
                           uint32_t base, int error, uint32_t epoch) {
  char* memory = chunks_.back();
  auto* chunk = reinterpret_cast<ChunkHeader*>(memory);
  const auto size =
      static_cast<uint32_t>((sizeof(Record) + path.size() + 7) / 8 * 8);
  const uint32_t at = static_cast<uint32_t>(sizeof(ChunkHeader)) + chunk->used;
  chunk->used += size;
  auto* record = reinterpret_cast<Record*>(memory + at);
  record->size = size;
  record->kind = static_cast<uint8_t>(kind);
  record->path_size = static_cast<uint16_t>(path.size());
  record->base = base;
  record->result = -error;
  record->epoch = epoch;
  std::memcpy(memory + at + sizeof(Record), path.data(), path.size());
  record->state = 1;
  return (kHeaderSize + chunk->index * kChunkSize + at) / 8;
}

FakeProcess::FakeProcess(track::Decoder* decoder, bool signs)
    : decoder_(decoder),
      signs_(signs),
      tid_(OwnTid()) {}

FakeProcess::~FakeProcess() = default;

track::Decoder::Answer FakeProcess::Notify(int number,
                                           std::vector<uint64_t> args) {
  seccomp_notif request = {};
  request.id = ++notified_;
  request.pid = static_cast<uint32_t>(tid_);
  request.data.nr = number;
  request.data.arch = track::kNativeArch;
  for (size_t i = 0; i < args.size(); ++i) {
    request.data.args[i] = args[i];
  }
  return decoder_->Handle(request);
}

track::Decoder::Answer FakeProcess::Hello() {
  const track::Decoder::Answer answer =
      Notify(__NR_openat,
             {static_cast<uint32_t>(track::kHelloDirectory), 0,
              track::kHelloFlags, 0, track::kHelloWord, track::kArenaVersion});
  if (answer.kind == track::Decoder::Answer::Kind::kGive) {
    arena_ = std::make_unique<FakeArena>(answer.fd);
    arena_->TakeChunk();
  }
  return answer;
}

void FakeProcess::MakeDelayed() {
  if (delayed_) {
    std::exchange(delayed_, nullptr)();
  }
}

void FakeProcess::Change(std::function<void()> call) {
  if (std::exchange(delays_next_, false) && !delayed_) {
    delayed_ = std::move(call);
    return;
  }
  call();
  MakeDelayed();
}

void FakeProcess::Look(RecordKind kind, const std::string& path, int number,
                       std::vector<uint64_t> args,
                       const std::function<int()>& call) {
  if (!signs_) {
    Notify(number, std::move(args));
    call();
    MakeDelayed();
    return;
  }
  if (arena_ == nullptr) {
    Hello();
  }
  const uint32_t epoch = arena_->epoch();
  if (!arena_->may_sign()) {
    Notify(number, std::move(args));
    call();
    MakeDelayed();
    return;
  }
  const int error = call();
  uint32_t base = 0;
  if (path[0] != '/') {
    char directory[4096];
    ASSERT_NE(::getcwd(directory, sizeof directory), nullptr);
    base = arena_->Append(RecordKind::kBase, directory, 0, 0, epoch);
  }
  arena_->Append(kind, path, base, error, epoch);
  MakeDelayed();
}

void FakeProcess::RecordLate(RecordKind kind, const std::string& path,
                             int error, uint32_t epoch) {
  if (arena_ == nullptr) {
    Hello();
  }
  arena_->Append(kind, path, 0, error, epoch);
}

void FakeProcess::Read(const std::string& path) {
  Look(RecordKind::kRead, path, __NR_openat, {kHere, Pointer(path), O_RDONLY},
       [&] { return OpenAndClose(path, O_RDONLY); });
}

void FakeProcess::ReadNoFollow(const std::string& path) {
  Look(RecordKind::kReadNoFollow, path, __NR_openat,
       {kHere, Pointer(path), O_RDONLY | O_NOFOLLOW},
       [&] { return OpenAndClose(path, O_RDONLY | O_NOFOLLOW); });
}

void FakeProcess::List(const std::string& path) {
  Look(RecordKind::kListing, path, __NR_openat,
       {kHere, Pointer(path), O_RDONLY | O_DIRECTORY},
       [&] { return OpenAndClose(path, O_RDONLY | O_DIRECTORY); });
}

void FakeProcess::Stat(const std::string& path) {
  struct stat status;
  Look(RecordKind::kStat, path, __NR_newfstatat, {kHere, Pointer(path), 0, 0},
       [&] { return ErrorOf(::stat(path.c_str(), &status)); });
}

void FakeProcess::Lstat(const std::string& path) {
  struct stat status;
  Look(RecordKind::kLstat, path, __NR_newfstatat,
       {kHere, Pointer(path), 0, AT_SYMLINK_NOFOLLOW},
       [&] { return ErrorOf(::lstat(path.c_str(), &status)); });
}

void FakeProcess::Access(const std::string& path) {
  Look(RecordKind::kAccess, path, __NR_faccessat, {kHere, Pointer(path), F_OK},
       [&] { return ErrorOf(::access(path.c_str(), F_OK)); });
}

void FakeProcess::Readlink(const std::string& path) {
  char text[4096];
  Look(RecordKind::kReadlink, path, __NR_readlinkat, {kHere, Pointer(path)},
       [&] { return ErrorOf(::readlink(path.c_str(), text, sizeof text)); });
}

void FakeProcess::Write(const std::string& path, const std::string& content) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC;
  Notify(__NR_openat, {kHere, Pointer(path), kFlags, 0644});
  Change([=] { Put(path, kFlags, content); });
}

void FakeProcess::Append(const std::string& path, const std::string& content) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND;
  Notify(__NR_openat, {kHere, Pointer(path), kFlags, 0644});
  Change([=] { Put(path, kFlags, content); });
}

void FakeProcess::OpenReadWrite(const std::string& path) {
  Notify(__NR_openat, {kHere, Pointer(path), O_RDWR});
  Change([=] { OpenAndClose(path, O_RDWR); });
}

void FakeProcess::CreateNew(const std::string& path) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL;
  Notify(__NR_openat, {kHere, Pointer(path), kFlags, 0644});
  Change([=] { Put(path, kFlags, "new"); });
}

void FakeProcess::Unlink(const std::string& path) {
  Notify(__NR_unlinkat, {kHere, Pointer(path), 0});
  Change([=] { ::unlink(path.c_str()); });
}

void FakeProcess::Mkdir(const std::string& path) {
  Notify(__NR_mkdirat, {kHere, Pointer(path), 0755});
  Change([=] { ::mkdir(path.c_str(), 0755); });
}

void FakeProcess::Rmdir(const std::string& path) {
  Notify(__NR_unlinkat, {kHere, Pointer(path), AT_REMOVEDIR});
  Change([=] { ::rmdir(path.c_str()); });
}

void FakeProcess::Rename(const std::string& from, const std::string& to) {
  Notify(__NR_renameat2, {kHere, Pointer(from), kHere, Pointer(to), 0});
  Change([=] { ::rename(from.c_str(), to.c_str()); });
}

void FakeProcess::Exchange(const std::string& a, const std::string& b) {
  Notify(__NR_renameat2,
         {kHere, Pointer(a), kHere, Pointer(b), RENAME_EXCHANGE});
  Change([=] {
    ::syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(),
              RENAME_EXCHANGE);
  });
}

void FakeProcess::Symlink(const std::string& text, const std::string& path) {
  Notify(__NR_symlinkat, {Pointer(text), kHere, Pointer(path)});
  Change(
      [=] { static_cast<void>(::symlink(text.c_str(), path.c_str()) == 0); });
}

void FakeProcess::Link(const std::string& from, const std::string& to) {
  Notify(__NR_linkat, {kHere, Pointer(from), kHere, Pointer(to), 0});
  Change([=] { static_cast<void>(::link(from.c_str(), to.c_str()) == 0); });
}

void FakeProcess::Chmod(const std::string& path, mode_t mode) {
  Notify(__NR_fchmodat, {kHere, Pointer(path), mode});
  Change([=] { ::chmod(path.c_str(), mode); });
}

void FakeProcess::Touch(const std::string& path) {
  Notify(__NR_utimensat, {kHere, Pointer(path), 0, 0});
  Change([=] { ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0); });
}

void FakeProcess::Chdir(const std::string& path) {
  Notify(__NR_chdir, {Pointer(path)});
  static_cast<void>(::chdir(path.c_str()) == 0);
}

}  // namespace vt::test
