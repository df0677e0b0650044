// SPDX-License-Identifier: Apache-2.0
//
// From JavaScript values to ours and back, and the errors that say which value
// would not do. Codes and texts are those that tools know from the reference
// addon.

#pragma once

#include <node_api.h>

#include "client/tool/bytes.h"

namespace vt_client {

// Throws an Error; an exception that is pending already stays.
void Throw(napi_env env, const char* code, Bytes* message);

// The UTF-8 of `value`; a lone surrogate becomes U+FFFD. False (and throws,
// code StringExpected): not a primitive string.
bool ToString(napi_env env, napi_value value, Bytes* text);

// `tracked` of an options argument, true by default. False: threw.
bool ToTracked(napi_env env, napi_value options, bool* tracked);

// A getEnvs query. False: threw.
bool ToQuery(napi_env env, napi_value value, bool* is_prefix, Bytes* text);

// A path as sent: the working directory in front if it is relative. False:
// threw.
bool ToPath(napi_env env, napi_value value, Bytes* path);

// A JavaScript string of valid UTF-8 in *result. False (and throws): `value` of
// variable `name` is not.
bool FromValue(napi_env env, Slice name, Slice value, napi_value* result);

}  // namespace vt_client
