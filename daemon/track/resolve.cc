// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/resolve.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "daemon/base/near_files.h"
#include "daemon/base/path.h"

namespace vt::track {
namespace {

// The kernel's MAXSYMLINKS.
constexpr size_t kMaxLinks = 40;

// Whether a walk of `name` needs no thought but for links: no "//", "." or ".."
// and no slash at the end.
bool IsPlain(absl::string_view name) {
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '/') {
      continue;
    }
    const absl::string_view rest = name.substr(i + 1);
    if (rest.empty() || rest[0] == '/' || rest == "." || rest == ".." ||
        absl::StartsWith(rest, "./") || absl::StartsWith(rest, "../")) {
      return false;
    }
  }
  return true;
}

// The part of a path below /proc after "/proc/<number>/", or after
// "/proc/<number>/task/<number>/"; empty if it is not one.
absl::string_view AfterProcess(absl::string_view path) {
  for (const char* prefix : {"/proc/", "task/"}) {
    if (!absl::ConsumePrefix(&path, prefix)) {
      return prefix[0] == '/' ? absl::string_view() : path;
    }
    size_t digits = 0;
    while (digits < path.size() && absl::ascii_isdigit(path[digits])) {
      ++digits;
    }
    if (digits == 0 || digits == path.size() || path[digits] != '/') {
      return {};
    }
    path.remove_prefix(digits + 1);
  }
  return path;
}

// Links of /proc that jump to a file instead of naming one.
bool IsMagicLink(absl::string_view path) {
  const absl::string_view name = AfterProcess(path);
  return name == "cwd" || name == "root" || name == "exe" ||
         (absl::StartsWith(name, "fd/") &&
          name.find('/', 3) == absl::string_view::npos && name.size() > 3);
}

bool ReadLinkText(const std::string& path, std::string* text) {
  char buffer[PATH_MAX];
  const ssize_t length = ::readlink(path.c_str(), buffer, sizeof buffer);
  if (length < 0) {
    return false;
  }
  text->assign(buffer, static_cast<size_t>(length));
  return true;
}

}  // namespace

struct Resolver::Walk {
  std::string directory;  // resolved so far; "" is the root
  std::string pending;    // not yet walked
  bool follow;
  const Task* task;
  const Hidden* hidden;

  bool IsHidden(absl::string_view path) const {
    return hidden != nullptr && (*hidden)(path);
  }
};

bool Resolver::IsPseudo(absl::string_view path) const {
  return (base::IsWithin(path, "/proc") || base::IsWithin(path, "/sys") ||
          base::IsWithin(path, "/dev")) &&
         (root_.empty() || !base::IsWithin(path, root_));
}

void Resolver::Finish(const std::string& path, const Hidden* hidden,
                      Resolved* out) {
  out->path = path.empty() ? "/" : path;
  if (path == "/dev/tty") {
    out->kind = Resolved::Kind::kTerminal;
  } else if (IsPseudo(out->path)) {
    out->kind = Resolved::Kind::kNoFile;
  } else if (hidden != nullptr && (*hidden)(out->path)) {
    out->kind = Resolved::Kind::kMissing;
  } else if (const base::NearFiles::Place place = base::FindNear(out->path);
             ::fstatat(place.directory, place.name, &out->status,
                       AT_SYMLINK_NOFOLLOW) == 0) {
    out->kind = Resolved::Kind::kFound;
  } else {
    out->kind = errno == ENOENT || errno == ENOTDIR ? Resolved::Kind::kMissing
                                                    : Resolved::Kind::kHidden;
  }
}

void Resolver::Follow(Walk* walk, const std::string& link, Resolved* out) {
  std::string text;
  if (IsMagicLink(link)) {
    out->depends_on_caller = true;
    struct stat ignored;
    errno = 0;
    const bool is_read = ReadLinkText(link, &text);
    out->is_too_deep = !is_read && errno == ENAMETOOLONG;
    if (!is_read || text.empty() || text[0] != '/' ||
        (absl::EndsWith(text, " (deleted)") &&
         ::lstat(text.c_str(), &ignored) != 0)) {
      out->kind = Resolved::Kind::kNoFile;
      out->path = link;
      walk->pending.clear();
      walk->follow = false;
      walk->directory = "/proc";  // nothing behind it is a file
      return;
    }
    walk->directory = text == "/" ? "" : text;
    return;
  }
  if (!IsPseudo(link)) {
    out->links.push_back(link);
  }
  if (!ReadLinkText(link, &text)) {
    return;
  }
  if (!text.empty() && text[0] == '/') {
    walk->directory.clear();
  }
  while (text.size() > 1 && text.back() == '/') {
    text.pop_back();  // only the end of the whole name counts
  }
  walk->pending = walk->pending.empty()
                      ? std::move(text)
                      : absl::StrCat(text, "/", walk->pending);
}

