// SPDX-License-Identifier: Apache-2.0
//
// From the top down: a directory is watched before those in it, so that from
// then on every change of the way is heard.

#include "daemon/watch/arming.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/path.h"

namespace vt::watch {
namespace {

// As the kernel (path_resolution(7)).
constexpr int kMaxLinks = 40;

std::string Child(const std::string& directory, absl::string_view name) {
  return directory == "/" ? absl::StrCat("/", name)
                          : absl::StrCat(directory, "/", name);
}

std::string Parent(absl::string_view path) {
  const absl::string_view parent = base::Dirname(path);
  return parent.empty() ? "/" : std::string(parent);
}

// "" if it is no link; errno says why.
std::string LinkText(const std::string& path) {
  char text[PATH_MAX];
  const ssize_t n = ::readlink(path.c_str(), text, sizeof text);
  return n > 0 && n < ssize_t{sizeof text}
             ? std::string(text, static_cast<size_t>(n))
             : "";
}

bool IsDirectory(const std::string& path) {
  struct stat st = {};
  return ::lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

}  // namespace

bool Arming::Arm(const base::Consulted& consulted) {
  for (const base::Consulted::Path& path : consulted.paths) {
    Leaf(path, 0);
    if (failed_) {
      return false;
    }
  }
  for (const base::Consulted::Listing& listing : consulted.listings) {
    Listing(listing);
    if (failed_) {
      return false;
    }
  }
  return true;
}

void Arming::Add(Node* node, Aspect aspect) { keys_.push_back({node, aspect}); }

void Arming::MakeFull(Node* node) {
  if (!node->is_full && table_->Widen(node) != 0) {
    failed_ = true;
  }
}

// For who relies on what is not in it. One that was removed while somebody held
// it open tells nobody until it is let go, and what it held has told before: if
// there was nothing, only the directory above tells. Needless where that is
// full already, and for the root and what it is in: they are not empty.
void Arming::HearOfTheEnd(const Node& node) {
  if (base::IsWithin(node.path, root_) || base::IsWithin(root_, node.path)) {
    return;
  }
  // It was armed on the way.
  Node* above = table_->Find(Parent(node.path));
  if (above == nullptr) {
    failed_ = true;
    return;
  }
  MakeFull(above);
}

bool Arming::IsStillThere(const Node& node) const {
  struct stat st = {};
  return ::lstat(node.path.c_str(), &st) == 0 && st.st_dev == node.device &&
         st.st_ino == node.inode;
}

// The watched directory at physical `path`; null with why not.
Node* Arming::ArmDirectory(const std::string& path, Node* parent, int* error) {
  const auto known = armed_.find(path);
  if (known != armed_.end()) {
    return known->second;
  }
  Node* node = table_->Find(path);
  if (node != nullptr && (parent == nullptr || !parent->is_full) &&
      !IsStillThere(*node)) {
    // One that was removed while somebody held it open has told nobody: its
    // DELETE_SELF waits until it is let go. Below it nothing is armed yet.
    table_->Drop(path);
    node = nullptr;
  }
  *error = 0;
  if (node == nullptr) {
    const bool is_full = !root_.empty() && base::IsWithin(path, root_);
    *error = table_->Add(path, /*is_file=*/false, is_full, &node);
    if (*error != 0) {
      return nullptr;
    }
  }
  armed_[path] = node;
  Add(node, kItself);
  return node;
}

// Null also if it failed.
Node* Arming::Directory(const std::string& path, int depth) {
  const auto known = directories_.find(path);
  if (known != directories_.end()) {
    return known->second;
  }
  Node* node = nullptr;
  if (path == "/") {
    int error = 0;
    node = ArmDirectory("/", nullptr, &error);
    failed_ = failed_ || node == nullptr;
  } else if (depth > kMaxLinks || path.empty() || path.front() != '/') {
    failed_ = true;
  } else if (Node* parent = Directory(Parent(path), depth); parent != nullptr) {
    node = Below(parent, base::Basename(path), depth);
  }
  if (!failed_) {
    directories_[path] = node;
  }
  return node;
}

Node* Arming::Below(Node* parent, absl::string_view name, int depth) {
  if (name.empty() || name == ".") {
    return parent;
  }
  if (name == "..") {
    return Directory(Parent(parent->path), depth);
  }
  Add(parent, AspectOfName(name));
  const std::string path = Child(parent->path, name);
  int error = 0;
  Node* node = ArmDirectory(path, parent, &error);
  if (node != nullptr) {
    return node;
  }
  if (error != ENOENT && error != ENOTDIR && error != ELOOP) {
    failed_ = true;
    return nullptr;
  }
  // Something else, or nothing: whatever takes its place must be heard of.
  MakeFull(parent);
  if (error == ENOENT) {
    HearOfTheEnd(*parent);
  }
  if (error == ENOENT || failed_) {
    return nullptr;
  }
  const std::string text = LinkText(path);
  if (text.empty()) {
    return nullptr;
  }
  return Directory(text.front() == '/' ? text : Child(parent->path, text),
                   depth + 1);
}

void Arming::Leaf(const base::Consulted::Path& path, int depth) {
  const absl::string_view name = base::Basename(path.path);
  if (name.empty() || name == "." || name == "..") {
    Directory(path.path, depth);
    return;
  }
  Node* directory = Directory(Parent(path.path), depth);
  if (directory == nullptr) {
    return;  // there is nothing, which has been noted; or it failed
  }
  Add(directory, AspectOfName(name));
  const std::string physical = Child(directory->path, name);
  if (!directory->is_full && base::IsWithin(root_, physical) &&
      IsDirectory(physical)) {
    // The root itself, or what it is in: its own events suffice (HearOfTheEnd),
    // and what is beside it (in a busy /tmp) wakes nobody.
    Directory(physical, depth);
    return;
  }
  MakeFull(directory);
  if (failed_) {
    return;
  }
  if (path.follows || !base::IsWithin(directory->path, root_)) {
    const std::string text = LinkText(physical);
    if (text.empty() && errno == ENOENT) {
      HearOfTheEnd(*directory);
    }
    if (path.follows && !text.empty()) {
      if (depth >= kMaxLinks) {
        failed_ = true;
        return;
      }
      base::Consulted::Path target = path;
      target.path = text.front() == '/' ? text : Child(directory->path, text);
      Leaf(target, depth + 1);
      return;
    }
  }
  if (path.has_other_names) {
    Node* file = table_->Find(physical);
    if (file == nullptr) {
      int error =
          table_->Add(physical, /*is_file=*/true, /*is_full=*/false, &file);
      if (error != 0) {
        failed_ = true;
        return;
      }
    }
    Add(file, kItself);
  }
}

void Arming::Listing(const base::Consulted::Listing& listing) {
  Node* directory = Directory(listing.path, 0);
  if (directory == nullptr) {
    return;
  }
  MakeFull(directory);
  HearOfTheEnd(*directory);
  Add(directory, listing.directories_only ? kSubDirectories : kListing);
}

}  // namespace vt::watch
