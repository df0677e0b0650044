// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/arena_reader.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <queue>
#include <utility>

namespace vt::track {
namespace {

constexpr uint32_t kRoom = kChunkSize - sizeof(ChunkHeader);
constexpr uint32_t kUnit = 8;
constexpr int32_t kMaxErrno = 4095;  // MAX_ERRNO of the kernel's linux/err.h
// Working directories that are kept; then they are looked up again.
constexpr size_t kMaxBases = 1024;

uint32_t LoadWord(const char* at) {
  return __atomic_load_n(reinterpret_cast<const uint32_t*>(at),
                         __ATOMIC_ACQUIRE);
}

// The head of the record at `at`, of which at least kUnit bytes are in the
// chunk, and `room` bytes in all. Its size comes first: with size 0 the rest is
// not looked at.
Record CopyHead(const char* at, uint64_t room) {
  Record record = {};
  record.size = LoadWord(at);
  if (record.size == 0 || room < sizeof record) {
    return record;
  }
  const auto* in = reinterpret_cast<const Record*>(at);
  record.state = __atomic_load_n(&in->state, __ATOMIC_ACQUIRE);
  record.kind = __atomic_load_n(&in->kind, __ATOMIC_RELAXED);
  record.path_size = __atomic_load_n(&in->path_size, __ATOMIC_RELAXED);
  record.base = __atomic_load_n(&in->base, __ATOMIC_RELAXED);
  record.result = __atomic_load_n(&in->result, __ATOMIC_RELAXED);
  record.epoch = __atomic_load_n(&in->epoch, __ATOMIC_RELAXED);
  return record;
}

}  // namespace

bool ArenaReader::Damage(const char* what) {
  if (damage_.empty()) {
    damage_ = what;
  }
  return false;
}

uint32_t ArenaReader::OwnerOf(uint32_t chunk) const {
  const char* memory = memory_(chunk);
  return memory == nullptr ? 0
                           : LoadWord(memory + offsetof(ChunkHeader, owner));
}

bool ArenaReader::CheckRecord(const Record& record, uint64_t room) {
  if (record.size % kUnit != 0 || record.size > room ||
      record.size < sizeof(Record) + record.path_size) {
    return Damage("the size of a record");
  }
  if (record.state != 1) {
    return true;  // the rest is not there yet
  }
  if (record.kind == 0 || record.kind > kLastRecordKind) {
    return Damage("the kind of a record");
  }
  if (record.path_size == 0 || record.path_size > name_.size() - 1) {
    return Damage("the length of a name");
  }
  if (record.result > 0 || record.result < -kMaxErrno) {
    return Damage("the result of a call");
  }
  return true;
}

// What is at turn in `chunk`. kEnd: nothing any more, or damage.
ArenaReader::Look ArenaReader::Peek(uint32_t chunk, bool is_last, Head* head) {
  const char* memory = memory_(chunk);
  if (memory == nullptr) {
    Damage("a chunk cannot be read");
    return Look::kEnd;
  }
  const uint32_t used =
      std::min(LoadWord(memory + offsetof(ChunkHeader, used)), kRoom);
  uint32_t& position = positions_[chunk];
  const char* const records = memory + sizeof(ChunkHeader);
  while (position < used) {
    const uint64_t room = used - position;
    const char* at = records + position;
    if (room < kUnit) {
      Damage("the use of a chunk");
      return Look::kEnd;
    }
    head->record = CopyHead(at, room);
    if (head->record.size == 0) {
      // Given out, not begun; or the end of a full chunk.
      if (!is_last) {
        return Look::kWait;
      }
      position += kUnit;
      continue;
    }
    if (!CheckRecord(head->record, room)) {
      return Look::kEnd;
    }
    if (head->record.state == 1) {
      head->bytes = at + sizeof(Record);
      return Look::kRecord;
    }
    if (!is_last) {
      return Look::kWait;
    }
    position += head->record.size;
  }
  return Look::kEnd;
}

// The directory at `reference`, checked as any record.
const std::string* ArenaReader::Base(uint32_t reference) {
  if (const auto known = bases_.find(reference); known != bases_.end()) {
    return &known->second;
  }
  const uint64_t offset = uint64_t{reference} * kUnit;
  if (offset < kHeaderSize) {
    Damage("the base of a name");
    return nullptr;
  }
  const uint64_t chunk = (offset - kHeaderSize) / kChunkSize;
  const uint64_t within = (offset - kHeaderSize) % kChunkSize;
  const char* memory = chunk < positions_.size()
                           ? memory_(static_cast<uint32_t>(chunk))
                           : nullptr;
  if (memory == nullptr || within < sizeof(ChunkHeader) ||
      kChunkSize - within < sizeof(Record)) {
    Damage("the base of a name");
    return nullptr;
  }
  const uint64_t room = kChunkSize - within;
  const Record record = CopyHead(memory + within, room);
  if (record.size == 0 || !CheckRecord(record, room)) {
    Damage("the base of a name");
    return nullptr;
  }
  std::string name(memory + within + sizeof(Record), record.path_size);
  if (record.state != 1 ||
      record.kind != static_cast<uint8_t>(RecordKind::kBase) || name.empty() ||
      name[0] != '/' || name.find('\0') != std::string::npos) {
    Damage("the base of a name");
    return nullptr;
  }
  if (bases_.size() >= kMaxBases) {
    bases_.clear();
  }
  return &bases_.emplace(reference, std::move(name)).first->second;
}

bool ArenaReader::Take(uint32_t chunk, const Head& head, uint32_t epoch,
                       Sink sink) {
  const Record& record = head.record;
  positions_[chunk] += record.size;
  std::memcpy(name_.data(), head.bytes, record.path_size);
  const absl::string_view name(name_.data(), record.path_size);
  if (name.find('\0') != absl::string_view::npos) {
    return Damage("a name");
  }
  if (record.epoch > epoch) {
    return Damage("the epoch of a record");
  }
  if (record.kind == static_cast<uint8_t>(RecordKind::kBase)) {
    return true;  // read when a name refers to it
  }
  SignedCall call;
  call.kind = static_cast<RecordKind>(record.kind);
  call.error = -record.result;
  call.epoch = record.epoch;
  call.chunk = chunk;
  call.name = name;
  if (record.base != 0) {
    const std::string* base = Base(record.base);
    if (base == nullptr) {
      return false;
    }
    call.base = *base;
  }
  if ((name[0] == '/') != (record.base == 0)) {
    return Damage("the base of a name");
  }
  ++count_;
  sink(call);
  return true;
}

void ArenaReader::Read(uint32_t chunks, uint32_t epoch, bool is_last,
                       Sink sink) {
  chunks = std::min(chunks, kMaxChunks);
  if (chunks > positions_.size()) {
    positions_.resize(chunks);
  }
  // Chunks by the epoch of what is at turn in them.
  using Turn = std::pair<uint32_t, uint32_t>;
  std::priority_queue<Turn, std::vector<Turn>, std::greater<Turn>> turns;
  Head head = {};
  for (uint32_t chunk = 0; chunk < chunks && damage_.empty(); ++chunk) {
    if (Peek(chunk, is_last, &head) == Look::kRecord) {
      turns.emplace(head.record.epoch, chunk);
    }
  }
  while (!turns.empty() && damage_.empty()) {
    const uint32_t chunk = turns.top().second;
    turns.pop();
    const uint32_t limit = turns.empty() ? UINT32_MAX : turns.top().first;
    while (damage_.empty() && Peek(chunk, is_last, &head) == Look::kRecord) {
      if (head.record.epoch > limit) {
        turns.emplace(head.record.epoch, chunk);
        break;
      }
      if (!Take(chunk, head, epoch, sink)) {
        return;
      }
    }
  }
}

}  // namespace vt::track
