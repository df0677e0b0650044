// SPDX-License-Identifier: Apache-2.0
//
// absl::Status, the daemon's own, as gRPC's: the codes are the same numbers.

#pragma once

#include "absl/status/status.h"
#include <grpcpp/support/status.h>

namespace vt::service {

// The message is cut after 2000 bytes (between characters): it travels
// percent-encoded in a header, and headers are limited to 8 KiB
// (shared/stack.md 1).
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace vt::service
