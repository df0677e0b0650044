// SPDX-License-Identifier: Apache-2.0
//
// ParallelFor: one piece of blocking work (fingerprinting the inputs of an
// action), shared with processors that have nothing else to do.

#pragma once

#include <cstddef>

#include "absl/functional/function_ref.h"

namespace vt::base {

// Calls `work(from, to)` for pieces of [0, count), each of at most `at_once`,
// and returns when all have returned: on this thread, and on others of this
// process that are free, one less than there are processors; they are started
// by the first call and stay. `work` must be thread-safe. What it notes
// elsewhere as consulted is noted here. Any thread; may be called by `work`.
// A piece costs two locks, waking another thread about 10 us.
void ParallelFor(size_t count, size_t at_once,
                 absl::FunctionRef<void(size_t from, size_t to)> work);

}  // namespace vt::base
