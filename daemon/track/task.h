// SPDX-License-Identifier: Apache-2.0
//
// Task: what can be learned about a thread that waits in a notified system
// call: its memory, and what its directories and descriptors name.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace vt::track {

// Thread-compatible. Every call is meaningful only while the task waits.
class Task {
 public:
  enum class Read {
    kOk,
    kFault,    // a bad pointer: the kernel will say EFAULT, or ENAMETOOLONG
    kGone,     // the task was killed meanwhile
    kRefused,  // not ours to read
  };

  // 0: a task that has gone, of which nothing can be learned.
  explicit Task(pid_t tid) : tid_(tid) {}

  pid_t tid() const { return tid_; }

  // The string at `address`, without its NUL, into `out`.
  Read ReadString(uint64_t address, std::string* out) const;
  // Exactly `size` bytes.
  Read ReadBytes(uint64_t address, void* out, size_t size) const;

  // What /proc says the working directory, or the descriptor, is: an absolute
  // path. False: there is none (a pipe, a deleted file, a closed descriptor).
  bool WorkingDirectory(std::string* out) const;
  bool DescriptorPath(int fd, std::string* out) const;
  // The link of /proc/<tid>/`name` as it stands ("exe", "root", "fd/3"...).
  bool ReadLink(const char* name, std::string* out) const;

  // The umask of its process; nullopt if that cannot be told.
  std::optional<mode_t> Umask() const;

  // Whether its process has other threads.
  bool HasSiblings() const;
  // The process it is a thread of; its own number if that cannot be told.
  pid_t ProcessId() const;

 private:
  // What follows `name` in /proc/<tid>/status; false: that cannot be read.
  bool ReadStatus(const char* name, char* out, size_t size) const;

  pid_t tid_;
};

}  // namespace vt::track
