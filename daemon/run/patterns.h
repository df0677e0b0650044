// SPDX-License-Identifier: Apache-2.0
//
// Pattern lists of a configuration, asked about one name.

#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/repeated_field.h"

#include "daemon/base/glob.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::run {

// The negative path globs of a list. Immutable. Those that do not parse match
// nothing: they were refused when the configuration was read.
class Exclusions {
 public:
  explicit Exclusions(
      const google::protobuf::RepeatedPtrField<vtask::storage::v1::Glob>&
          globs);
  bool Covers(absl::string_view path) const;

 private:
  std::vector<base::Glob> globs_;
};

}  // namespace vt::run
