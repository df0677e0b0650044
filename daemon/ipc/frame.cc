// SPDX-License-Identifier: Apache-2.0

#include "daemon/ipc/frame.h"

namespace vt::ipc {
namespace {

uint32_t DecodeLength(const char* bytes) {
  uint32_t length = 0;
  for (int i = 3; i >= 0; --i) {
    length = (length << 8) | static_cast<unsigned char>(bytes[i]);
  }
  return length;
}

}  // namespace

void AppendFrame(absl::string_view body, std::string* out) {
  const uint32_t length = static_cast<uint32_t>(body.size());
  for (int shift = 0; shift < 32; shift += 8) {
    out->push_back(static_cast<char>((length >> shift) & 0xff));
  }
  out->append(body.data(), body.size());
}

void FrameReader::Add(absl::string_view bytes) {
  buffer_.erase(0, taken_);
  taken_ = 0;
  buffer_.append(bytes.data(), bytes.size());
}

FrameReader::Result FrameReader::Next(absl::string_view* body) {
  if (buffer_.size() - taken_ < kFrameHeaderBytes) {
    return Result::kNeedMore;
  }
  const uint32_t length = DecodeLength(buffer_.data() + taken_);
  if (length == 0 || length > kMaxFrameBytes) {
    broken_length_ = length;
    return Result::kBroken;
  }
  if (buffer_.size() - taken_ - kFrameHeaderBytes < length) {
    return Result::kNeedMore;
  }
  *body =
      absl::string_view(buffer_.data() + taken_ + kFrameHeaderBytes, length);
  taken_ += kFrameHeaderBytes + length;
  return Result::kFrame;
}

}  // namespace vt::ipc
