// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/foreign_changes.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "daemon/base/mutex.h"
#include "daemon/base/open_writers.h"
#include "daemon/base/path.h"

namespace vt::track {
namespace {

// IN_MODIFY also stands between two ends of writing, which the kernel would
// else tell as one; an end without it has changed nothing. Making, writing,
// truncating, linking and renaming a file are no IN_ATTRIB of its name (6.18).
constexpr uint32_t kMask = IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB |
                           IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |
                           IN_ONLYDIR | IN_DONT_FOLLOW;
// Of the watches that a user may have (8192 on small machines).
constexpr size_t kMaxWatches = 2048;
// The queue holds 16384 events; most changes make two or three.
constexpr size_t kReadAfter = 1024;

// Instances that nobody uses now. To close one takes the kernel 5 to 25 ms
// (it waits for all readers of its watches; 6.18), to take a watch away 2 us.
// Thread-safe.
class Pool {
 public:
  base::UniqueFd Take() {
    const base::MutexLock lock(&mutex_);
    if (idle_.empty()) {
      return base::UniqueFd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    }
    base::UniqueFd last = std::move(idle_.back());
    idle_.pop_back();
    return last;
  }
  // Without watches. Events of the old ones may still wait: they are nobody's,
  // for numbers of watches do not come again.
  void Give(base::UniqueFd inotify) {
    const base::MutexLock lock(&mutex_);
    idle_.push_back(std::move(inotify));
  }

 private:
  base::Mutex mutex_;
  std::vector<base::UniqueFd> idle_ ABSL_GUARDED_BY(mutex_);
};

Pool& Instances() {
  static Pool* const pool = new Pool;
  return *pool;
}

}  // namespace

ForeignChanges::ForeignChanges(std::string root) : root_(std::move(root)) {}

ForeignChanges::~ForeignChanges() {
  if (!inotify_.is_valid()) {
    return;
  }
  for (const auto& [watch, directory] : directories_) {
    ::inotify_rm_watch(inotify_.get(), watch);
  }
  Read();
  Instances().Give(std::move(inotify_));
}

bool ForeignChanges::IsInRoot(absl::string_view path) const {
  return !root_.empty() && path.size() > root_.size() &&
         base::IsWithin(path, root_);
}

void ForeignChanges::Watch(const std::string& path) {
  if (!IsInRoot(path)) {
    return;
  }
  if (++unread_ > kReadAfter) {
    Read();
  }
  const absl::string_view directory = base::Dirname(path);
  if (watches_.contains(directory) || watches_.size() >= kMaxWatches) {
    return;
  }
  if (!std::exchange(is_tried_, true)) {
    inotify_ = Instances().Take();
  }
  if (!inotify_.is_valid()) {
    return;
  }
  std::string name(directory);
  const int watch = ::inotify_add_watch(inotify_.get(), name.c_str(), kMask);
  if (watch >= 0) {
    // The same directory may have been known by another name.
    if (const auto known = directories_.find(watch);
        known != directories_.end()) {
      watches_.erase(known->second);
    }
    directories_[watch] = name;
    watches_[std::move(name)] = watch;
  }
}

// One more of the same kind may be told as one with the last, if that is the
// last that was not read: an own one would then hide a foreign one.
ForeignChanges::Counts* ForeignChanges::Of(const std::string& path) {
  Watch(path);
  if (!IsInRoot(path)) {
    return nullptr;
  }
  if (counts_.contains(path)) {
    Read();
  }
  return &counts_[path];
}

void ForeignChanges::ExpectWrite(const std::string& path) {
  if (Counts* const counts = Of(path)) {
    ++counts->writes.expected;
  }
}

void ForeignChanges::ExpectTruncation(const std::string& path) {
  if (Counts* const counts = Of(path)) {
    counts->is_truncated = true;
  }
}

void ForeignChanges::ExpectAttributes(const std::string& path) {
  if (Counts* const counts = Of(path)) {
    ++counts->attributes.expected;
  }
}

// What is watched is the directory, not its name.
void ForeignChanges::Forget(const std::string& directory) {
  if (!watches_.contains(directory)) {
    return;
  }
  Read();  // and with that, perhaps, that it has gone
  if (const auto found = watches_.find(directory); found != watches_.end()) {
    ::inotify_rm_watch(inotify_.get(), found->second);
    directories_.erase(found->second);
    watches_.erase(found);
  }
}

void ForeignChanges::ExpectRemoval(const std::string& path) {
  if (Counts* const counts = Of(path)) {
    ++counts->departures.expected;
  }
}

void ForeignChanges::ExpectDirectory(const std::string& path) {
  Watch(path);
  Forget(path);
}

void ForeignChanges::ExpectRename(const std::string& from,
                                  const std::string& to) {
  Watch(to);  // before anything is moved there
  ExpectRemoval(from);
  if (Counts* const counts = Of(to)) {
    ++counts->arrivals.expected;
    Carry(from, to);
  }
}

void ForeignChanges::ExpectLink(const std::string& from,
                                const std::string& to) {
  Watch(to);
  if (IsInRoot(to)) {
    Carry(from, to);
  }
}

// What others did to `from` is in `to`; and whoever still has it open will
// close it under its new name.
void ForeignChanges::Carry(const std::string& from, const std::string& to) {
  Read();
  if (const Counts* const found = Find(from)) {
    const Counts before = *found;
    Counts& after = counts_[to];
    after.is_tainted = after.is_tainted || before.is_changed();
    after.is_truncated = after.is_truncated || before.is_truncated;
    after.writes.expected += before.writes.outstanding();
    after.attributes.expected += before.attributes.outstanding();
  }
}

void ForeignChanges::ExpectMove(const std::string& from,
                                const std::string& to) {
  ExpectRename(from, to);
  const auto moved = [&](const std::string& path) {
    return absl::StrCat(to, absl::string_view(path).substr(from.size()));
  };
  std::vector<std::string> paths;
  for (const auto& [path, counts] : counts_) {
    if (path != from && base::IsWithin(path, from)) {
      paths.push_back(path);
    }
  }
  for (const std::string& path : paths) {
    Carry(path, moved(path));
  }
  for (auto& [watch, directory] : directories_) {
    if (base::IsWithin(directory, from)) {
      watches_.erase(directory);
      directory = moved(directory);
      watches_[directory] = watch;
    }
  }
}

void ForeignChanges::Exempt(const std::string& path) {
  if (IsInRoot(path)) {
    exempt_.insert(path);
  }
}

bool ForeignChanges::Read() {
  unread_ = 0;
  alignas(inotify_event) char buffer[16 << 10];
  while (inotify_.is_valid()) {
    const ssize_t n = ::read(inotify_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      break;
    }
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      // The name is padded with zeros.
      Handle(event->wd, event->mask,
             event->len == 0 ? absl::string_view()
                             : absl::string_view(event->name));
      at += static_cast<ssize_t>(sizeof *event + event->len);
    }
  }
  return !is_lost_;
}

