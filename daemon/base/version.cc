// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/version.h"

#include "vt_build_stamp.h"

namespace vt::base {

const char* Version() { return VT_VERSION_STRING; }
uint64_t BuildStamp() { return VT_BUILD_STAMP; }

}  // namespace vt::base
