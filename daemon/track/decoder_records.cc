// SPDX-License-Identifier: Apache-2.0
//
// The arena: who gets it, and what its records say.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/near_files.h"
#include "daemon/track/decoder.h"
#include "daemon/track/not_stored.h"

namespace vt::track {
namespace {

// What a kind of record observes, and whether the last link was followed.
struct Meaning {
  uint32_t observed;
  bool follow;
};

Meaning MeaningOf(RecordKind kind) {
  switch (kind) {
    case RecordKind::kRead:
      return {kContent, true};
    case RecordKind::kReadNoFollow:
      return {kContent, false};
    case RecordKind::kOpenPath:
    case RecordKind::kStat:
      return {kMetadata, true};
    case RecordKind::kOpenPathNoFollow:
    case RecordKind::kLstat:
      return {kLinkMetadata, false};
    case RecordKind::kAccess:
      return {kExistence, true};
    case RecordKind::kReadlink:
      return {kLinkText, false};
    case RecordKind::kListing:
      return {kListing, true};
    case RecordKind::kListingNoFollow:
      return {kListing, false};
    case RecordKind::kBase:
      break;
  }
  return {kExistence, true};
}

bool IsMissing(int error) { return error == ENOENT || error == ENOTDIR; }

}  // namespace

int Decoder::InternProgram(std::string path) {
  const auto [it, is_new] = programs_.try_emplace(
      std::move(path), static_cast<int>(set_.programs.size()));
  if (is_new) {
    set_.programs.push_back(it->first);
  }
  return it->second;
}

int Decoder::ProgramOf(pid_t tid) {
  const auto [it, is_new] = program_of_task_.try_emplace(tid, -1);
  if (it->second < 0) {
    std::string path;
    if (Task(tid).ReadLink("exe", &path)) {
      it->second = InternProgram(std::move(path));
    }
  }
  return it->second;
}

// A thread that executes a program goes on with the number of its process's
// first one: which that is would have to be asked for.
void Decoder::ProgramChanges() { program_of_task_.clear(); }

// Chunks that were taken since the last call belong to the program that their
// process was then: it asked for the arena before each.
void Decoder::BindChunks() {
  for (uint32_t chunk = static_cast<uint32_t>(program_of_chunk_.size());
       chunk < arena_->used_chunks(); ++chunk) {
    const auto owner =
        program_of_process_.find(static_cast<pid_t>(reader_->OwnerOf(chunk)));
    program_of_chunk_.push_back(
        owner == program_of_process_.end() ? -1 : owner->second);
  }
}

// Whether names mean to `task` what they mean to us.
bool Decoder::IsInOurWorld(const Task& task) {
  std::string text;
  if (!task.ReadLink("root", &text) || text != "/") {
    return false;
  }
  if (mount_namespace_.empty() &&
      !Task(::getpid()).ReadLink("ns/mnt", &mount_namespace_)) {
    return false;
  }
  return task.ReadLink("ns/mnt", &text) && text == mount_namespace_;
}

Decoder::Answer Decoder::Attach(const Task& task, uint64_t version) {
  if (!may_attach_ || is_slow_ || version != kArenaVersion ||
      !IsInOurWorld(task)) {
    ++set_.refused_attachments;
    return {Answer::Kind::kRefuse};
  }
  if (arena_ == nullptr) {
    arena_ = Arena::Create(signature_, arena_chunks_);
    if (arena_ == nullptr) {
      is_slow_ = true;
      ++set_.refused_attachments;
      return {Answer::Kind::kRefuse};
    }
    reader_ = std::make_unique<ArenaReader>(
        [arena = arena_.get()](uint32_t index) { return arena->Chunk(index); });
    arena_->SetEpoch(log_.epoch());
    if (!in_flight_.is_empty()) {
      arena_->SetFlags(kFlagHold);
    }
  }
  BindChunks();
  const pid_t process = task.ProcessId();
  std::string program;
  if (task.ReadLink("exe", &program)) {
    program_of_process_[process] = InternProgram(std::move(program));
  }
  ++set_.attachments;
  return {Answer::Kind::kGive, arena_->fd()};
}

void Decoder::AttachFailed() {
  --set_.attachments;
  ++set_.refused_attachments;
}

void Decoder::GoSlow() {
  TakeRecords(/*is_last=*/false);
  NamesChanged();
  is_slow_ = true;
  if (arena_ != nullptr) {
    arena_->SetFlags(kFlagSlow);
  }
}

void Decoder::TakeRecords(bool is_last) {
  if (arena_ == nullptr) {
    return;
  }
  BindChunks();
  reader_->Read(
      static_cast<uint32_t>(program_of_chunk_.size()), log_.epoch(), is_last,
      [this, is_last](const SignedCall& call) { Take(call, is_last); });
  log_.SetSource(source_);
}

// A name that was seen may mean something else to a record of another epoch.
void Decoder::EnterEpoch(uint32_t epoch) {
  const auto behind =
      std::upper_bound(names_epochs_.begin(), names_epochs_.end(), epoch) -
      names_epochs_.begin();
  if (taken_names_ != static_cast<size_t>(behind)) {
    taken_names_ = static_cast<size_t>(behind);
    seen_.clear();
  }
}

void Decoder::Take(const SignedCall& call, bool is_last) {
  EnterEpoch(call.epoch);
  name_.clear();
  if (!call.base.empty()) {
    absl::StrAppend(&name_, call.base, "/");
  }
  absl::StrAppend(&name_, call.name);
  const Meaning meaning = MeaningOf(call.kind);
  const Outcome outcome = call.error == 0         ? Outcome::kSuccess
                          : IsMissing(call.error) ? Outcome::kMissing
                                                  : Outcome::kError;
  if (WasSeen(meaning.observed, meaning.follow, outcome)) {
    return;
  }
  log_.SetSource(
      {call.epoch, /*tid=*/0, program_of_chunk_[call.chunk], is_last});
  const auto is_hidden = [this, &call](absl::string_view path) {
    return log_.WasMade(path, call.epoch);
  };
  const Resolver::Hidden hidden = is_hidden;
  resolver_.Resolve(name_, meaning.follow, Task(0),
                    outcome == Outcome::kMissing ? &hidden : nullptr,
                    &resolved_);
  if ((meaning.observed & kContent) != 0 && absl::EndsWith(name_, "/environ")) {
    set_.read_environment = true;  // of whichever process
  }
  if (resolved_.depends_on_caller) {
    log_.AddFlaw(kTrackingIncomplete, "a link led to what a process has open",
                 name_);
  }
  if (log_.MayHaveMoved(resolved_)) {
    log_.AddFlaw(kTrackingIncomplete,
                 "a directory was changed while another process of the task "
                 "looked into it",
                 resolved_.path);
  }
  Contradicted(outcome, call.error, meaning.observed);
}

// Compares what the call was told with what is there now.
void Decoder::Contradicted(Outcome outcome, int error, uint32_t observed) {
  if (resolved_.kind == Resolved::Kind::kMissing) {
    if (absl::StrContains(resolved_.path, "/..")) {
      DoNotRemember();
    }
    // Also of what was refused: something was there.
    if (outcome != Outcome::kMissing) {
      log_.ObserveGone(resolved_, observed);
      return;
    }
  }
  if (outcome == Outcome::kMissing && resolved_.found()) {
    // A file is no directory: that is what it was told.
    const bool is_no_directory =
        error == ENOTDIR && !S_ISDIR(resolved_.status.st_mode);
    if (!is_no_directory) {
      log_.ObserveAppeared(resolved_, observed);
      return;
    }
  }
  ObserveResolved(resolved_, observed);
}

void Decoder::FinishRecords() {
  if (arena_ == nullptr) {
    return;
  }
  arena_->SetFlags(kFlagClosed);
  source_ = {};
  {
    const base::NearScope near;
    TakeRecords(/*is_last=*/true);
  }
  set_.signed_records = reader_->count();
  if (arena_->is_lost()) {
    log_.AddFlaw(kTrackingIncomplete, "too many file accesses to be recorded");
  }
  if (!reader_->damage().empty()) {
    log_.AddFlaw(kTrackingIncomplete,
                 absl::StrCat("tracking data damaged: ", reader_->damage()));
  } else if (!arena_->is_intact()) {
    log_.AddFlaw(kTrackingIncomplete, "tracking data damaged: the header");
  }
}

}  // namespace vt::track
