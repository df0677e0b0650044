// SPDX-License-Identifier: Apache-2.0

#include "call_site.h"

#include <string.h>

namespace vt_client {
namespace {

constexpr char kWrapper[] = "/@voidzero-dev/vite-task-client/";
constexpr size_t kMaxSiteBytes = 4096;

// "async fn (/a/b.js:1:2)" or "/a/b.js:1:2" -> "/a/b.js:1:2".
Slice Location(Slice frame) {
  if (frame.size > 0 && frame.data[frame.size - 1] == ')') {
    const void* const open = memmem(frame.data, frame.size, " (", 2);
    if (open != nullptr) {
      const char* const start = static_cast<const char*>(open) + 2;
      return Slice{start,
                   static_cast<size_t>(frame.data + frame.size - start) - 1};
    }
  }
  const Slice async = SliceOf("async ");
  if (StartsWith(frame, async)) {
    return Slice{frame.data + async.size, frame.size - async.size};
  }
  return frame;
}

// Removes ":digits" at the end. False: there is none.
bool DropNumber(Slice* text) {
  size_t size = text->size;
  while (size > 0 && text->data[size - 1] >= '0' &&
         text->data[size - 1] <= '9') {
    --size;
  }
  if (size == text->size || size == 0 || text->data[size - 1] != ':') {
    return false;
  }
  text->size = size - 1;
  return true;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

void AppendDecoded(Slice text, Bytes* out) {
  for (size_t i = 0; i < text.size; ++i) {
    const int high = text.data[i] == '%' && i + 2 < text.size
                         ? HexDigit(text.data[i + 1])
                         : -1;
    const int low = high < 0 ? -1 : HexDigit(text.data[i + 2]);
    if (low < 0) {
      out->AppendByte(text.data[i]);
    } else {
      out->AppendByte(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
}

bool ReadFrame(Slice line, Bytes* site) {
  while (line.size > 0 && line.data[0] == ' ') {
    ++line.data;
    --line.size;
  }
  const Slice at = SliceOf("at ");
  if (!StartsWith(line, at)) {
    return false;
  }
  const Slice location =
      Location(Slice{line.data + at.size, line.size - at.size});
  Slice place = location;
  // The column goes, the line stays.
  if (!DropNumber(&place)) {
    return false;
  }
  Slice file = place;
  if (!DropNumber(&file)) {
    return false;
  }
  const Slice scheme = SliceOf("file://");
  const bool is_url = StartsWith(file, scheme);
  if ((!is_url && file.data[0] != '/') || Contains(file, kWrapper) ||
      place.size > kMaxSiteBytes) {
    return false;
  }
  site->Clear();
  if (is_url) {
    AppendDecoded(Slice{place.data + scheme.size, place.size - scheme.size},
                  site);
  } else {
    site->Append(place);
  }
  // The message is UTF-8 by the rules of its format.
  if (!IsUtf8(site->slice())) {
    site->Clear();
  }
  return true;
}

void Forget(napi_env env) {
  bool is_pending = false;
  napi_value ignored = nullptr;
  if (napi_is_exception_pending(env, &is_pending) == napi_ok && is_pending) {
    napi_get_and_clear_last_exception(env, &ignored);
  }
}

// Gives a property of an object another value for a while. Does nothing where
// that is not allowed (frozen intrinsics).
class Override {
 public:
  Override(napi_env env, napi_value object, const char* name, napi_value value)
      : env_(env),
        object_(object) {
    bool is_own = false;
    if (napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &name_) ==
            napi_ok &&
        napi_has_own_property(env, object, name_, &is_own) == napi_ok &&
        (!is_own || napi_get_property(env, object, name_, &old_) == napi_ok)) {
      napi_set_property(env, object, name_, value);
    }
    Forget(env);
  }
  Override(const Override&) = delete;
  Override& operator=(const Override&) = delete;
  ~Override() {
    bool ignored = false;
    if (old_ != nullptr) {
      napi_set_property(env_, object_, name_, old_);
    } else {
      napi_delete_property(env_, object_, name_, &ignored);
    }
    Forget(env_);
  }

 private:
  napi_env env_;
  napi_value object_;
  napi_value name_ = nullptr;
  // Null: there was none of its own.
  napi_value old_ = nullptr;
};

}  // namespace

void ParseCallSite(Slice stack, Bytes* site) {
  while (stack.size > 0) {
    const void* const newline = memchr(stack.data, '\n', stack.size);
    const size_t size =
        newline == nullptr
            ? stack.size
            : static_cast<size_t>(static_cast<const char*>(newline) -
                                  stack.data);
    if (ReadFrame(Slice{stack.data, size}, site)) {
      return;
    }
    const size_t step = newline == nullptr ? size : size + 1;
    stack.data += step;
    stack.size -= step;
  }
}

void FindCallSite(napi_env env, Bytes* site) {
  napi_value global = nullptr;
  napi_value constructor = nullptr;
  napi_value undefined = nullptr;
  napi_value limit = nullptr;
  if (napi_get_global(env, &global) != napi_ok ||
      napi_get_named_property(env, global, "Error", &constructor) != napi_ok ||
      napi_get_undefined(env, &undefined) != napi_ok ||
      napi_create_uint32(env, 30, &limit) != napi_ok) {
    return Forget(env);
  }
  // Tools cut stacks and rewrite them; we want V8's own.
  const Override longer(env, constructor, "stackTraceLimit", limit);
  const Override plain(env, constructor, "prepareStackTrace", undefined);
  napi_value error = nullptr;
  napi_value stack = nullptr;
  size_t size = 0;
  if (napi_new_instance(env, constructor, 0, nullptr, &error) == napi_ok &&
      napi_get_named_property(env, error, "stack", &stack) == napi_ok &&
      napi_get_value_string_utf8(env, stack, nullptr, 0, &size) == napi_ok) {
    Bytes text;
    text.Resize(size + 1);
    napi_get_value_string_utf8(env, stack, text.data(), size + 1, &size);
    ParseCallSite(Slice{text.data(), size}, site);
  }
  Forget(env);
}

}  // namespace vt_client
