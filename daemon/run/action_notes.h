// SPDX-License-Identifier: Apache-2.0
//
// What is worth a word about an action that has ended. Pure.

#pragma once

#include <string>

#include "daemon/track/access_set.h"
#include "vtask/storage/v1/storage.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {

// That it asked for a terminal, or, if it was `cancelled`, that it served
// (decisions H18).
void NoteTerminalNeeds(const track::AccessSet& accesses, bool cancelled,
                       vtask::v1::ActionFinished* finished);

// -vv: how much was tracked, at tier `tier`.
void NoteTracking(const track::AccessSet& accesses, int tier,
                  vtask::v1::ActionFinished* finished);

// -vv: that other clones do not have this result (decisions H8).
void NoteRoot(const vtask::storage::v1::WeakDescription& description,
              const vtask::storage::v1::Result& result,
              vtask::v1::ActionFinished* finished);

// Why it left no result.
std::string WhyNoResult(const vtask::v1::ActionFinished& finished);

}  // namespace vt::run
