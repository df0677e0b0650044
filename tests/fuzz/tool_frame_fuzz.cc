// SPDX-License-Identifier: Apache-2.0
//
// Feeds both parsers of tool frames, the daemon's and the clients', with a
// stream of bytes (make_tool_corpus.py makes some):
//
//   u8 cut     the daemon gets the stream in pieces of cut + 1 bytes
//   the rest   the stream
//
// However it is cut, the same frames must come out of both.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "client/tool/wire.h"
#include "daemon/ipc/frame.h"
#include "vtask/tool/v1/tool.pb.h"

namespace vt::ipc {
namespace {

void Demand(bool is_true) {
  if (!is_true) {
    std::abort();
  }
}

struct Stream {
  std::vector<std::string> frames;
  bool is_broken = false;
};

Stream ReadAsDaemon(absl::string_view bytes, size_t piece) {
  Stream stream;
  FrameReader reader;
  for (size_t at = 0; at < bytes.size() && !stream.is_broken; at += piece) {
    reader.Add(bytes.substr(at, piece));
    absl::string_view body;
    FrameReader::Result result = reader.Next(&body);
    for (; result == FrameReader::Result::kFrame; result = reader.Next(&body)) {
      Demand(!body.empty() && body.size() <= kMaxFrameBytes);
      stream.frames.emplace_back(body);
    }
    stream.is_broken = result == FrameReader::Result::kBroken;
    if (stream.is_broken) {
      Demand(reader.broken_length() == 0 ||
             reader.broken_length() > kMaxFrameBytes);
      // For ever, whatever comes.
      reader.Add(bytes);
      Demand(reader.Next(&body) == FrameReader::Result::kBroken);
    }
  }
  return stream;
}

Stream ReadAsClient(absl::string_view bytes) {
  Stream stream;
  vt_client::Slice rest{bytes.data(), bytes.size()};
  while (const size_t size =
             vt_client::FrameSize(rest, &stream.is_broken)) {
    Demand(size <= rest.size && !stream.is_broken);
    stream.frames.emplace_back(rest.data + vt_client::kFrameHeaderBytes,
                               size - vt_client::kFrameHeaderBytes);
    rest.data += size;
    rest.size -= size;
  }
  return stream;
}

// The clients' walk over fields never leaves the message, and what protobuf
// takes for a reply it takes, too.
void WalkFields(const std::string& message, int depth) {
  vt_client::FieldReader fields({message.data(), message.size()});
  while (fields.Next()) {
    const vt_client::Slice bytes = fields.bytes();
    if (bytes.size > 0) {
      Demand(bytes.data >= message.data() &&
             bytes.data + bytes.size <= message.data() + message.size());
      if (depth < 4) {
        WalkFields(std::string(bytes.data, bytes.size), depth + 1);
      }
    }
  }
  vtask::tool::v1::ToolReply reply;
  if (depth == 0 && reply.ParseFromString(message)) {
    // What is written out anew has no groups, which we do not read.
    const std::string known = [&] {
      reply.DiscardUnknownFields();
      return reply.SerializeAsString();
    }();
    vt_client::FieldReader again({known.data(), known.size()});
    while (again.Next()) {
    }
    Demand(!again.is_broken());
  }
}

void Run(const uint8_t* data, size_t size) {
  if (size == 0) {
    return;
  }
  const absl::string_view bytes(reinterpret_cast<const char*>(data) + 1,
                                size - 1);
  const Stream in_pieces = ReadAsDaemon(bytes, size_t{data[0]} + 1);
  const Stream at_once = ReadAsDaemon(bytes, std::max(bytes.size(), size_t{1}));
  const Stream by_client = ReadAsClient(bytes);
  Demand(in_pieces.frames == at_once.frames);
  Demand(in_pieces.is_broken == at_once.is_broken);
  Demand(by_client.frames == at_once.frames);
  Demand(by_client.is_broken == at_once.is_broken);
  for (const std::string& frame : at_once.frames) {
    WalkFields(frame, 0);
    vtask::tool::v1::ToolRequest request;
    request.ParseFromString(frame);
  }
}

}  // namespace
}  // namespace vt::ipc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vt::ipc::Run(data, size);
  return 0;
}
