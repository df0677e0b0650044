// SPDX-License-Identifier: Apache-2.0
//
// Failure: why `vt` itself cannot go on. The shim's absl::Status: this program
// starts once for every command, and Abseil's would be most of its bytes.

#pragma once

#include <optional>
#include <string>

namespace vt::shim {

// A value.
struct Failure {
  int exit_code = 1;    // exit_code.h
  std::string message;  // printed after "vt: "; empty: say nothing
};

// nullopt: it worked.
using MaybeFailure = std::optional<Failure>;

}  // namespace vt::shim