// Walks one component; false when the walk has ended early.
bool Resolver::Step(Walk* walk, Resolved* out) {
  const size_t start = walk->pending.find_first_not_of('/');
  if (start == std::string::npos) {
    walk->pending.clear();
    return true;
  }
  const size_t end =
      std::min(walk->pending.find('/', start), walk->pending.size());
  const std::string component = walk->pending.substr(start, end - start);
  walk->pending.erase(0, end);
  if (component == ".") {
    return true;
  }
  if (component == "..") {
    if (!out->links.empty() && !walk->directory.empty() &&
        !IsPseudo(walk->directory)) {
      out->left.push_back(walk->directory);
    }
    walk->directory = std::string(base::Dirname(walk->directory));
    if (walk->directory == "/") {
      walk->directory.clear();
    }
    return true;
  }
  std::string next = absl::StrCat(walk->directory, "/", component);
  if (walk->task->tid() == 0 &&
      (next == "/proc/self" || next == "/proc/thread-self")) {
    out->depends_on_caller =
        IsMagicLink(absl::StrCat("/proc/0", walk->pending));
  } else if (next == "/proc/self") {
    next = absl::StrCat("/proc/", walk->task->tid());
  } else if (next == "/proc/thread-self") {
    next =
        absl::StrCat("/proc/", walk->task->tid(), "/task/", walk->task->tid());
  }
  const bool is_last = walk->pending.empty();
  struct stat status;
  const bool is_hidden = walk->IsHidden(next);
  if (is_hidden || ::lstat(next.c_str(), &status) != 0) {
    const bool is_absent = is_hidden || errno == ENOENT || errno == ENOTDIR;
    out->path = absl::StrCat(next, walk->pending);
    out->kind = IsPseudo(next) ? Resolved::Kind::kNoFile
                : is_absent    ? Resolved::Kind::kMissing
                               : Resolved::Kind::kHidden;
    if (!is_last) {
      out->first_missing = std::move(next);
    }
    return false;
  }
  if (S_ISLNK(status.st_mode) && (!is_last || walk->follow)) {
    if (out->links.size() >= kMaxLinks) {
      out->path = std::move(next);
      out->kind = Resolved::Kind::kHidden;
      return false;
    }
    Follow(walk, next, out);
    return true;
  }
  if (!is_last && !S_ISDIR(status.st_mode)) {
    out->path = absl::StrCat(next, walk->pending);
    out->kind =
        IsPseudo(next) ? Resolved::Kind::kNoFile : Resolved::Kind::kMissing;
    out->first_missing = std::move(next);
    out->blocked_by_file = true;
    return false;
  }
  walk->directory = std::move(next);
  return true;
}

// The longest directory above plain `name` that is known to be no link, nor
// below one; empty: none but the root.
absl::string_view Resolver::KnownDirectory(absl::string_view name,
                                           const Hidden* hidden) const {
  absl::string_view known;
  for (absl::string_view up = base::Dirname(name); up.size() > 1;
       up = base::Dirname(up)) {
    if (known.empty() && plain_directories_.contains(up)) {
      known = up;
      if (hidden == nullptr) {
        break;
      }
    }
    if (hidden != nullptr && (*hidden)(up)) {
      known = {};
    }
  }
  return known;
}

// The directories above `end`, part of a plain name, are no links.
void Resolver::RememberDirectories(absl::string_view end,
                                   absl::string_view known) {
  for (absl::string_view up = base::Dirname(end);
       up.size() > known.size() && up.size() > 1; up = base::Dirname(up)) {
    plain_directories_.emplace(up);
  }
}

void Resolver::Resolve(absl::string_view name, bool follow, const Task& task,
                       const Hidden* hidden, Resolved* out) {
  out->links.clear();
  out->left.clear();
  out->first_missing.clear();
  out->blocked_by_file = false;
  out->depends_on_caller = false;
  out->is_too_deep = false;
  while (name.size() > 1 && name.back() == '/') {
    name.remove_suffix(1);
    follow = true;
  }
  const bool is_plain = IsPlain(name) && !IsPseudo(name);
  const absl::string_view known =
      is_plain ? KnownDirectory(name, hidden) : absl::string_view();
  if (!known.empty() && known.size() == base::Dirname(name).size()) {
    out->path.assign(name.data(), name.size());
    Finish(out->path, hidden, out);
    if (!out->found() || !follow || !S_ISLNK(out->status.st_mode)) {
      return;
    }
  }
  Walk walk = {std::string(known), std::string(name.substr(known.size())),
               follow, &task, hidden};
  size_t steps = 0;
  while (!walk.pending.empty()) {
    // Magic links are not counted as links: this bounds their loops.
    if (++steps > 4 * PATH_MAX) {
      out->path = std::string(name);
      out->kind = Resolved::Kind::kHidden;
      return;
    }
    if (!Step(&walk, out)) {
      if (is_plain && out->links.empty() && !out->depends_on_caller) {
        RememberDirectories(
            out->first_missing.empty() ? out->path : out->first_missing, known);
      }
      return;
    }
  }
  if (out->is_too_deep) {
    out->kind = Resolved::Kind::kHidden;
    return;
  }
  Finish(walk.directory, hidden, out);
  if (is_plain && out->path == name && out->links.empty()) {
    RememberDirectories(name, known);
  }
}

}  // namespace vt::track
