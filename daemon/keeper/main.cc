// SPDX-License-Identifier: Apache-2.0
//
// vt-keeper: two small guards in one tiny static program (decisions H16).
//
//   vt-keeper [--ready-fd N] [--log FILE] -- VTASKD ARG...   keep.h
//   vt-keeper --mind FD -- PROGRAM ARGV0 ARG...              mind.h
//
// Not for people: `vt` starts it.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "daemon/keeper/keep.h"
#include "daemon/keeper/mind.h"

int main(int argc, char** argv) {
  vt::keeper::KeepOptions keep;
  int mind_fd = -1;
  int at = 1;
  for (; at + 1 < argc && std::strcmp(argv[at], "--") != 0; at += 2) {
    if (std::strcmp(argv[at], "--ready-fd") == 0) {
      keep.ready_fd = std::atoi(argv[at + 1]);
    } else if (std::strcmp(argv[at], "--log") == 0) {
      keep.log = argv[at + 1];
    } else if (std::strcmp(argv[at], "--mind") == 0) {
      mind_fd = std::atoi(argv[at + 1]);
    } else {
      break;
    }
  }
  const int least = mind_fd >= 0 ? 3 : 2;  // "--", program, argv[0]
  if (at + least > argc || std::strcmp(argv[at], "--") != 0) {
    std::fputs(
        "usage: vt-keeper [--ready-fd N] [--log FILE] -- PROGRAM ARG...\n"
        "       vt-keeper --mind FD -- PROGRAM ARGV0 ARG...\n",
        stderr);
    return 2;
  }
  keep.command = argv + at + 1;
  return mind_fd >= 0 ? vt::keeper::RunMinder(mind_fd, keep.command)
                      : vt::keeper::RunKeeper(keep);
}
