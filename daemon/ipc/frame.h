// SPDX-License-Identifier: Apache-2.0
//
// Frames of the tool protocol: a u32 little-endian length and that many bytes
// (proto/vtask/tool/v1/tool.proto, docs/TOOL_IPC.md).

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace vt::ipc {

// Standard: the protocol's cap, never renumber.
inline constexpr size_t kMaxFrameBytes = size_t{1} << 20;
inline constexpr size_t kFrameHeaderBytes = 4;

// Appends the frame of `body`, which has 1 to kMaxFrameBytes bytes.
void AppendFrame(absl::string_view body, std::string* out);

// Takes a byte stream apart. Who takes all frames before adding more, in small
// chunks, bounds what it holds.
//
// Thread-compatible.
class FrameReader {
 public:
  enum class Result {
    kFrame,     // *body is the next one; valid until the next call
    kNeedMore,  // the rest has not come yet
    kBroken,    // a length of 0 or above the cap; for ever
  };

  void Add(absl::string_view bytes);
  Result Next(absl::string_view* body);
  // Bytes added and not taken yet.
  size_t size() const { return buffer_.size() - taken_; }
  // The length that made the stream broken.
  uint32_t broken_length() const { return broken_length_; }

 private:
  std::string buffer_;
  size_t taken_ = 0;
  uint32_t broken_length_ = 0;
};

}  // namespace vt::ipc
