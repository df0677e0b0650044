// SPDX-License-Identifier: Apache-2.0
//
// Table: the watched directories, what events said of them lately, and which
// leases end with what.

#pragma once

#include <sys/inotify.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"

#include "daemon/base/unique_fd.h"
#include "daemon/watch/dependents.h"

namespace vt::watch {

// A watched directory; or a file with several names, watched itself because it
// can be changed by one that no watched directory holds.
struct Node {
  std::string path;  // physical: no link on the way
  uint32_t serial = 0;
  int wd = -1;
  // Events of its entries are asked for, not only its own.
  bool is_full = false;
  dev_t device = 0;
  ino_t inode = 0;
  // When it was last given a watch or a wider one.
  uint64_t armed = 0;

  // Which leases end with what of it.
  Dependents dependents;
};

// What of a node a lease depends on.
struct Key {
  Node* node = nullptr;
  Aspect aspect = kItself;
};

// Thread-compatible.
class Table {
 public:
  // `end_lease` hears of each lease that ends.
  Table(base::UniqueFd inotify, size_t budget,
        std::function<void(uint32_t)> end_lease);

  // Reads events until there are none, or the cookie's was among them.
  // `*saw_cookie` is set then. False: the watches are not to be relied on, all
  // have been dropped.
  bool ReadEvents(bool* saw_cookie);
  // Watches the file behind descriptor `fd` for its times.
  bool SetCookie(int fd);

  Node* Find(const std::string& path);
  // errno as of inotify_add_watch(2); ENOTSUP: its file system cannot be
  // watched; ENOSPC also over the budget.
  int Add(const std::string& path, bool is_file, bool is_full, Node** out);
  // The same for one that has a watch but is not full.
  int Widen(Node* node);
  // Forgets the node at `path` and those below; their leases end.
  void Drop(const std::string& path);
  // All of them, and every lease.
  void DropAll();
  // Gives back the memory of leases that have ended.
  void Purge(const std::function<bool(uint32_t)>& is_live);
  // Also drops the nodes that no lease for which `is_live` needs.
  void Sweep(const std::function<bool(uint32_t)>& is_live);

  // Whether an event that `key` depends on came after `since`. False also if
  // nobody remembers.
  bool IsQuiet(const Key& key, uint64_t since) const;
  void Depend(const Key& key, uint32_t lease,
              const std::function<bool(uint32_t)>& is_live);

  uint64_t clock() const { return clock_; }
  int fd() const { return inotify_.get(); }
  size_t size() const { return nodes_.size(); }

 private:
  struct Happened {
    uint64_t clock = 0;
    uint32_t serial = 0;
    Aspect name = kItself;  // or of an entry
    uint32_t mask = 0;
  };

  void Handle(const inotify_event& event, absl::string_view name,
              bool* saw_cookie);
  void HandleOf(Node* node, const inotify_event& event, absl::string_view name);
  void HandleEntry(Node* node, uint32_t mask, absl::string_view name);
  void Unwatch(const Node* node);
  bool IsWatchableHere(const std::string& path, bool is_file, Node* node) const;

  const base::UniqueFd inotify_;
  const size_t budget_;
  const std::function<void(uint32_t)> end_lease_;
  int cookie_wd_ = -1;
  uint64_t clock_ = 1;
  uint32_t next_serial_ = 1;
  // By path, so that what is below one stands behind it.
  std::map<std::string, std::unique_ptr<Node>> nodes_;
  // One inode has one watch, by however many paths it is known.
  absl::flat_hash_map<int, absl::InlinedVector<Node*, 1>> by_wd_;
  // The last events, oldest first; and the first moment that they cover.
  std::deque<Happened> journal_;
  uint64_t journal_begin_ = 1;
};

}  // namespace vt::watch
