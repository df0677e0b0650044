// SPDX-License-Identifier: Apache-2.0
//
// TaskLog: what a task has printed, to be kept with its result.

#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

#include "vtask/storage/v1/storage.pb.h"

namespace vt::run {

// Thread-compatible.
class TaskLog {
 public:
  void Append(bool is_stderr, absl::string_view data) {
    size_ += data.size();
    if (is_too_long()) {
      chunks_.clear();
    } else if (!chunks_.empty() && chunks_.back().is_stderr() == is_stderr) {
      chunks_.back().mutable_data()->append(data.data(), data.size());
    } else {
      vtask::storage::v1::LogChunk& chunk = chunks_.emplace_back();
      chunk.set_is_stderr(is_stderr);
      chunk.set_data(std::string(data));
    }
  }

  // It is not worth keeping, and has been dropped: a server that logs for days
  // must not fill memory. 64 MiB are a guess.
  bool is_too_long() const { return size_ > (size_t{64} << 20); }

  std::vector<vtask::storage::v1::LogChunk> Take() {
    return std::move(chunks_);
  }

 private:
  std::vector<vtask::storage::v1::LogChunk> chunks_;
  size_t size_ = 0;
};

}  // namespace vt::run
