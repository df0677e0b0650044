// SPDX-License-Identifier: Apache-2.0
//
// Decoder: from one notified system call to observations and changes of paths.
// The table of tracking.md 6 as code. It runs on the tracer thread while the
// caller waits, so it is quick about a name that it has seen before.

#pragma once

#include <linux/seccomp.h>

#include <array>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include "daemon/track/access_log.h"
#include "daemon/track/access_set.h"
#include "daemon/track/resolve.h"
#include "daemon/track/task.h"
#include "daemon/track/tracker.h"

namespace vt::track {

// Thread-compatible.
class Decoder {
 public:
  // Takes what it needs of `options`.
  explicit Decoder(const TrackerOptions& options);

  // Records what `request` is about to do.
  void Handle(const seccomp_notif& request);

  // A reason not to store that the listener found.
  void AddFlaw(int reason, const std::string& text);

  // Everything, compared with the disk. Blocking. Call once.
  AccessSet Finish();

 private:
  // Where a name of a system call starts, and whether its last link counts.
  struct Name {
    int directory;  // AT_FDCWD or a descriptor
    uint64_t address;
    bool follow = true;
    bool may_be_empty = false;  // AT_EMPTY_PATH: the descriptor itself
    bool in_root = false;       // RESOLVE_IN_ROOT: "/" is the descriptor
  };

  bool HandleRead(const Task& task, int number, const uint64_t* args);
  bool HandleAttributeRead(const Task& task, int number, const uint64_t* args);
  bool HandleOpen(const Task& task, int number, const uint64_t* args);
  bool HandleNameChange(const Task& task, int number, const uint64_t* args);
  bool HandleModeChange(const Task& task, int number, const uint64_t* args);
  bool HandleWorld(const Task& task, int number, const uint64_t* args);
  bool HandleSocket(const Task& task, int number, const uint64_t* args);
  bool HandleExec(const Task& task, int number, const uint64_t* args);

  // The absolute name in `name_`. False: the call will fail, or names no file.
  bool ReadName(const Task& task, const Name& name);
  // ReadName and Resolve.
  bool Find(const Task& task, const Name& name, Resolved* out);
  // Observes, unless this name was observed like this before.
  void Observe(const Task& task, const Name& name, uint32_t observed);
  void ObserveResolved(const Resolved& at, uint32_t observed);

  void Open(const Task& task, const Name& name, uint64_t flags);
  void OpenForWriting(const Resolved& at, uint64_t flags);
  void OpenHow(const Task& task, const uint64_t* args);
  void Change(const Task& task, const Name& name, enum Change change);
  void ChangeDescriptor(const Task& task, int fd);
  void Rename(const Task& task, const Name& from, const Name& to,
              uint64_t flags);
  void Link(const Task& task, const Name& from, const Name& to);
  void Remove(const Task& task, const Name& name);
  void Execute(const Task& task, const Name& name);
  void Bind(const Task& task, const uint64_t* args);
  void Connect(const Task& task, uint64_t address, uint64_t size);
  // The name of a Unix socket: "@..." if abstract; false: another family.
  bool ReadSocketName(const Task& task, uint64_t address, uint64_t size,
                      std::string* out);
  void SetNamespace(const Task& task, const uint64_t* args);
  void Unreadable(const Task& task);
  // Names may lead elsewhere from now on.
  void NamesChanged();

  bool IsOwnService(const std::string& path) const;

  const std::vector<std::string> allowed_services_;
  const std::vector<std::string> own_services_;
  Resolver resolver_;
  AccessLog log_;
  AccessSet set_;
  // What was observed by each name, as given: bits of Observed, and kFollowed.
  absl::flat_hash_map<std::string, uint32_t> seen_;
  absl::flat_hash_set<std::string> bound_sockets_;
  absl::flat_hash_set<std::string> executed_;
  // By number; 0 counts what is beyond.
  std::array<uint64_t, 512> counts_ = {};
  // Buffers that keep their memory from call to call.
  std::string name_;
  std::string text_;
  Resolved resolved_;
};

}  // namespace vt::track
