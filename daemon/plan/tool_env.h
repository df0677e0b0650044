// SPDX-License-Identifier: Apache-2.0
//
// ToolEnv: a whole environment as what many steps have in common, and what one
// of them has of its own: a kept plan of 1000 packages would otherwise hold
// 1000 copies of the user's.

#pragma once

#include <memory>
#include <string>
#include <utility>

#include "daemon/base/env_query.h"

namespace vt::plan {

// Immutable value; thread-compatible.
class ToolEnv {
 public:
  ToolEnv() = default;
  // `own` wins over `common`, which is not null.
  ToolEnv(std::shared_ptr<const base::EnvMap> common, base::EnvMap own)
      : common_(std::move(common)),
        own_(std::move(own)) {}

  // Null: it has none. A copy.
  std::shared_ptr<const base::EnvMap> All() const {
    if (common_ == nullptr) {
      return nullptr;
    }
    base::EnvMap all = own_;
    all.insert(common_->begin(), common_->end());
    return std::make_shared<const base::EnvMap>(std::move(all));
  }
  // "" also if it is not there.
  std::string Get(const std::string& name) const {
    for (const base::EnvMap* part : {&own_, common_.get()}) {
      if (part != nullptr) {
        if (const auto found = part->find(name); found != part->end()) {
          return found->second;
        }
      }
    }
    return "";
  }

 private:
  std::shared_ptr<const base::EnvMap> common_;
  base::EnvMap own_;
};

}  // namespace vt::plan
