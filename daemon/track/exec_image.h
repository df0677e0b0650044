// SPDX-License-Identifier: Apache-2.0
//
// What the kernel will do with a file given to execve: its "#!" line, its ELF
// header and interpreter, and whether it would raise privileges.

#pragma once

#include <sys/stat.h>

#include <string>

namespace vt::track {

struct ExecImage {
  // Of a script, as written (may be relative), or of a dynamic ELF program.
  std::string interpreter;
  bool is_script = false;
  // An ELF program of another architecture or word size: a compat ABI.
  bool is_foreign = false;
  // set-user-ID, set-group-ID or file capabilities: what NO_NEW_PRIVS disables.
  bool is_privileged = false;
};

// Blocking. A file that cannot be read gives an empty image.
ExecImage ReadExecImage(const std::string& path, const struct stat& status);

}  // namespace vt::track
