// SPDX-License-Identifier: Apache-2.0
//
// Arming: from paths that were consulted to what has to be watched: every
// directory on the way, links included.

#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "daemon/base/consulted.h"
#include "daemon/watch/table.h"

namespace vt::watch {

// Of one lease. Thread-compatible.
class Arming {
 public:
  // `root`: below it directories are watched in full from the beginning.
  Arming(Table* table, const std::string& root) : table_(table), root_(root) {}

  // Watches what it takes to hear of any change. False: that is not possible.
  bool Arm(const base::Consulted& consulted);
  // What the lease depends on. Points into the table: only until its next
  // change.
  const std::vector<Key>& keys() const { return keys_; }

 private:
  void Leaf(const base::Consulted::Path& path, int depth);
  void Listing(const base::Consulted::Listing& listing);
  Node* Directory(const std::string& path, int depth);
  Node* Below(Node* parent, absl::string_view name, int depth);
  Node* ArmDirectory(const std::string& path, Node* parent, int* error);
  bool IsStillThere(const Node& node) const;
  void MakeFull(Node* node);
  void HearOfTheEnd(const Node& node);
  void Add(Node* node, Aspect aspect);

  Table* const table_;
  const std::string& root_;
  bool failed_ = false;
  // Null: there is none.
  absl::flat_hash_map<std::string, Node*> directories_;
  absl::flat_hash_map<std::string, Node*> armed_;
  std::vector<Key> keys_;
};

}  // namespace vt::watch
