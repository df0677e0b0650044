// SPDX-License-Identifier: Apache-2.0
//
// Feeds ArenaReader with an arena that a hostile task wrote, and goes on
// writing while it is read. The input (make_arena_corpus.py makes some):
//
//   u8 chunks (1 to 3), u8 scribbles
//   each scribble: u8 chunk, u16 offset, u32 word
//   each chunk but the last: u32 used, u16 size, that many bytes
//   the last chunk: u32 used, the rest
//
// One scribble is stored whenever a record has been given, and one between two
// calls of Read: what was checked is no longer true. All little-endian.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "daemon/track/arena_reader.h"

namespace vt::track {
namespace {

constexpr uint32_t kChunks = 3;
constexpr uint32_t kEpoch = 1000;
// Only this much of each chunk is ever written, and zeroed again.
constexpr uint32_t kWritten = 1 << 16;

alignas(8) char memory[kChunks][kChunkSize];

void Demand(bool is_true) {
  if (!is_true) {
    std::abort();
  }
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  template <typename T>
  T Take() {
    T value = 0;
    const size_t count = std::min(sizeof value, size_);
    std::memcpy(&value, data_, count);
    Skip(count);
    return value;
  }
  void TakeBytes(char* out, size_t count) {
    count = std::min(count, size_);
    std::memcpy(out, data_, count);
    Skip(count);
  }
  size_t size() const { return size_; }

 private:
  void Skip(size_t count) {
    data_ += count;
    size_ -= count;
  }

  const uint8_t* data_;
  size_t size_;
};

struct Scribble {
  uint8_t chunk;
  uint16_t offset;
  uint32_t word;
};

class Hostile {
 public:
  Hostile(const uint8_t* data, size_t size) {
    Input in(data, size);
    chunks_ = 1 + in.Take<uint8_t>() % kChunks;
    scribbles_.resize(in.Take<uint8_t>() % 32);
    for (Scribble& scribble : scribbles_) {
      scribble = {in.Take<uint8_t>(), in.Take<uint16_t>(), in.Take<uint32_t>()};
    }
    for (uint32_t i = 0; i < chunks_; ++i) {
      const auto used = in.Take<uint32_t>();
      std::memcpy(memory[i], &used, sizeof used);
      const size_t bytes = i + 1 < chunks_ ? in.Take<uint16_t>() : in.size();
      in.TakeBytes(memory[i] + sizeof(ChunkHeader),
                   std::min<size_t>(bytes, kWritten - sizeof(ChunkHeader)));
    }
  }
  ~Hostile() {
    for (auto& chunk : memory) {
      std::memset(chunk, 0, kWritten);
    }
  }

  uint32_t chunks() const { return chunks_; }

  void Write() {
    if (scribbles_.empty()) {
      return;
    }
    const Scribble scribble = scribbles_.back();
    scribbles_.pop_back();
    const uint32_t offset = scribble.offset & ~3U;
    std::memcpy(memory[scribble.chunk % kChunks] + offset, &scribble.word,
                sizeof scribble.word);
  }

 private:
  uint32_t chunks_;
  std::vector<Scribble> scribbles_;
};

void Check(const SignedCall& call) {
  Demand(call.kind != RecordKind::kBase &&
         static_cast<uint8_t>(call.kind) >= 1 &&
         static_cast<uint8_t>(call.kind) <= kLastRecordKind);
  Demand(call.error >= 0 && call.error <= 4095);
  Demand(call.epoch <= kEpoch && call.chunk < kChunks);
  Demand(!call.name.empty() && call.name.size() <= 4095);
  Demand(call.name.find('\0') == absl::string_view::npos);
  Demand(call.base.empty() == (call.name[0] == '/'));
  Demand(call.base.empty() || call.base[0] == '/');
  Demand(call.base.find('\0') == absl::string_view::npos);
}

void Run(const uint8_t* data, size_t size) {
  Hostile hostile(data, size);
  ArenaReader reader([](uint32_t index) -> const char* {
    return index < kChunks ? memory[index] : nullptr;
  });
  const auto sink = [&hostile](const SignedCall& call) {
    Check(call);
    hostile.Write();
  };
  reader.Read(1, kEpoch / 2, /*is_last=*/false, sink);
  hostile.Write();
  reader.Read(hostile.chunks(), kEpoch, /*is_last=*/false, sink);
  hostile.Write();
  reader.Read(hostile.chunks(), kEpoch, /*is_last=*/true, sink);
  // Every record takes room; damage ends it.
  Demand(reader.count() <= kChunks * (kChunkSize / 24));
  const uint64_t count = reader.count();
  reader.Read(hostile.chunks(), kEpoch, /*is_last=*/true, sink);
  Demand(reader.damage().empty() || reader.count() == count);
}

}  // namespace
}  // namespace vt::track

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vt::track::Run(data, size);
  return 0;
}
