// SPDX-License-Identifier: Apache-2.0
//
// The six methods of vtask.v1.Daemon, each translated into a post to the loop.

#pragma once

#include <memory>

#include <grpcpp/impl/codegen/service_type.h>

#include "daemon/service/core.h"

namespace vt::service {

// `core` outlives the service.
std::unique_ptr<grpc::Service> NewDaemonService(Core* core);

}  // namespace vt::service
