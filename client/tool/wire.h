// SPDX-License-Identifier: Apache-2.0
//
// The frames of proto/vtask/tool/v1/tool.proto, written and read by hand: the
// messages are few and frozen, and a protobuf library would be a hundred times
// the size of a client. docs/TOOL_IPC.md explains the bytes.

#pragma once

#include "bytes.h"

namespace vt_client {

// Field numbers of the ToolRequest's oneof. Never renumber.
enum class Request : uint32_t {
  kHello = 2,
  kIgnoreInput = 3,
  kIgnoreOutput = 4,
  kTrackInput = 5,
  kTrackOutput = 6,
  kGetEnv = 7,
  kGetEnvs = 8,
  kDisableCache = 9,
  kTrackValue = 10,
  kSync = 11,
};

constexpr size_t kMaxFrameBytes = 1u << 20;
constexpr size_t kFrameHeaderBytes = 4;

// Writes fields of one message, in the order of the calls. Default values are
// left out, as proto3 does.
void PutNumber(uint32_t field, uint64_t value, Bytes* out);
void PutBytes(uint32_t field, Slice value, Bytes* out);
// Like PutBytes, but written when empty too: members of a oneof.
void PutMember(uint32_t field, Slice value, Bytes* out);

// Makes *frame the frame of a ToolRequest. False: it would be over the limit.
bool MakeFrame(uint64_t id, Request request, Slice message, Bytes* frame);

// Length of the frame at the front of `stream`, header included; 0: its end has
// not come yet. *is_broken: no frame begins like this.
size_t FrameSize(Slice stream, bool* is_broken);

// Walks over the fields of one message.
class FieldReader {
 public:
  explicit FieldReader(Slice message) : rest_(message) {}

  // False at the end, and for bytes that are no message (`is_broken`).
  bool Next();
  bool is_broken() const { return is_broken_; }
  uint32_t field() const { return field_; }
  // Of a varint or fixed-size field, else 0.
  uint64_t number() const { return number_; }
  // Of a length-delimited field, else empty.
  Slice bytes() const { return bytes_; }

 private:
  bool ReadVarint(uint64_t* value);
  bool Take(uint64_t count, Slice* taken);

  Slice rest_;
  bool is_broken_ = false;
  uint32_t field_ = 0;
  uint64_t number_ = 0;
  Slice bytes_;
};

}  // namespace vt_client
