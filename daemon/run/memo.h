// SPDX-License-Identifier: Apache-2.0
//
// Memo: what one run notes of itself, so that an equal one can be answered from
// memory; and how that is answered. docs/FRESHNESS.md.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "daemon/run/engine.h"
#include "daemon/run/known.h"
#include "daemon/run/planning.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

// Loop-bound.
class Memo {
 public:
  explicit Memo(Engine* engine) : engine_(engine) {}

  // What an equal run has written, if nothing has happened since. Else null:
  // this one is to be run, and to note what it rests on.
  KnownRunPtr Begin(const vtask::v1::RunStart& start, bool is_observed);
  // It will not be kept: its request does not say all that it does.
  void Drop() { request_.clear(); }

  void RestsOn(const Basis& basis) { rests_on_.Add(basis); }
  void RestsOn(watch::LeasePtr lease) {
    rests_on_.leases.push_back(std::move(lease));
  }
  void RestsOn(KnownHitPtr hit) { rests_on_.hits.push_back(std::move(hit)); }
  void NoteWritten(bool is_stderr, absl::string_view bytes);

  // The plan of an equal run; null if none is known that holds for that
  // workspace.
  const KnownPlan* FindPlan(const WorkspacePtr& workspace);
  void KeepPlan(KnownPlan plan);

  // When it is over: keeps it, if it was nothing but hits, and all that it
  // rests on is known to be as it was.
  void Keep(const std::string& root, const vtask::v1::RunFinished& totals,
            const vtask::v1::RunRecord& record);

 private:
  Engine* const engine_;
  // All of the request but who made it; empty: not to be kept.
  std::string request_;
  uint64_t cache_generation_ = 0;
  Basis rests_on_;
  std::vector<KnownRun::Piece> written_;
  size_t written_size_ = 0;
};

// What `run` leaves behind when it is answered once more, beside what it wrote:
// its record as of now (by run `id`, for process `pid`), and that its results
// are in use. Any thread.
vtask::v1::RunRecord RecordAgain(const KnownRun& run, RunId id, uint32_t pid,
                                 absl::Time now);
void NoteUse(const KnownRun& run, cache::ActionCache* cache);

}  // namespace vt::run
