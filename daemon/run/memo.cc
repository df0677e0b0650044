// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/memo.h"

#include <utility>

namespace vt::run {
namespace {

using vtask::v1::RunEvent;
using vtask::v1::RunRecord;

// Bounds what a known run takes in memory (a guess).
constexpr size_t kMaxOutput = 1 << 20;
// What is sent at once when it is answered: as service/ cuts it.
constexpr size_t kPiece = 60 << 10;

}  // namespace

KnownRunPtr Memo::Begin(const vtask::v1::RunStart& start, bool is_observed) {
  watch::Watcher* const watcher = engine_->options.watcher;
  if (watcher == nullptr || engine_->cache == nullptr || engine_->draining) {
    return nullptr;
  }
  cache_generation_ = engine_->cache->generation();
  vtask::v1::RunStart request = start;
  request.clear_pid();
  request_ = request.SerializeAsString();
  KnownRunPtr known = engine_->known.runs.Find(request_);
  if (known == nullptr || is_observed ||
      // Another run is about to change what this one rests on.
      engine_->in_flight.IsHeldBelow(FlightPrefix(known->root))) {
    return nullptr;
  }
  if (!watcher->Sync() || !known->rests_on.Holds() ||
      known->cache_generation != cache_generation_) {
    engine_->known.runs.Forget(request_);
    return nullptr;
  }
  ++engine_->known.answered_runs;
  return known;
}

void Memo::NoteWritten(bool is_stderr, absl::string_view bytes) {
  written_size_ += bytes.size();
  if (request_.empty() || written_size_ > kMaxOutput) {
    written_.clear();
  } else if (!written_.empty() && written_.back().is_stderr == is_stderr &&
             written_.back().bytes.size() < kPiece) {
    written_.back().bytes.append(bytes.data(), bytes.size());
  } else {
    written_.push_back({is_stderr, std::string(bytes)});
  }
}

const KnownPlan* Memo::FindPlan(const WorkspacePtr& workspace) {
  return request_.empty()
             ? nullptr
             : engine_->known.plans.Find(request_, workspace.get());
}

void Memo::KeepPlan(KnownPlan plan) {
  if (!request_.empty() && plan.lease != nullptr) {
    engine_->known.plans.Keep(request_, std::move(plan));
  }
}

void Memo::Keep(const std::string& root, const vtask::v1::RunFinished& totals,
                const RunRecord& record) {
  const bool is_whole =
      !request_.empty() && !totals.cancelled() && totals.failed() == 0 &&
      totals.hits() == totals.cached_actions() && written_size_ <= kMaxOutput;
  if (!is_whole || !rests_on_.Holds()) {
    return;
  }
  KnownRun run;
  run.root = root;
  run.rests_on = std::move(rests_on_);
  run.cache_generation = cache_generation_;
  run.output = std::move(written_);
  run.record = record.SerializeAsString();
  engine_->known.runs.Keep(std::move(request_), std::move(run));
}

RunRecord RecordAgain(const KnownRun& run, RunId id, uint32_t pid,
                      absl::Time now) {
  RunRecord record;
  if (!record.ParseFromString(run.record) || record.events().empty()) {
    return record;
  }
  // It took no time at all: what came last comes now, the rest before it.
  const int64_t later =
      absl::ToUnixMicros(now) - record.events().rbegin()->time_unix_us();
  for (RunEvent& event : *record.mutable_events()) {
    event.set_run_id(id);
    event.set_time_unix_us(event.time_unix_us() + later);
    if (event.has_run_started()) {
      event.mutable_run_started()->set_pid(pid);
    }
  }
  return record;
}

void NoteUse(const KnownRun& run, cache::ActionCache* cache) {
  for (const KnownHitPtr& hit : run.rests_on.hits) {
    cache->NoteUse(hit->use);
  }
}

}  // namespace vt::run
