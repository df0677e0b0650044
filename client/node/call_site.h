// SPDX-License-Identifier: Apache-2.0
//
// Who asked: the JavaScript that called into the addon.

#pragma once

#include <node_api.h>

#include "client/tool/bytes.h"

namespace vt_client {

// "/path/file.js:12" of the innermost frame that is not the wrapper package's
// or Node's own; empty if there is none. Leaves no exception behind.
void FindCallSite(napi_env env, Bytes* site);

// The same, from the text of a stack.
void ParseCallSite(Slice stack, Bytes* site);

}  // namespace vt_client
