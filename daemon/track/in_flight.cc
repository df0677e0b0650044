// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/in_flight.h"

#include <algorithm>

namespace vt::track {
namespace {

// A call that failed leaves no trace, and its thread may never be heard of
// again. It has had its time when so many others were answered (about 1 ms).
constexpr int kPatience = 64;

}  // namespace

void InFlight::AddChange(pid_t tid, const std::string& path,
                         const struct stat& status, bool changes_names) {
  items_.push_back(
      {tid, path, FileIdentity::Of(status), changes_names, kPatience});
}

void InFlight::AddCreation(pid_t tid, const std::string& path,
                           bool changes_names) {
  items_.push_back({tid, path, std::nullopt, changes_names, kPatience});
}

void InFlight::AddMove(pid_t tid) {
  items_.push_back({tid, "", std::nullopt, false, kPatience});
}

bool InFlight::IsOver(Item* item, pid_t tid) {
  if (item->tid == tid || --item->patience <= 0) {
    return true;
  }
  if (item->path.empty()) {
    return false;
  }
  const std::optional<FileIdentity> now = LookAt(item->path);
  return now.has_value() != item->before.has_value() ||
         (now && !SameIdentity(*now, *item->before));
}

bool InFlight::Settle(pid_t tid) {
  bool names_changed = false;
  const auto over = std::remove_if(items_.begin(), items_.end(),
                                   [tid, &names_changed](Item& item) {
                                     if (!IsOver(&item, tid)) {
                                       return false;
                                     }
                                     names_changed |= item.changes_names;
                                     return true;
                                   });
  items_.erase(over, items_.end());
  return names_changed;
}

}  // namespace vt::track
