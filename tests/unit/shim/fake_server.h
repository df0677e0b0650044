// SPDX-License-Identifier: Apache-2.0
//
// A daemon's side of one connection, which does what the command line says:
//
//   exit CODE                exits with it
//   print FD MESSAGES SIZE   that much output, then exit 0
//   fail STATUS MESSAGE      a gRPC error; MESSAGE goes on the wire as it is
//   cut                      "partial\n", then closes the connection
//   flaky COUNTER            closes before a byte was sent, the first time
//   refuse COUNTER           gRPC status 14 before any message, the first time
//   replace COUNTER          `replace` the first time
//   replace-always           `replace`
//   replace-older            `replace`, unless the caller does not say its
//   build signals N                "ready\n", then "signal NUMBER\n" for each
//   of N;
//                            exits with 128 + the last
//   mute                     "ready\n", then nothing ever
//   execute CWD PROGRAM ...  has it run on the terminal; reports on stdout;
//                            exits with its code
//   execute-then CODE PROGRAM ...  the same, but `exit` comes when it runs
//   execute-cut PROGRAM ...  the same, but the connection is closed when it
//   runs
//
// COUNTER is a file: "the first time" is when it does not exist.

#pragma once

#include <cstdint>
#include <string>

namespace vt::test {

struct FakeServerOptions {
  uint64_t build = 1;  // said by `replace` and `Status`
  void (*on_shutdown)() = nullptr;
};

// Serves the one connection `socket` (owned) until it is closed. Blocking.
void ServeFake(int socket, const FakeServerOptions& options);

}  // namespace vt::test
