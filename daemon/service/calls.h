// SPDX-License-Identifier: Apache-2.0
//
// The two streaming calls of the API. Each object owns itself and is gone when
// both gRPC and the loop have let go of it.

#pragma once

#include <cstdint>
#include <string>

#include <grpcpp/support/server_callback.h>

#include "daemon/service/core.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::service {

using RunReactor =
    grpc::ServerBidiReactor<vtask::v1::RunRequest, vtask::v1::RunResponse>;
using SubscribeReactor = grpc::ServerWriteReactor<vtask::v1::RunEvent>;

// Any thread.
RunReactor* NewRunCall(Core* core);
SubscribeReactor* NewSubscribeCall(Core* core,
                                   vtask::v1::SubscribeRequest request);

// Whether a client of (`version`, `build`) is newer than a daemon of
// (`our_version`, `our_build`): versions are compared as dotted numbers, then
// builds. A version that is not dotted numbers counts as ours.
bool IsNewer(const std::string& version, uint64_t build,
             const std::string& our_version, uint64_t our_build);

}  // namespace vt::service
