// SPDX-License-Identifier: Apache-2.0

#include "bytes.h"

#include <stdlib.h>
#include <string.h>

namespace vt_client {

Slice SliceOf(const char* c_string) {
  return Slice{c_string, strlen(c_string)};
}

bool StartsWith(Slice text, Slice prefix) {
  return prefix.size <= text.size &&
         (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

bool Contains(Slice text, const char* word) {
  return text.size > 0 &&
         memmem(text.data, text.size, word, strlen(word)) != nullptr;
}

int Compare(Slice a, Slice b) {
  const size_t size = a.size < b.size ? a.size : b.size;
  const int order = size == 0 ? 0 : memcmp(a.data, b.data, size);
  if (order != 0) {
    return order;
  }
  return a.size < b.size ? -1 : (a.size > b.size ? 1 : 0);
}

// As RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF.
bool IsUtf8(Slice text) {
  size_t i = 0;
  while (i < text.size) {
    const unsigned char lead = static_cast<unsigned char>(text.data[i++]);
    if (lead < 0x80) {
      continue;
    }
    int more = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      low = lead == 0xe0 ? 0xa0 : 0x80;
      high = lead == 0xed ? 0x9f : 0xbf;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      low = lead == 0xf0 ? 0x90 : 0x80;
      high = lead == 0xf4 ? 0x8f : 0xbf;
    } else {
      return false;
    }
    for (; more > 0; --more, ++i) {
      if (i >= text.size) {
        return false;
      }
      const unsigned char next = static_cast<unsigned char>(text.data[i]);
      if (next < low || next > high) {
        return false;
      }
      low = 0x80;
      high = 0xbf;
    }
  }
  return true;
}

Bytes::~Bytes() { free(data_); }

const char* Bytes::c_str() {
  AppendByte('\0');
  --size_;
  return data_;
}

void Bytes::Resize(size_t size) {
  if (size > capacity_) {
    size_t capacity = capacity_ == 0 ? 64 : capacity_;
    while (capacity < size) {
      capacity *= 2;
    }
    data_ = static_cast<char*>(realloc(data_, capacity));
    if (data_ == nullptr) {
      abort();
    }
    capacity_ = capacity;
  }
  size_ = size;
}

void Bytes::Append(Slice bytes) {
  if (bytes.size > 0) {
    const size_t at = size_;
    Resize(size_ + bytes.size);
    memcpy(data_ + at, bytes.data, bytes.size);
  }
}

void Bytes::AppendNumber(uint64_t number) {
  char digits[20];
  size_t count = 0;
  do {
    digits[sizeof digits - ++count] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0);
  Append(Slice{digits + sizeof digits - count, count});
}

void Bytes::Drop(size_t count) {
  if (count > 0) {
    size_ -= count;
    memmove(data_, data_ + count, size_);
  }
}

void Bytes::Swap(Bytes* other) {
  char* const data = data_;
  const size_t size = size_;
  const size_t capacity = capacity_;
  data_ = other->data_;
  size_ = other->size_;
  capacity_ = other->capacity_;
  other->data_ = data;
  other->size_ = size;
  other->capacity_ = capacity;
}

}  // namespace vt_client
