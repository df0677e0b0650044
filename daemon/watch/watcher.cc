// SPDX-License-Identifier: Apache-2.0

#include "daemon/watch/watcher.h"

#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"

#include "daemon/base/file.h"
#include "daemon/base/mutex.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"
#include "daemon/watch/arming.h"
#include "daemon/watch/mounts.h"
#include "daemon/watch/table.h"

namespace vt::watch {
namespace {

// Where the limit cannot be read: the kernel's default before 5.11, halved.
constexpr size_t kSmallBudget = 4096;
// Dead leases leave their numbers in the table; so many are taken out at once.
constexpr size_t kSweepAfter = 4096;

size_t DefaultBudget() {
  const absl::StatusOr<std::string> text =
      base::ReadFile("/proc/sys/fs/inotify/max_user_watches");
  uint64_t limit = 0;
  return text.ok() && absl::SimpleAtoi(*text, &limit)
             ? static_cast<size_t>(limit / 2)
             : kSmallBudget;
}

}  // namespace

struct Watcher::State {
  // What the lock guards, in one piece: callbacks from below come back to it.
  struct Guarded {
    Guarded(base::UniqueFd inotify, size_t budget)
        : table(std::move(inotify), budget, [this](uint32_t id) { End(id); }) {}

    void End(uint32_t id) {
      const auto found = leases.find(id);
      if (found != leases.end()) {
        found->second->holds_.store(false, std::memory_order_release);
        leases.erase(found);
        ++dead;
      }
    }
    std::function<bool(uint32_t)> IsLive() {
      return [this](uint32_t id) { return leases.contains(id); };
    }
    bool IsQuiet(const std::vector<Key>& keys, uint64_t since) const {
      return std::all_of(keys.begin(), keys.end(), [&](const Key& key) {
        return table.IsQuiet(key, since);
      });
    }
    // Takes in all that has happened; proven by the cookie.
    bool Sync();
    void Sweep() {
      dead = 0;
      table.Sweep(IsLive());
    }

    Table table;
    MountTable mounts;
    // A file of no name, which nobody else can touch or remove.
    base::UniqueFd cookie;
    absl::flat_hash_map<uint32_t, const Lease*> leases;
    uint32_t next_lease = 1;
    size_t dead = 0;
  };

  State(base::UniqueFd inotify, size_t budget)
      : guarded(std::move(inotify), budget) {}

  mutable base::Mutex mutex;
  Guarded guarded ABSL_GUARDED_BY(mutex);
};

bool Watcher::State::Guarded::Sync() {
  std::vector<std::string> mounted;
  bool saw_cookie = false;
  const struct timespec touch[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  if (!mounts.TakeChanges(&mounted) || ::futimens(cookie.get(), touch) != 0 ||
      !table.ReadEvents(&saw_cookie) || !saw_cookie) {
    table.DropAll();
    return false;
  }
  for (const std::string& point : mounted) {
    table.Drop(point);
  }
  return true;
}

absl::StatusOr<std::unique_ptr<Watcher>> Watcher::Create(
    const Options& options) {
  base::UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify.is_valid()) {
    return base::ErrnoToStatus(errno, "inotify_init1");
  }
  auto state = std::make_unique<State>(
      std::move(inotify),
      options.budget != 0 ? options.budget : DefaultBudget());
  {
    const base::MutexLock lock(&state->mutex);
    State::Guarded& guarded = state->guarded;
    guarded.cookie.Reset(::memfd_create("vtask-cookie", MFD_CLOEXEC));
    if (!guarded.cookie.is_valid() ||
        !guarded.table.SetCookie(guarded.cookie.get())) {
      return base::ErrnoToStatus(errno, "watching the cookie");
    }
  }
  return std::unique_ptr<Watcher>(new Watcher(std::move(state)));
}

Watcher::Watcher(std::unique_ptr<State> state) : state_(std::move(state)) {}
Watcher::~Watcher() = default;

Lease::~Lease() {
  const base::MutexLock lock(&watcher_->state_->mutex);
  Watcher::State::Guarded& guarded = watcher_->state_->guarded;
  guarded.dead += guarded.leases.erase(id_);
}

bool Watcher::Sync() {
  const base::MutexLock lock(&state_->mutex);
  return state_->guarded.Sync();
}

void Watcher::Drain() {
  const base::MutexLock lock(&state_->mutex);
  bool ignored = false;
  state_->guarded.table.ReadEvents(&ignored);
}

Watcher::Moment Watcher::Now() const {
  const base::MutexLock lock(&state_->mutex);
  return state_->guarded.table.clock();
}

Watcher::Moment Watcher::Watch(const base::Consulted& expected,
                               const std::string& root) {
  const base::MutexLock lock(&state_->mutex);
  Table& table = state_->guarded.table;
  // What fails will fail Take, too.
  Arming(&table, root).Arm(expected);
  return table.clock();
}

LeasePtr Watcher::Take(const base::Consulted& consulted,
                       const std::string& root, Moment since) {
  return TakeEach({&consulted}, root, since).front();
}

std::vector<LeasePtr> Watcher::TakeEach(
    const std::vector<const base::Consulted*>& parts, const std::string& root,
    Moment since) {
  std::vector<LeasePtr> leases(parts.size());
  const base::MutexLock lock(&state_->mutex);
  State::Guarded& guarded = state_->guarded;
  if (!guarded.Sync()) {
    return leases;
  }
  if (guarded.dead > std::max(kSweepAfter, guarded.leases.size())) {
    guarded.Sweep();
  }
  const auto is_live = guarded.IsLive();
  for (size_t i = 0; i < parts.size(); ++i) {
    Arming arming(&guarded.table, root);
    if (parts[i]->unwatchable || !arming.Arm(*parts[i]) ||
        !guarded.IsQuiet(arming.keys(), std::max(since, parts[i]->since))) {
      continue;
    }
    const uint32_t id = guarded.next_lease++;
    auto lease = std::make_shared<const Lease>(this, id);
    guarded.leases[id] = lease.get();
    for (const Key& key : arming.keys()) {
      guarded.table.Depend(key, id, is_live);
    }
    leases[i] = std::move(lease);
  }
  return leases;
}

void Watcher::Sweep() {
  const base::MutexLock lock(&state_->mutex);
  state_->guarded.Sweep();
}

void Watcher::Purge() {
  const base::MutexLock lock(&state_->mutex);
  State::Guarded& guarded = state_->guarded;
  guarded.dead = 0;
  guarded.table.Purge(guarded.IsLive());
}

int Watcher::fd() const {
  const base::MutexLock lock(&state_->mutex);
  return state_->guarded.table.fd();
}

size_t Watcher::watches() const {
  const base::MutexLock lock(&state_->mutex);
  return state_->guarded.table.size();
}

size_t Watcher::leases() const {
  const base::MutexLock lock(&state_->mutex);
  return state_->guarded.leases.size();
}

}  // namespace vt::watch
