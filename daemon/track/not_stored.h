// SPDX-License-Identifier: Apache-2.0
//
// Flaw::reason: the numbers of vtask.v1.NotStored.Reason that tracking gives.
// Sent: never renumber; unit.track compares them with the .proto.

#pragma once

namespace vt::track {

enum FlawReason : int {
  kTrackingUnavailable = 5,
  kTrackingIncomplete = 6,
  kInputChanged = 7,
  kUsedService = 9,
  kPrivilegedProgram = 10,
  kForeignAbi = 11,
  kUnreadableMemory = 12,
  kSandboxRemapsFiles = 13,
  kUnknownSystemCall = 14,
  kDeviceOrLimit = 18,
};

}  // namespace vt::track
