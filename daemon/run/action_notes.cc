// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/action_notes.h"

#include "absl/strings/str_cat.h"

#include "daemon/report/texts.h"

namespace vt::run {

using vtask::v1::ActionFinished;

void NoteTerminalNeeds(const track::AccessSet& accesses, bool cancelled,
                       ActionFinished* finished) {
  if (accesses.opened_terminal) {
    finished->add_notes(
        "it asked for a terminal, which a cached task does not have; set "
        "`cache: false` for interactive tasks");
  } else if (cancelled && !accesses.listeners.empty()) {
    finished->add_notes(
        "it was serving; set `cache: false` for servers, so that they own the "
        "terminal");
  }
}

void NoteTracking(const track::AccessSet& accesses, int tier,
                  ActionFinished* finished) {
  vtask::v1::Tracking* tracking = finished->mutable_tracking();
  tracking->set_tier(static_cast<uint32_t>(tier));
  tracking->set_paths(accesses.accesses.size());
  uint64_t notifications = 0;
  for (const auto& [number, count] : accesses.notifications) {
    notifications += count;
  }
  tracking->set_notifications(notifications);
  tracking->set_signed_records(accesses.signed_records);
}

void NoteRoot(const vtask::storage::v1::WeakDescription& description,
              const vtask::storage::v1::Result& result,
              ActionFinished* finished) {
  if (description.share_root_only()) {
    finished->add_notes(
        "this result counts only in this directory: `share` is \"root\"");
  } else if (!result.root().empty()) {
    finished->add_notes(
        "this result counts only in this directory: an output, or what was "
        "printed, names it");
  }
}

std::string WhyNoResult(const ActionFinished& finished) {
  std::string why = report::NotStoredText(finished.not_stored());
  if (!why.empty()) {
    return why;
  }
  return !finished.error().empty() ? finished.error()
         : finished.outcome() == ActionFinished::FAILED
             ? absl::StrCat("it failed with exit code ", finished.exit_code())
             : "it was cancelled";
}

}  // namespace vt::run
