// SPDX-License-Identifier: Apache-2.0
//
// Settings that come from several JSON objects, laid one over the other.

#pragma once

#include <map>
#include <string>

#include "daemon/base/json.h"

namespace vt::migrate {

// Key to value; the values are those of documents that live longer.
using Members = std::map<std::string, const base::Json*>;

// Lays the members of `object` over `members`. `object` may be null.
inline void Merge(const base::Json* object, Members* members) {
  if (object != nullptr) {
    for (const base::JsonMember& member : object->members) {
      (*members)[member.key] = &member.value;
    }
  }
}

// Null: it is not there.
inline const base::Json* Get(const Members& members, const std::string& key) {
  const auto found = members.find(key);
  return found == members.end() ? nullptr : found->second;
}

// "" if `value` is null or no string.
inline std::string TextOf(const base::Json* value) {
  return value != nullptr && value->is_string() ? value->text : "";
}

}  // namespace vt::migrate
