// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/run_log.h"

#include <utility>

#include "daemon/history/runs.h"

namespace vt::run {

RunLog::RunLog(loop::EventLoop* loop, std::string directory)
    : directory_(std::move(directory)),
      writer_(loop, 1) {}

void RunLog::Keep(absl::AnyInvocable<vtask::v1::RunRecord() &&> make) {
  {
    const base::MutexLock lock(&mutex_);
    ++given_;
  }
  writer_.Submit([this, make = std::move(make)]() mutable {
    static_cast<void>(history::SaveRun(directory_, std::move(make)()));
    const base::MutexLock lock(&mutex_);
    ++kept_;
    changed_.SignalAll();
  });
}

const std::string& RunLog::Settled() const {
  const base::MutexLock lock(&mutex_);
  const uint64_t given = given_;
  while (kept_ < given) {
    changed_.Wait(&mutex_);
  }
  return directory_;
}

}  // namespace vt::run