void ForeignChanges::Handle(int watch, uint32_t mask, absl::string_view name) {
  if ((mask & IN_Q_OVERFLOW) != 0) {
    is_lost_ = true;
    return;
  }
  const auto found = directories_.find(watch);
  if (found == directories_.end()) {
    return;  // of a watch that was given up
  }
  if ((mask & IN_IGNORED) != 0) {  // the directory has gone
    if (const auto known = watches_.find(found->second);
        known != watches_.end() && known->second == watch) {
      watches_.erase(known);
    }
    directories_.erase(found);
    return;
  }
  if (name.empty()) {
    return;
  }
  Counts& counts = counts_[absl::StrCat(found->second, "/", name)];
  counts.is_modified |= (mask & IN_MODIFY) != 0 && !counts.is_truncated &&
                        counts.writes.seen >= counts.writes.expected;
  counts.writes.seen += (mask & IN_CLOSE_WRITE) != 0 ? 1 : 0;
  counts.attributes.seen += (mask & IN_ATTRIB) != 0 ? 1 : 0;
  counts.arrivals.seen += (mask & IN_MOVED_TO) != 0 ? 1 : 0;
  counts.departures.seen += (mask & (IN_DELETE | IN_MOVED_FROM)) != 0 ? 1 : 0;
}

const ForeignChanges::Counts* ForeignChanges::Find(
    const std::string& path) const {
  const auto found = counts_.find(path);
  return found == counts_.end() ? nullptr : &found->second;
}

bool ForeignChanges::IsChanged(const std::string& path) const {
  const Counts* const counts = Find(path);
  return counts != nullptr && counts->is_changed() && IsJudged(path);
}

bool ForeignChanges::IsJudged(const std::string& path) const {
  if (!IsInRoot(path)) {
    return false;
  }
  for (absl::string_view up = path; up.size() > root_.size();
       up = base::Dirname(up)) {
    if (exempt_.contains(up)) {
      return false;
    }
  }
  return true;
}

bool ForeignChanges::IsRemoved(const std::string& path) const {
  const Counts* const counts = Find(path);
  return counts != nullptr && counts->departures.expected == 0 &&
         counts->departures.is_exceeded() && IsChanged(path);
}

bool StaysOpenForWriting(const std::string& path, absl::Time deadline) {
  const base::UniqueFd fd(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.is_valid()) {
    return false;
  }
  while (base::FindOpenWriters(fd.get()) == base::OpenWriters::kSome) {
    if (absl::Now() >= deadline) {
      return true;
    }
    absl::SleepFor(absl::Milliseconds(1));
  }
  return false;
}

}  // namespace vt::track
