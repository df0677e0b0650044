// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/consulted.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace vt::base {
namespace {

// By thread, because the looks are many levels below whoever wants to know, in
// functions that have no business with it.
Consulted*& Current() {
  thread_local Consulted* current = nullptr;
  return current;
}

const ExpectingScope::Begin*& CurrentBegin() {
  thread_local const ExpectingScope::Begin* current = nullptr;
  return current;
}

}  // namespace

ExpectingScope::ExpectingScope(Begin begin)
    : begin_(std::move(begin)), outer_(CurrentBegin()) {
  CurrentBegin() = &begin_;
}

ExpectingScope::~ExpectingScope() { CurrentBegin() = outer_; }

uint64_t Expect(const Consulted& expected) {
  const ExpectingScope::Begin* begin = CurrentBegin();
  return begin == nullptr ? 0 : (*begin)(expected);
}

ConsultedScope::ConsultedScope(Consulted* out) : outer_(Current()) {
  Current() = out;
}

ConsultedScope::~ConsultedScope() { Current() = outer_; }

bool Consulted::is_empty() const {
  return paths.empty() && listings.empty() && !unwatchable;
}

void Consulted::Add(Consulted other) {
  if (other.is_empty()) {
    return;
  }
  since = is_empty() ? other.since : std::min(since, other.since);
  paths.insert(paths.end(), std::make_move_iterator(other.paths.begin()),
               std::make_move_iterator(other.paths.end()));
  listings.insert(listings.end(),
                  std::make_move_iterator(other.listings.begin()),
                  std::make_move_iterator(other.listings.end()));
  unwatchable = unwatchable || other.unwatchable;
}

Consulted* NotesOfThread() { return Current(); }

void NoteConsulted(absl::string_view path, bool follows, bool has_other_names) {
  if (Consulted* current = Current()) {
    current->paths.push_back({std::string(path), follows, has_other_names});
  }
}

void NoteListed(absl::string_view path, bool directories_only) {
  if (Consulted* current = Current()) {
    current->listings.push_back({std::string(path), directories_only});
  }
}

void NoteUnwatchable() {
  if (Consulted* current = Current()) {
    current->unwatchable = true;
  }
}

bool Exists(const std::string& path) {
  NoteConsulted(path, /*follows=*/true);
  return ::access(path.c_str(), F_OK) == 0;
}

}  // namespace vt::base
