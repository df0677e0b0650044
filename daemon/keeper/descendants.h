// SPDX-License-Identifier: Apache-2.0
//
// The end of a process tree whose root is gone. Used by a child subreaper
// (PR_SET_CHILD_SUBREAPER): what loses its parent becomes its own child.

#pragma once

namespace vt::keeper {

// Kills (SIGKILL) and reaps every child of this process, and what thereby
// becomes a child of this process, until there is none. Returns how many were
// killed. Blocking; the process has one thread. Gives up on what it may not
// kill (another user's), and where /proc does not list children.
int KillDescendants();

}  // namespace vt::keeper
