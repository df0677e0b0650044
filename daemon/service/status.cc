// SPDX-License-Identifier: Apache-2.0

#include "daemon/service/status.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace vt::service {

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) {
    return grpc::Status::OK;
  }
  constexpr size_t kLimit = 2000;
  absl::string_view message = status.message();
  std::string text(message);
  if (message.size() > kLimit) {
    size_t end = kLimit;
    // Not inside a UTF-8 character: its continuation bytes are 10xxxxxx.
    while (end > 0 &&
           (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) {
      --end;
    }
    text = absl::StrCat(message.substr(0, end), "...");
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), text);
}

}  // namespace vt::service
