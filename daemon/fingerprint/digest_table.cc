// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/digest_table.h"

#include <algorithm>

#include "absl/hash/hash.h"

namespace vt::fingerprint {
namespace {

// The kernel's tick is 10 ms at the slowest usual setting (CONFIG_HZ=100).
constexpr int64_t kGranularityNs = 10'000'000;
constexpr int kSizeBits = 52;
constexpr size_t kMaxDevices = 1U << (64 - kSizeBits);
constexpr int64_t kMaxLead = 0x7fff'ffff;
// 80 KiB at once.
constexpr uint32_t kChunkRecords = 1024;

}  // namespace

int64_t LastChange(const Identity& identity) {
  // Some file systems keep whole seconds, FAT two of them.
  const int64_t granularity =
      identity.ctime_ns % 1'000'000'000 == 0 ? 2'000'000'000 : kGranularityNs;
  return std::max(identity.ctime_ns, identity.mtime_ns) + granularity;
}

size_t DigestTable::Hash::operator()(uint64_t key) const {
  return absl::Hash<uint64_t>()(key);
}
size_t DigestTable::Hash::operator()(uint32_t record) const {
  return (*this)(table->At(record).key);
}
bool DigestTable::Equal::operator()(uint32_t record, uint64_t key) const {
  return table->At(record).key == key;
}
bool DigestTable::Equal::operator()(uint64_t key, uint32_t record) const {
  return (*this)(record, key);
}

DigestTable::DigestTable() : index_(0, Hash{this}, Equal{this}) {}

DigestTable::Record& DigestTable::At(uint32_t record) {
  return chunks_[record / kChunkRecords][record % kChunkRecords];
}
const DigestTable::Record& DigestTable::At(uint32_t record) const {
  return chunks_[record / kChunkRecords][record % kChunkRecords];
}

std::optional<uint64_t> DigestTable::DeviceIndex(uint64_t device) {
  auto found = std::find(devices_.begin(), devices_.end(), device);
  if (found == devices_.end()) {
    if (devices_.size() == kMaxDevices) {
      return std::nullopt;
    }
    found = devices_.insert(found, device);
  }
  return static_cast<uint64_t>(found - devices_.begin());
}

std::optional<KnownContent> DigestTable::Find(uint64_t key) const {
  if (const auto young = young_.find(key); young != young_.end()) {
    return young->second;
  }
  const auto found = index_.find(key);
  if (found == index_.end()) {
    return std::nullopt;
  }
  const Record& record = At(*found);
  KnownContent entry;
  entry.identity = {devices_[record.device_and_size >> kSizeBits], record.inode,
                    record.device_and_size & ((uint64_t{1} << kSizeBits) - 1),
                    record.mtime_ns, record.ctime_ns};
  entry.content = record.content;
  entry.known_since_ns =
      LastChange(entry.identity) - (record.lead_and_root >> 1);
  entry.contains_root = (record.lead_and_root & 1) != 0;
  entry.is_settled = true;
  return entry;
}

void DigestTable::Put(uint64_t key, const KnownContent& entry) {
  if (!entry.is_settled) {
    EraseSettled(key);
    young_[key] = entry;
    return;
  }
  young_.erase(key);
  const std::optional<uint64_t> device = DeviceIndex(entry.identity.device);
  if (!device.has_value() || entry.identity.size >> kSizeBits != 0) {
    EraseSettled(key);
    return;
  }
  const int64_t lead = std::clamp(
      LastChange(entry.identity) - entry.known_since_ns, int64_t{0}, kMaxLead);
  const Record record = {
      key,
      entry.identity.inode,
      *device << kSizeBits | entry.identity.size,
      entry.identity.mtime_ns,
      entry.identity.ctime_ns,
      entry.content,
      static_cast<uint32_t>(lead) << 1 | (entry.contains_root ? 1U : 0U)};
  if (const auto found = index_.find(key); found != index_.end()) {
    At(*found) = record;
    return;
  }
  const auto number = static_cast<uint32_t>(index_.size());
  if (number / kChunkRecords == chunks_.size()) {
    chunks_.emplace_back().reserve(kChunkRecords);
  }
  chunks_.back().push_back(record);
  index_.insert(number);
}

bool DigestTable::Erase(uint64_t key) {
  const bool was_young = young_.erase(key) > 0;
  return EraseSettled(key) || was_young;
}

// The last record takes its place, so that there are no holes.
bool DigestTable::EraseSettled(uint64_t key) {
  const auto found = index_.find(key);
  if (found == index_.end()) {
    return false;
  }
  const uint32_t hole = *found;
  const auto last = static_cast<uint32_t>(index_.size() - 1);
  index_.erase(found);
  if (hole != last) {
    index_.erase(last);
    At(hole) = At(last);
    index_.insert(hole);
  }
  chunks_.back().pop_back();
  if (chunks_.back().empty()) {
    chunks_.pop_back();
  }
  return true;
}

void DigestTable::Clear() {
  index_ = decltype(index_)(0, Hash{this}, Equal{this});
  chunks_.clear();
  devices_.clear();
  young_.clear();
}

}  // namespace vt::fingerprint
