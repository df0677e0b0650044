// SPDX-License-Identifier: Apache-2.0

#include "daemon/watch/table.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

#include "daemon/watch/mounts.h"

namespace vt::watch {
namespace {

// A computation that takes longer than so many events is done again.
constexpr size_t kJournal = 4096;

// Of a directory on the way: quiet, also in a busy place like /tmp.
constexpr uint32_t kSelfMask = IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
constexpr uint32_t kFullMask = kSelfMask | IN_MODIFY | IN_CLOSE_WRITE |
                               IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                               IN_MOVED_TO | IN_EXCL_UNLINK;
constexpr uint32_t kFileMask =
    IN_ATTRIB | IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF;
// An entry has come or gone.
constexpr uint32_t kEntryMask =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;

std::string Child(const std::string& directory, absl::string_view name) {
  return directory == "/" ? absl::StrCat("/", name)
                          : absl::StrCat(directory, "/", name);
}

}  // namespace

Table::Table(base::UniqueFd inotify, size_t budget,
             std::function<void(uint32_t)> end_lease)
    : inotify_(std::move(inotify)),
      budget_(budget),
      end_lease_(std::move(end_lease)) {}

bool Table::SetCookie(int fd) {
  // The link in /proc is followed to the file itself. utimensat(2) of one of
  // the two times is a MODIFY, of both an ATTRIB.
  cookie_wd_ = ::inotify_add_watch(inotify_.get(),
                                   absl::StrCat("/proc/self/fd/", fd).c_str(),
                                   IN_ATTRIB | IN_MODIFY);
  return cookie_wd_ >= 0;
}

bool Table::ReadEvents(bool* saw_cookie) {
  alignas(inotify_event) char buffer[64 << 10];
  while (!*saw_cookie) {
    const ssize_t n = ::read(inotify_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      if (n < 0 && errno == EAGAIN) {
        return true;
      }
      DropAll();
      return false;
    }
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      // The name is padded with zeros.
      Handle(*event,
             event->len == 0 ? absl::string_view()
                             : absl::string_view(event->name),
             saw_cookie);
      at += static_cast<ssize_t>(sizeof *event + event->len);
    }
  }
  return true;
}

void Table::Handle(const inotify_event& event, absl::string_view name,
                   bool* saw_cookie) {
  if (event.wd == cookie_wd_ && cookie_wd_ >= 0) {
    *saw_cookie = true;
    return;
  }
  ++clock_;
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    DropAll();
    return;
  }
  const auto found = by_wd_.find(event.wd);
  if (found == by_wd_.end()) {
    return;  // of a watch that we have given up
  }
  // By serial: handling one may drop others.
  absl::InlinedVector<uint32_t, 1> serials;
  for (const Node* node : found->second) {
    serials.push_back(node->serial);
  }
  for (const uint32_t serial : serials) {
    const auto again = by_wd_.find(event.wd);
    if (again == by_wd_.end()) {
      return;
    }
    for (Node* node : again->second) {
      if (node->serial == serial) {
        HandleOf(node, event, name);
        break;
      }
    }
  }
}

void Table::HandleOf(Node* node, const inotify_event& event,
                     absl::string_view name) {
  journal_.push_back({clock_, node->serial,
                      name.empty() ? kItself : AspectOfName(name), event.mask});
  if (journal_.size() > kJournal) {
    journal_begin_ = journal_.front().clock;
    journal_.pop_front();
  }
  if ((event.mask &
       (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
    // A copy: the node goes.
    const std::string path = node->path;
    Drop(path);
  } else if (name.empty()) {
    node->dependents.End(kItself, end_lease_);
  } else {
    HandleEntry(node, event.mask, name);
  }
}

void Table::HandleEntry(Node* node, uint32_t mask, absl::string_view name) {
  node->dependents.End(AspectOfName(name), end_lease_);
  if ((mask & kEntryMask) == 0) {
    return;
  }
  node->dependents.End(kListing, end_lease_);
  const std::string path = Child(node->path, name);
  if ((mask & IN_ISDIR) != 0) {
    node->dependents.End(kSubDirectories, end_lease_);
  } else if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
    // One more name of a file that some lease may know by another: what is
    // written by this name raises no event there (decisions H9).
    struct stat st = {};
    if (::lstat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) &&
        st.st_nlink > 1) {
      for (auto& [ignored, other] : nodes_) {
        other->dependents.EndAll(end_lease_);
      }
      journal_begin_ = clock_;
      journal_.clear();
    }
  }
  // What it was the path of has gone, or was replaced.
  Drop(path);
}

Node* Table::Find(const std::string& path) {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : found->second.get();
}

