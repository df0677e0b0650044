// SPDX-License-Identifier: Apache-2.0
//
// What is visible outside of the library: names of libc, without versions, so
// that they stand in for any. They are the only ones.

#pragma once

#define VT_EXPORT extern "C" __attribute__((visibility("default")))
// A second name of a function of this file.
#define VT_ALIAS(name) __attribute__((visibility("default"), alias(name)))

namespace vt::preload {

// Ends the process as libc's fortified functions do.
[[noreturn]] void Abort(const char* message);

}  // namespace vt::preload
