// SPDX-License-Identifier: Apache-2.0
//
// Temporaries: what a restore writes beside an output before it gets its name.
// A daemon that is killed in between leaves one; nobody lists or stores it
// (fingerprint::kTemporaryPrefix), and the next restore that writes into that
// directory removes it.

#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace vt::cache {

// A name that no living process has used: the prefix, this process's number and
// start time, and a counter. Thread-safe.
std::string TemporaryName();

// Whether `name` is one that a process has used that lives no more.
// Thread-safe.
bool IsDeadTemporary(absl::string_view name);

// Removes `name`, with all that is in it, from the directory that `directory`
// is open for. Errors are nobody's: the rest stays. Thread-safe. Blocking.
void RemoveTemporary(int directory, const std::string& name);

// Removes temporaries of processes that live no more from the directory that
// `directory` is open for. Errors are nobody's: they stay. One of a process in
// another pid namespace looks dead; its restore then fails, and the action
// runs. Thread-safe. Blocking.
void RemoveDeadTemporaries(int directory);

}  // namespace vt::cache
