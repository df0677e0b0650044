// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/details.h"

#include <algorithm>
#include <tuple>

#include "daemon/fingerprint/observe.h"

namespace vt::cache {
namespace {

using vtask::storage::v1::Observation;
using vtask::storage::v1::Output;
using vtask::storage::v1::Value;
using vtask::v1::Unchanged;

Unchanged::What WhatIs(const Observation& observation, const Value& value) {
  switch (observation.kind()) {
    case Observation::ENV:
    case Observation::ENV_GLOB:
    case Observation::ENV_PREFIX:
      return Unchanged::ENV;
    case Observation::EXECUTED:
      return Unchanged::PROGRAM;
    case Observation::LISTING:
      return Unchanged::LISTING;
    default:
      break;
  }
  return value.type() == Value::MISSING     ? Unchanged::MISSING
         : value.type() == Value::DIRECTORY ? Unchanged::DIRECTORY
                                            : Unchanged::FILE;
}

void Append(Unchanged::What what, const std::string& path, Details* details) {
  Unchanged& unchanged = details->unchanged.emplace_back();
  unchanged.set_what(what);
  unchanged.set_path(path);
}

// A path that was read in two ways counts once.
auto Order(const Unchanged& u) {
  const int group = u.what() == Unchanged::ENV       ? 2
                    : u.what() == Unchanged::PROGRAM ? 1
                                                     : 0;
  return std::tuple(group, u.path(), u.what());
}

}  // namespace

Details DescribeResult(const vtask::storage::v1::WeakDescription& description,
                       const vtask::storage::v1::Result& result,
                       const vtask::storage::v1::PathSet& path_set,
                       const std::vector<Value>& now) {
  Details details;
  for (const vtask::storage::v1::EnvValue& value : description.env()) {
    Append(Unchanged::ENV, value.name(), &details);
  }
  for (int i = 0; i < path_set.observations_size(); ++i) {
    const Observation& observation = path_set.observations(i);
    const Value& value = result.values(i);
    if (!fingerprint::SameValue(value, now[static_cast<size_t>(i)])) {
      continue;
    }
    switch (observation.kind()) {
      case Observation::TOOL_VALUE:
      case Observation::UMASK:
        break;
      case Observation::GLOB:
        for (const auto& member : value.members()) {
          Append(Unchanged::FILE, member.name(), &details);
        }
        break;
      case Observation::ENV_GLOB:
      case Observation::ENV_PREFIX:
        for (const auto& member : value.members()) {
          Append(Unchanged::ENV, member.name(), &details);
        }
        break;
      default:
        Append(WhatIs(observation, value), observation.path(), &details);
        break;
    }
  }
  details.result = result;
  details.path_set = path_set;
  std::sort(details.unchanged.begin(), details.unchanged.end(),
            [](const Unchanged& a, const Unchanged& b) {
              return Order(a) < Order(b);
            });
  details.unchanged.erase(
      std::unique(details.unchanged.begin(), details.unchanged.end(),
                  [](const Unchanged& a, const Unchanged& b) {
                    return Order(a) == Order(b);
                  }),
      details.unchanged.end());
  for (const Output& output : result.outputs()) {
    if (output.type() != Output::DIRECTORY) {
      details.outputs.push_back(output.path());
    }
  }
  return details;
}

}  // namespace vt::cache
