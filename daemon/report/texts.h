// SPDX-License-Identifier: Apache-2.0
//
// The words for what happened: differences, reasons, durations (spec/runner.md
// R-MISS, R-SUM-4). Pure functions.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/repeated_field.h"

#include "vtask/v1/run_event.pb.h"

namespace vt::report {

using Differences = google::protobuf::RepeatedPtrField<vtask::v1::Difference>;

// "'src/a.ts' modified", "env 'X' added", "args changed".
std::string DifferenceText(const vtask::v1::Difference& difference);

// As DifferenceText, with what was and is: contents, arguments, directories.
std::string DifferenceDetail(const vtask::v1::Difference& difference);

// What the start line says of a miss: the first difference; several variables
// together ("envs 'A', 'B' changed"). Of a variable that the task declares it
// only says "changed" (R-MISS-3). Empty if there is no difference.
std::string InlineReason(const vtask::v1::ActionStarted& started);

// "1 task", "2 tasks".
std::string CountText(uint64_t n, absl::string_view one,
                      absl::string_view many);

// "56ms", "1.36s", "69s".
std::string DurationText(int64_t microseconds);

// "the task opted out of caching", with origin where there is one. Empty for
// reasons that need no word (it failed, it was cancelled).
std::string NotStoredText(const vtask::v1::NotStored& not_stored);

// A path or name for people: bytes that are not printable UTF-8 are escaped.
std::string Printable(absl::string_view bytes);

}  // namespace vt::report
