// SPDX-License-Identifier: Apache-2.0
//
// Decoder: from one notified system call, or one record of a signed call, to
// observations and changes of paths. The table of tracking.md 6 as code. It
// runs on the tracer thread while the caller waits, so it is quick about a name
// that it has seen before, and leaves records to the end as long as it may
// (access_log.h).

#pragma once

#include <linux/seccomp.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include "daemon/track/access_log.h"
#include "daemon/track/access_set.h"
#include "daemon/track/arena.h"
#include "daemon/track/arena_reader.h"
#include "daemon/track/foreign_changes.h"
#include "daemon/track/in_flight.h"
#include "daemon/track/resolve.h"
#include "daemon/track/task.h"
#include "daemon/track/tracker.h"

namespace vt::track {

// Thread-compatible.
class Decoder {
 public:
  // Takes what it needs of `options`.
  explicit Decoder(const TrackerOptions& options);

  // How a notified call is answered.
  struct Answer {
    enum class Kind {
      kContinue,
      kRefuse,  // it fails with EPERM
      kGive,    // a copy of `fd` is its result
    };
    Kind kind = Kind::kContinue;
    int fd = -1;  // the decoder's
  };

  // Records what `request` is about to do.
  Answer Handle(const seccomp_notif& request);
  // The descriptor of an answer could not be given.
  void AttachFailed();
  // Whether the call asks for the arena.
  static bool IsHello(const seccomp_data& call);

  // Records what a nested action is about to change.
  void Handle(const NestedChange& change);

  // A reason not to store that the listener found.
  void AddFlaw(int reason, const std::string& text);

  // Everything, compared with the disk. Nothing that was traced goes on
  // recording after this. Blocking. Call once.
  AccessSet Finish();

 private:
  // What was known of a name when it was resolved.
  enum class Outcome { kNotified, kSuccess, kMissing, kError };

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

  // `mode`: the argument, which counts with O_CREAT.
  void Open(const Task& task, const Name& name, uint64_t flags, uint64_t mode);
  void OpenForWriting(const Task& task, const Resolved& at, uint64_t flags,
                      uint64_t mode);
  void OpenHow(const Task& task, const uint64_t* args);
  std::optional<mode_t> ModeOfNew(const Task& task, const Resolved& at,
                                  enum Change change, uint64_t mode);
  void MakeDirectory(const Task& task, const Name& name, uint64_t mode);
  void Change(const Task& task, const Name& name, enum Change change,
              bool makes_link = false,
              std::optional<mode_t> mode = std::nullopt);
  void ChangeDescriptor(const Task& task, int fd, std::optional<mode_t> mode);
  void Rename(const Task& task, const Name& from, const Name& to,
              uint64_t flags);
  void Link(const Task& task, const Name& from, const Name& to);
  void Remove(const Task& task, const Name& name);
  void Truncate(const Task& task, const Name& name, uint64_t size);
  void Execute(const Task& task, const Name& name);
  void Bind(const Task& task, const uint64_t* args);
  void FinishSockets();
  void Connect(const Task& task, uint64_t address, uint64_t size);
  // The name of a Unix socket: "@..." if abstract; false: another family.
  bool ReadSocketName(const Task& task, uint64_t address, uint64_t size,
                      std::string* out);
  void SetNamespace(const Task& task, const uint64_t* args);
  void Unreadable(const Task& task);
  // Names may lead elsewhere from now on.
  void NamesChanged();

  // Whether `name_` was observed like this before; if not, it is from now on.
  bool WasSeen(uint32_t observed, bool follow, Outcome outcome);
  // The last resolved name is to be looked at again next time.
  void DoNotRemember();

  // Everything that must be done before `at` is changed.
  void BeforeChange(pid_t tid, const Resolved& at, enum Change change,
                    bool makes_link);
  // BeforeChange, and tells the log. `makes_link`: kCreate makes a symbolic
  // link.
  void Mutate(const Task& task, const Resolved& at, enum Change change,
              bool makes_link = false,
              std::optional<mode_t> mode = std::nullopt);
  void MakeLink(const Task& task, const Name& name);
  void ProbeNew(const Resolved& at);
  void WorkingDirectoryChanges(const Task& task);
  // Marks what others have changed of it.
  void FinishForeign();
  void Settle(pid_t tid);

  // What decoder_records.cc does with the arena.
  Answer Attach(const Task& task, uint64_t version);
  bool IsInOurWorld(const Task& task);
  // Nobody may sign calls any more: records would not tell the truth.
  void GoSlow();
  void TakeRecords(bool is_last);
  void Take(const SignedCall& call, bool is_last);
  void EnterEpoch(uint32_t epoch);
  void Contradicted(Outcome outcome, int error, uint32_t observed);
  void FinishRecords();
  int ProgramOf(pid_t tid);
  void ProgramChanges();
  int InternProgram(std::string path);
  void BindChunks();

  bool IsOwnService(const std::string& path) const;

  const std::vector<std::string> allowed_services_;
  const std::vector<std::string> own_services_;
  const std::string daemon_socket_;
  Resolver resolver_;
  AccessLog log_;
  ForeignChanges foreign_;
  AccessSet set_;
  const bool may_attach_;
  const uint64_t signature_;
  const uint32_t arena_chunks_;
  const std::function<base::FileClock()> file_clock_;
  const int64_t started_file_clock_ns_;
  // What was observed by each name, as given: the bits of Observed, eight for
  // each outcome and whether the last link was followed.
  absl::flat_hash_map<std::string, uint64_t> seen_;
  absl::flat_hash_set<std::string> bound_sockets_;
  // Unix datagram sockets by process that have not been given an address.
  absl::flat_hash_map<pid_t, int> datagram_sockets_;
  absl::flat_hash_set<std::string> executed_;
  // Epochs in which names came to lead elsewhere; and how many of them the last
  // record that was taken had behind it.
  std::vector<uint32_t> names_epochs_;
  size_t taken_names_ = 0;
  Source source_;
  InFlight in_flight_;
  std::unique_ptr<Arena> arena_;  // null: nobody has asked for it
  std::unique_ptr<ArenaReader> reader_;
  bool is_slow_ = false;
  std::string mount_namespace_;  // of the daemon, as /proc says it
  // Index into AccessSet::programs, by path, by task, by process that attached,
  // and by chunk.
  absl::flat_hash_map<std::string, int> programs_;
  absl::flat_hash_map<pid_t, int> program_of_task_;
  absl::flat_hash_map<pid_t, int> program_of_process_;
  std::vector<int> program_of_chunk_;
  // By number; 0 counts what is beyond.
  std::array<uint64_t, 512> counts_ = {};
  // Buffers that keep their memory from call to call.
  std::string name_;
  std::string text_;
  Resolved resolved_;
};

}  // namespace vt::track
