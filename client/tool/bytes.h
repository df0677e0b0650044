// SPDX-License-Identifier: Apache-2.0
//
// Bytes: a growable byte buffer. The addon must load in any Node and the client
// library in any program, so they use nothing of the C++ standard library and
// let no exception exist.

#pragma once

#include <stddef.h>
#include <stdint.h>

namespace vt_client {

// A view of bytes that somebody else keeps.
struct Slice {
  const char* data = nullptr;
  size_t size = 0;
};

Slice SliceOf(const char* c_string);
bool StartsWith(Slice text, Slice prefix);
bool Contains(Slice text, const char* word);
// Less than, equal to or greater than 0, as memcmp(3) of whole strings.
int Compare(Slice a, Slice b);
bool IsUtf8(Slice text);

// Thread-compatible. Out of memory ends the process: the tool would be next.
class Bytes {
 public:
  Bytes() = default;
  ~Bytes();
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  char* data() { return data_; }
  size_t size() const { return size_; }
  Slice slice() const { return Slice{data_, size_}; }
  // The content with a NUL behind it.
  const char* c_str();

  void Clear() { size_ = 0; }
  // New bytes are not initialised.
  void Resize(size_t size);
  void Append(Slice bytes);
  void Append(const char* c_string) { Append(SliceOf(c_string)); }
  void AppendByte(char byte) { Append(Slice{&byte, 1}); }
  void AppendNumber(uint64_t number);
  // Removes `count` bytes at the front.
  void Drop(size_t count);
  void Swap(Bytes* other);

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace vt_client
