// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/not_stored.h"

#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vt::track {
namespace {

TEST(FlawReasonTest, NumbersAreThoseOfTheProtocol) {
  std::ifstream in(VT_RUN_EVENT_PROTO);
  const std::string proto{std::istreambuf_iterator<char>(in),
                          std::istreambuf_iterator<char>()};
  const std::pair<const char*, int> reasons[] = {
      {"TRACKING_UNAVAILABLE", kTrackingUnavailable},
      {"TRACKING_INCOMPLETE", kTrackingIncomplete},
      {"INPUT_CHANGED", kInputChanged},
      {"USED_SERVICE", kUsedService},
      {"PRIVILEGED_PROGRAM", kPrivilegedProgram},
      {"FOREIGN_ABI", kForeignAbi},
      {"UNREADABLE_MEMORY", kUnreadableMemory},
      {"SANDBOX_REMAPS_FILES", kSandboxRemapsFiles},
      {"UNKNOWN_SYSTEM_CALL", kUnknownSystemCall},
      {"DEVICE_OR_LIMIT", kDeviceOrLimit}};
  for (const auto& [name, number] : reasons) {
    EXPECT_THAT(proto, testing::HasSubstr(
                           absl::StrCat("    ", name, " = ", number, ";")));
  }
}

}  // namespace
}  // namespace vt::track
