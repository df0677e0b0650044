// SPDX-License-Identifier: Apache-2.0
//
// FakeProcess: makes system calls and tells a Decoder of them as the kernel
// would, or as the preload library would: without a filter, a listener or
// another process. The test's own threads stand for those of the task.

#pragma once

#include <linux/seccomp.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/track/decoder.h"
#include "daemon/track/preload/arena_layout.h"

namespace vt::test {

// A thread that does nothing, but has a number and /proc entries.
class ParkedThread {
 public:
  ParkedThread();
  ~ParkedThread();
  pid_t tid() const { return tid_; }

 private:
  std::atomic<pid_t> tid_ = 0;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

// What a wrapper of the preload library would write, and nothing it would not.
class FakeArena {
 public:
  explicit FakeArena(int fd);
  FakeArena(const FakeArena&) = delete;
  FakeArena& operator=(const FakeArena&) = delete;
  ~FakeArena();

  track::ArenaHeader* header() { return header_; }
  // Takes the next chunk and returns its memory.
  char* TakeChunk();
  char* chunk(size_t taken) { return chunks_[taken]; }

  bool may_sign() const;
  uint32_t epoch() const;
  // Into the last chunk taken. The offset in units of 8 is the result.
  uint32_t Append(track::RecordKind kind, const std::string& path,
                  uint32_t base, int error, uint32_t epoch);

 private:
  int fd_;
  track::ArenaHeader* header_;
  std::vector<char*> chunks_;
};

class FakeProcess {
 public:
  // `signs`: reads are signed when they may be.
  FakeProcess(track::Decoder* decoder, bool signs);
  ~FakeProcess();

  // Whose calls the next ones are; the test's own thread at first.
  void SetThread(pid_t tid) { tid_ = tid; }

  void Read(const std::string& path);
  void ReadNoFollow(const std::string& path);
  void List(const std::string& path);
  void Stat(const std::string& path);
  void Lstat(const std::string& path);
  void Access(const std::string& path);
  void Readlink(const std::string& path);

  void Write(const std::string& path, const std::string& content);
  void Append(const std::string& path, const std::string& content);
  void OpenReadWrite(const std::string& path);
  void CreateNew(const std::string& path);
  void Unlink(const std::string& path);
  void Mkdir(const std::string& path);
  void Rmdir(const std::string& path);
  void Rename(const std::string& from, const std::string& to);
  void Exchange(const std::string& a, const std::string& b);
  void Symlink(const std::string& text, const std::string& path);
  void Link(const std::string& from, const std::string& to);
  void Chmod(const std::string& path, mode_t mode);
  void Touch(const std::string& path);
  void Chdir(const std::string& path);

  // The next changing call is told of, and made only after the call behind it:
  // between the two, others see what was there before.
  void DelayNext() { delays_next_ = true; }
  // Makes what was delayed.
  void MakeDelayed();

  // A signed call that was made in `epoch`, told now.
  void RecordLate(track::RecordKind kind, const std::string& path, int error,
                  uint32_t epoch);

  FakeArena* arena() { return arena_.get(); }
  uint64_t notified() const { return notified_; }
  track::Decoder::Answer Notify(int number, std::vector<uint64_t> args);
  // Asks for the arena, as a process does once.
  track::Decoder::Answer Hello();

 private:
  // Makes a changing call, now or later; then one that was delayed before.
  void Change(std::function<void()> call);
  void Look(track::RecordKind kind, const std::string& path, int number,
            std::vector<uint64_t> args, const std::function<int()>& call);

  track::Decoder* const decoder_;
  const bool signs_;
  pid_t tid_;
  std::unique_ptr<FakeArena> arena_;
  uint64_t notified_ = 0;
  bool delays_next_ = false;
  std::function<void()> delayed_;
};

}  // namespace vt::test
