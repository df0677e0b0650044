// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/shared_env.h"

#include "absl/strings/str_cat.h"

namespace vt::plan {
namespace {

// Tasks of a plan differ in what they let through in a few ways only. More cost
// memory, and each comparison time.
constexpr size_t kLast = 8;

}  // namespace

std::shared_ptr<const base::EnvMap> SharedEnv::All() const {
  if (common_ == nullptr) {
    return nullptr;
  }
  base::EnvMap all = own_;
  all.insert(common_->begin(), common_->end());
  return std::make_shared<const base::EnvMap>(std::move(all));
}

std::string SharedEnv::Get(const std::string& name) const {
  for (const base::EnvMap* part : {&own_, common_.get()}) {
    if (part != nullptr) {
      if (const auto found = part->find(name); found != part->end()) {
        return found->second;
      }
    }
  }
  return "";
}

std::vector<std::string> SharedEnv::Entries() const {
  std::vector<std::string> entries;
  if (common_ == nullptr) {
    return entries;
  }
  entries.reserve(common_->size() + own_.size());
  auto own = own_.begin();
  const auto add = [&entries](const auto& variable) {
    entries.push_back(absl::StrCat(variable.first, "=", variable.second));
  };
  for (const auto& variable : *common_) {
    for (; own != own_.end() && own->first < variable.first; ++own) {
      add(*own);
    }
    if (own == own_.end() || own->first != variable.first) {
      add(variable);
    }
  }
  for (; own != own_.end(); ++own) {
    add(*own);
  }
  return entries;
}

std::shared_ptr<const base::EnvMap> EnvPool::Share(base::EnvMap env) {
  for (const auto& known : last_) {
    if (*known == env) {
      return known;
    }
  }
  if (last_.size() == kLast) {
    last_.pop_back();
  }
  last_.push_front(std::make_shared<const base::EnvMap>(std::move(env)));
  return last_.front();
}

}  // namespace vt::plan
