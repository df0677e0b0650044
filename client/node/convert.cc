// SPDX-License-Identifier: Apache-2.0

#include "convert.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

namespace vt_client {
namespace {

napi_valuetype TypeOf(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  return type;
}

// The UTF-8 of a string value.
void ReadString(napi_env env, napi_value value, Bytes* text) {
  size_t size = 0;
  napi_get_value_string_utf8(env, value, nullptr, 0, &size);
  text->Resize(size + 1);
  napi_get_value_string_utf8(env, value, text->data(), size + 1, &size);
  text->Resize(size);
}

bool IsExceptionPending(napi_env env) {
  bool is_pending = false;
  napi_is_exception_pending(env, &is_pending);
  return is_pending;
}

void ForgetException(napi_env env) {
  napi_value ignored = nullptr;
  if (IsExceptionPending(env)) {
    napi_get_and_clear_last_exception(env, &ignored);
  }
}

void AppendAsString(napi_env env, napi_value value, Bytes* out) {
  napi_value string = nullptr;
  Bytes text;
  if (napi_coerce_to_string(env, value, &string) == napi_ok) {
    ReadString(env, string, &text);
    out->Append(text.slice());
  }
  ForgetException(env);
}

void AppendAsJson(napi_env env, napi_value value, Bytes* out) {
  napi_value global = nullptr;
  napi_value json = nullptr;
  napi_value stringify = nullptr;
  napi_value string = nullptr;
  Bytes text;
  if (napi_get_global(env, &global) == napi_ok &&
      napi_get_named_property(env, global, "JSON", &json) == napi_ok &&
      napi_get_named_property(env, json, "stringify", &stringify) == napi_ok &&
      napi_call_function(env, json, stringify, 1, &value, &string) == napi_ok &&
      TypeOf(env, string) == napi_string) {
    ReadString(env, string, &text);
    out->Append(text.slice());
  }
  // A circular object, or a toJSON that throws: no description then.
  ForgetException(env);
}

// What `value` is, as the reference words it: "Undefined", "Number 5 ".
void AppendDescription(napi_env env, napi_value value, Bytes* out) {
  napi_value name = nullptr;
  Bytes text;
  switch (TypeOf(env, value)) {
    case napi_undefined:
      return out->Append("Undefined");
    case napi_null:
      return out->Append("Null");
    case napi_string:
      return out->Append("String");
    case napi_symbol:
      return out->Append("Symbol");
    case napi_external:
      return out->Append("External");
    case napi_boolean:
      out->Append("Boolean ");
      break;
    case napi_number:
      out->Append("Number ");
      break;
    case napi_bigint:
      out->Append("BigInt ");
      break;
    case napi_function:
      if (napi_get_named_property(env, value, "name", &name) == napi_ok &&
          TypeOf(env, name) == napi_string) {
        ReadString(env, name, &text);
      }
      ForgetException(env);
      out->Append("function ");
      out->Append(text.size() > 0 ? text.slice() : SliceOf("anonymous"));
      return out->Append("(..) ");
    case napi_object:
      out->Append("Object ");
      return AppendAsJson(env, value, out);
    default:
      return out->Append("Unknown");
  }
  AppendAsString(env, value, out);
  out->Append(" ");
}

}  // namespace

void Throw(napi_env env, const char* code, Bytes* message) {
  if (!IsExceptionPending(env)) {
    napi_throw_error(env, code, message->c_str());
  }
}

bool ToString(napi_env env, napi_value value, Bytes* text) {
  if (TypeOf(env, value) == napi_string) {
    ReadString(env, value, text);
    return true;
  }
  Bytes message;
  message.Append("Failed to convert JavaScript value `");
  AppendDescription(env, value, &message);
  message.Append("` into rust type `String`");
  Throw(env, "StringExpected", &message);
  return false;
}

bool ToTracked(napi_env env, napi_value options, bool* tracked) {
  *tracked = true;
  const napi_valuetype type = TypeOf(env, options);
  if (type != napi_object && type != napi_function) {
    return true;
  }
  napi_value property = nullptr;
  if (napi_get_named_property(env, options, "tracked", &property) != napi_ok) {
    return false;  // a getter threw
  }
  if (TypeOf(env, property) == napi_undefined) {
    return true;
  }
  if (napi_get_value_bool(env, property, tracked) != napi_ok) {
    Bytes message;
    message.Append(
        "Failed to convert napi value into rust type `bool` on "
        "GetEnvOptions.tracked");
    Throw(env, "BooleanExpected", &message);
    return false;
  }
  return true;
}

bool ToQuery(napi_env env, napi_value value, bool* is_prefix, Bytes* text) {
  const napi_valuetype type = TypeOf(env, value);
  *is_prefix = type != napi_string;
  if (type == napi_string) {
    ReadString(env, value, text);
    return true;
  }
  napi_value prefix = nullptr;
  if (type == napi_object || type == napi_function) {
    if (napi_get_named_property(env, value, "prefix", &prefix) != napi_ok) {
      return false;  // a getter threw
    }
    if (TypeOf(env, prefix) == napi_string) {
      ReadString(env, prefix, text);
      return true;
    }
  }
  Bytes message;
  message.Append(
      "Value is none of these types `String`, `GetEnvsPrefixQuery`, ");
  Throw(env, "InvalidArg", &message);
  return false;
}

bool ToPath(napi_env env, napi_value value, Bytes* path) {
  Bytes given;
  if (!ToString(env, value, &given)) {
    return false;
  }
  if (StartsWith(given.slice(), SliceOf("/"))) {
    path->Swap(&given);
    return true;
  }
  // Linux has no directory name longer than its page for this call.
  path->Resize(4096);
  if (getcwd(path->data(), path->size()) == nullptr) {
    const int error_number = errno;
    Bytes message;
    message.Append(strerror(error_number));
    message.Append(" (os error ");
    message.AppendNumber(static_cast<uint64_t>(error_number));
    message.Append(")");
    Throw(env, "GenericFailure", &message);
    return false;
  }
  path->Resize(strlen(path->data()));
  path->AppendByte('/');
  path->Append(given.slice());
  return true;
}

bool FromValue(napi_env env, Slice name, Slice value, napi_value* result) {
  if (IsUtf8(value)) {
    return napi_create_string_utf8(env, value.size == 0 ? "" : value.data,
                                   value.size, result) == napi_ok;
  }
  Bytes message;
  message.Append("env value for ");
  message.Append(name);
  message.Append(" is not valid UTF-8");
  Throw(env, "GenericFailure", &message);
  return false;
}

}  // namespace vt_client
