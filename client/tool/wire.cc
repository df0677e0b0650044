// SPDX-License-Identifier: Apache-2.0

#include "wire.h"

namespace vt_client {
namespace {

enum WireType : uint32_t {
  kVarint = 0,
  kFixed64 = 1,
  kLengthDelimited = 2,
  kFixed32 = 5,
};

void PutVarint(uint64_t value, Bytes* out) {
  while (value >= 0x80) {
    out->AppendByte(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->AppendByte(static_cast<char>(value));
}

void PutTag(uint32_t field, WireType type, Bytes* out) {
  PutVarint(uint64_t{field} << 3 | type, out);
}

}  // namespace

void PutNumber(uint32_t field, uint64_t value, Bytes* out) {
  if (value != 0) {
    PutTag(field, kVarint, out);
    PutVarint(value, out);
  }
}

void PutBytes(uint32_t field, Slice value, Bytes* out) {
  if (value.size > 0) {
    PutMember(field, value, out);
  }
}

void PutMember(uint32_t field, Slice value, Bytes* out) {
  PutTag(field, kLengthDelimited, out);
  PutVarint(value.size, out);
  out->Append(value);
}

bool MakeFrame(uint64_t id, Request request, Slice message, Bytes* frame) {
  frame->Clear();
  frame->Resize(kFrameHeaderBytes);
  PutNumber(1, id, frame);
  PutMember(static_cast<uint32_t>(request), message, frame);
  const size_t size = frame->size() - kFrameHeaderBytes;
  for (size_t i = 0; i < kFrameHeaderBytes; ++i) {
    frame->data()[i] = static_cast<char>(size >> (8 * i));
  }
  return size <= kMaxFrameBytes;
}

size_t FrameSize(Slice stream, bool* is_broken) {
  if (stream.size < kFrameHeaderBytes) {
    return 0;
  }
  size_t size = 0;
  for (size_t i = kFrameHeaderBytes; i > 0; --i) {
    size = size << 8 | static_cast<unsigned char>(stream.data[i - 1]);
  }
  if (size == 0 || size > kMaxFrameBytes) {
    *is_broken = true;
    return 0;
  }
  size += kFrameHeaderBytes;
  return stream.size < size ? 0 : size;
}

bool FieldReader::Next() {
  uint64_t tag = 0;
  if (is_broken_ || rest_.size == 0) {
    return false;
  }
  number_ = 0;
  bytes_ = Slice();
  bool is_good = ReadVarint(&tag);
  field_ = static_cast<uint32_t>(tag >> 3);
  Slice skipped;
  uint64_t size = 0;
  switch (tag & 7) {
    case kVarint:
      is_good = is_good && ReadVarint(&number_);
      break;
    case kFixed64:
      is_good = is_good && Take(8, &skipped);
      break;
    case kLengthDelimited:
      is_good = is_good && ReadVarint(&size) && Take(size, &bytes_);
      break;
    case kFixed32:
      is_good = is_good && Take(4, &skipped);
      break;
    default:
      is_good = false;
  }
  is_broken_ = !is_good;
  return is_good;
}

bool FieldReader::ReadVarint(uint64_t* value) {
  *value = 0;
  Slice byte;
  for (int shift = 0; shift < 64; shift += 7) {
    if (!Take(1, &byte)) {
      return false;
    }
    const uint64_t bits = static_cast<unsigned char>(*byte.data);
    *value |= (bits & 0x7f) << shift;
    if (bits < 0x80) {
      return true;
    }
  }
  return false;
}

bool FieldReader::Take(uint64_t count, Slice* taken) {
  if (count > rest_.size) {
    return false;
  }
  *taken = Slice{rest_.data, static_cast<size_t>(count)};
  rest_.data += count;
  rest_.size -= static_cast<size_t>(count);
  return true;
}

}  // namespace vt_client