// Fills in what it is.
bool Table::IsWatchableHere(const std::string& path, bool is_file,
                            Node* node) const {
  struct stat st = {};
  if (is_file) {
    // Its directory has been looked at.
    if (::lstat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) {
      return false;
    }
  } else {
    const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY |
                                                     O_NOFOLLOW | O_CLOEXEC |
                                                     O_NONBLOCK));
    if (!fd.is_valid() || ::fstat(fd.get(), &st) != 0 ||
        !IsWatchable(fd.get())) {
      return false;
    }
  }
  node->device = st.st_dev;
  node->inode = st.st_ino;
  return true;
}

int Table::Add(const std::string& path, bool is_file, bool is_full,
               Node** out) {
  if (nodes_.size() >= budget_) {
    return ENOSPC;
  }
  // Added to what there may be: never less than somebody relies on.
  const uint32_t mask =
      IN_MASK_ADD | IN_DONT_FOLLOW |
      (is_file ? kFileMask : IN_ONLYDIR | (is_full ? kFullMask : kSelfMask));
  const int wd = ::inotify_add_watch(inotify_.get(), path.c_str(), mask);
  if (wd < 0) {
    return errno;
  }
  auto node = std::make_unique<Node>();
  if (!IsWatchableHere(path, is_file, node.get())) {
    if (!by_wd_.contains(wd)) {
      ::inotify_rm_watch(inotify_.get(), wd);
    }
    return ENOTSUP;
  }
  node->path = path;
  node->serial = next_serial_++;
  node->wd = wd;
  node->is_full = is_full;
  node->armed = ++clock_;
  by_wd_[wd].push_back(node.get());
  *out = (nodes_[path] = std::move(node)).get();
  return 0;
}

int Table::Widen(Node* node) {
  const int wd = ::inotify_add_watch(
      inotify_.get(), node->path.c_str(),
      IN_MASK_ADD | IN_DONT_FOLLOW | IN_ONLYDIR | kFullMask);
  if (wd < 0) {
    return errno;
  }
  if (wd != node->wd) {
    if (!by_wd_.contains(wd)) {
      ::inotify_rm_watch(inotify_.get(), wd);
    }
    return ESTALE;
  }
  node->is_full = true;
  node->armed = ++clock_;
  return 0;
}

void Table::Unwatch(const Node* node) {
  const auto found = by_wd_.find(node->wd);
  auto& nodes = found->second;
  nodes.erase(std::remove(nodes.begin(), nodes.end(), node), nodes.end());
  if (nodes.empty()) {
    ::inotify_rm_watch(inotify_.get(), node->wd);
    by_wd_.erase(found);
  }
}

void Table::Drop(const std::string& path) {
  const auto forget = [this](auto it) {
    it->second->dependents.EndAll(end_lease_);
    Unwatch(it->second.get());
    return nodes_.erase(it);
  };
  if (const auto found = nodes_.find(path); found != nodes_.end()) {
    forget(found);
  }
  const std::string below = Child(path, "");
  for (auto it = nodes_.lower_bound(below);
       it != nodes_.end() &&
       absl::string_view(it->first).substr(0, below.size()) == below;) {
    it = forget(it);
  }
}

void Table::DropAll() {
  while (!nodes_.empty()) {
    const std::string path = nodes_.begin()->first;
    Drop(path);
  }
  journal_.clear();
  journal_begin_ = ++clock_;
}

void Table::Purge(const std::function<bool(uint32_t)>& is_live) {
  for (auto& [ignored, node] : nodes_) {
    node->dependents.Purge(is_live);
  }
}

void Table::Sweep(const std::function<bool(uint32_t)>& is_live) {
  Purge(is_live);
  for (auto it = nodes_.begin(); it != nodes_.end();) {
    const Node* node = it->second.get();
    if (node->dependents.empty()) {
      Unwatch(node);
      it = nodes_.erase(it);
    } else {
      ++it;
    }
  }
}

bool Table::IsQuiet(const Key& key, uint64_t since) const {
  if (key.node->armed > since || journal_begin_ > since) {
    return false;
  }
  for (auto it = journal_.rbegin(); it != journal_.rend() && it->clock > since;
       ++it) {
    if (it->serial != key.node->serial) {
      continue;
    }
    const bool is_entry = (it->mask & kEntryMask) != 0;
    const bool touches = key.aspect == kListing ? is_entry
                         : key.aspect == kSubDirectories
                             ? is_entry && (it->mask & IN_ISDIR) != 0
                             : it->name == key.aspect;
    if (touches) {
      return false;
    }
  }
  return true;
}

void Table::Depend(const Key& key, uint32_t lease,
                   const std::function<bool(uint32_t)>& is_live) {
  key.node->dependents.Add(key.aspect, lease, is_live);
}

}  // namespace vt::watch
