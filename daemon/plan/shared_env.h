// SPDX-License-Identifier: Apache-2.0
//
// SharedEnv: a whole environment as what many steps have in common, and what
// one of them has of its own: a kept plan of 1000 packages would otherwise hold
// 1000 copies of the user's.

#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/env_query.h"

namespace vt::plan {

// Immutable value; thread-compatible.
class SharedEnv {
 public:
  SharedEnv() = default;
  // `own` wins over `common`, which is not null.
  SharedEnv(std::shared_ptr<const base::EnvMap> common, base::EnvMap own)
      : common_(std::move(common)),
        own_(std::move(own)) {}

  // Null: it has none. A copy.
  std::shared_ptr<const base::EnvMap> All() const;
  // "" also if it is not there.
  std::string Get(const std::string& name) const;
  // "NAME=value", sorted by name.
  std::vector<std::string> Entries() const;

 private:
  std::shared_ptr<const base::EnvMap> common_;
  base::EnvMap own_;
};

// What steps have in common, once. Thread-compatible.
class EnvPool {
 public:
  // One that equals `env`, if it is among the last few.
  std::shared_ptr<const base::EnvMap> Share(base::EnvMap env);

 private:
  // Last made first.
  std::deque<std::shared_ptr<const base::EnvMap>> last_;
};

}  // namespace vt::plan
