// SPDX-License-Identifier: Apache-2.0
//
// IgnoredPaths: the files and directories that tools asked to leave out
// (tool-ipc 4.1 and D14): matched as spelled and after resolving links.

#pragma once

#include <set>
#include <string>
#include <vector>

#include "daemon/ipc/tool_endpoint.h"

namespace vt::run {

// Immutable. Its constructor resolves links: blocking.
class IgnoredPaths {
 public:
  // Reports outside of `root` are dropped.
  IgnoredPaths(const std::string& root,
               const std::vector<ipc::PathReport>& reports);

  // What a report means, relative to `root`: as spelled, and what that resolves
  // to. Empty: outside, or it leaves `root` by `..` on the way. Blocking.
  static std::set<std::string> PathsOf(const std::string& reported,
                                       const std::string& root);

  // Whether relative `path` is one of them, or lies below one.
  bool Covers(const std::string& path) const;

  // Those that stand directly in relative `directory`.
  std::vector<std::string> ChildrenOf(const std::string& directory) const;

 private:
  std::set<std::string> paths_;  // relative
};

}  // namespace vt::run
