// SPDX-License-Identifier: Apache-2.0
//
// FakeDaemon stands for the daemon in tests of the preload library: it runs a
// program under a seccomp listener with signed calls, hands out the arena, lets
// everything go on, and keeps what it saw. No judgement of names, no tracker.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "daemon/track/preload/arena_layout.h"

namespace vt::test {

// A record of the arena; relative names are joined to their base.
struct SignedRecord {
  track::RecordKind kind = {};
  std::string path;
  int result = 0;
  uint32_t epoch = 0;
};

struct Notified {
  int number = 0;
  std::string name;  // as given
  pid_t pid = 0;
};

struct FakeOptions {
  std::vector<std::string> argv;
  std::vector<std::string> env;  // all of it
  std::string cwd;
  // Value of LD_PRELOAD; empty: none.
  std::string preload;
  uint32_t chunk_count = 4096;
  // A hello is answered with this error, if not 0, as often as `refusals`.
  int hello_error = 0;
  int refusals = 1000000;
  // The first hello is answered when the second one was. Whoever made it waits
  // when this is called.
  std::function<void()> delay_first_hello;
  // Called at each notification of a path, before it is let through.
  std::function<void(track::ArenaHeader*, const Notified&)> on_notified;
  // Called in the child before its execve.
  std::function<void()> in_child;
};

struct FakeResult {
  int status = -1;  // as of waitpid
  std::string output;
  std::vector<Notified> notified;
  std::vector<SignedRecord> records;
  uint32_t flags = 0;
  uint32_t chunks_taken = 0;
  int hellos = 0;
  int damaged = 0;  // records that make no sense
  int torn = 0;     // begun and not completed

  std::set<std::string> RecordedPaths() const;
  // Last component of what was notified.
  std::multiset<std::string> NotifiedNames() const;
  std::multiset<std::string> RecordedNames() const;
  const SignedRecord* Find(const std::string& name) const;
};

// Runs it to its end, and that of all its children. Blocking.
FakeResult RunUnderFakeDaemon(const FakeOptions& options);

}  // namespace vt::test
