// SPDX-License-Identifier: Apache-2.0
//
// Consulted: what a computation has asked the file system, so that its result
// can be kept for as long as none of that changes (docs/FRESHNESS.md). Whoever
// looks at the disk on the way from a request to its answer notes it here; a
// look that is not noted makes a stale answer possible.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace vt::base {

struct Consulted {
  struct Path {
    std::string path;  // absolute
    // A symbolic link there was followed.
    bool follows = false;
    // A file that has other names (hard links), by which it can be changed.
    bool has_other_names = false;
  };
  struct Listing {
    std::string path;  // absolute
    // Entries that are no directories did not matter.
    bool directories_only = false;
  };
  std::vector<Path> paths;
  std::vector<Listing> listings;
  // It depends on something that cannot be watched: git, another program.
  bool unwatchable = false;
  // The moment (as of Expect) since when all of it was consulted; 0: since the
  // computation began.
  uint64_t since = 0;

  bool is_empty() const;
  void Add(Consulted other);
};

// While it lives, what this thread notes goes to `*out`, which outlives it;
// null: nowhere. The innermost counts. Thread-compatible.
class ConsultedScope {
 public:
  explicit ConsultedScope(Consulted* out);
  ConsultedScope(const ConsultedScope&) = delete;
  ConsultedScope& operator=(const ConsultedScope&) = delete;
  ~ConsultedScope();

 private:
  Consulted* const outer_;
};

// While it lives, what this thread expects to consult (Expect) is told to
// `begin`, which sees to it that no change of that is missed from then on, and
// returns the moment. Outlives the scopes in it. Thread-compatible.
class ExpectingScope {
 public:
  using Begin = std::function<uint64_t(const Consulted& expected)>;
  explicit ExpectingScope(Begin begin);
  ExpectingScope(const ExpectingScope&) = delete;
  ExpectingScope& operator=(const ExpectingScope&) = delete;
  ~ExpectingScope();

 private:
  const Begin begin_;
  const Begin* const outer_;
};

// What this thread will consult next, as far as it is known: of each directory
// any one name suffices. The moment for Consulted::since; 0: nobody listens. A
// guess that is wrong costs time only.
uint64_t Expect(const Consulted& expected);

// Where this thread's notes go; null: nowhere. A computation that has others
// work for it gives each a Consulted of its own, and adds that here.
Consulted* NotesOfThread();

// These do nothing outside of a scope.
void NoteConsulted(absl::string_view path, bool follows,
                   bool has_other_names = false);
void NoteListed(absl::string_view path, bool directories_only = false);
void NoteUnwatchable();

// Whether something stands at absolute `path`, behind a symbolic link if it is
// one; noted. Blocking.
bool Exists(const std::string& path);

}  // namespace vt::base
