// SPDX-License-Identifier: Apache-2.0

#include "daemon/settings/settings.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "daemon/base/json.h"
#include "daemon/base/json_reader.h"
#include "daemon/base/status.h"
#include "daemon/base/user_config.h"

namespace vt::settings {
namespace {

using base::Json;
using base::JsonMember;

// The keys that there are; docs/schema/config.schema.json has the same
// (tests/e2e/config/test_settings.py).
const base::Names kKeys = {
    "cacheDir",         "cacheMaxSize",       "cacheMaxAge",    "idleExit",
    "drainTimeout",     "concurrency",        "strictTracking", "toolchain",
    "toolDrainTimeout", "machineConcurrency", "jobserver"};

struct Unit {
  absl::string_view name;  // lower case
  double factor;
};
// The largest that divides a value is the one it is shown with.
constexpr Unit kSizes[] = {{"tib", 1099511627776.0},
                           {"tb", 1e12},
                           {"gib", 1073741824.0},
                           {"gb", 1e9},
                           {"mib", 1048576.0},
                           {"mb", 1e6},
                           {"kib", 1024.0},
                           {"kb", 1e3},
                           {"b", 1.0}};
constexpr Unit kTimes[] = {{"w", 604800}, {"d", 86400}, {"h", 3600},
                           {"min", 60},   {"m", 60},    {"s", 1}};

// `text`, a number and one of `units`; nullopt if it is anything else.
template <size_t kCount>
std::optional<double> Measure(absl::string_view text,
                              const Unit (&units)[kCount]) {
  const std::string lower = absl::AsciiStrToLower(text);
  const size_t end = lower.find_first_not_of("0123456789.");
  double number = 0;
  if (end == 0 || end == std::string::npos ||
      !absl::SimpleAtod(lower.substr(0, end), &number)) {
    return std::nullopt;
  }
  const absl::string_view unit =
      absl::StripAsciiWhitespace(absl::string_view(lower).substr(end));
  for (const Unit& known : units) {
    if (unit == known.name) {
      return number * known.factor;
    }
  }
  return std::nullopt;
}

// Thread-compatible.
class Reader : private base::JsonReader {
 public:
  explicit Reader(const std::string& file) : JsonReader(file) {}

  absl::Status Root(const Json& json, Settings* out) const {
    if (!json.is_object()) {
      return WrongType(json, "", "an object of settings");
    }
    for (const JsonMember& member : json.members) {
      if (member.key == "$schema") {
        VT_RETURN_IF_ERROR(ExpectString(member.value, member.key));
        continue;
      }
      if (!base::Contains(kKeys, member.key)) {
        return UnknownKey(member, "", kKeys);
      }
      VT_RETURN_IF_ERROR(One(member, out));
      out->origins[member.key] = absl::StrCat(file(), ":", member.line);
    }
    return absl::OkStatus();
  }

 private:
  absl::Status One(const JsonMember& member, Settings* out) const {
    const std::string& key = member.key;
    const Json& value = member.value;
    if (key == "cacheDir") {
      VT_ASSIGN_OR_RETURN(out->cache_dir, base::CacheDirOf(value, file()));
    } else if (key == "cacheMaxSize") {
      return Size(value, key, &out->cache_max_size);
    } else if (key == "cacheMaxAge") {
      return Time(value, key, /*zero=*/false, &out->cache_max_age);
    } else if (key == "idleExit") {
      return Time(value, key, /*zero=*/false, &out->idle_exit);
    } else if (key == "drainTimeout") {
      return Time(value, key, /*zero=*/true, &out->drain_timeout);
    } else if (key == "toolDrainTimeout") {
      return Time(value, key, /*zero=*/true, &out->tool_drain_timeout);
    } else if (key == "concurrency") {
      return Concurrency(value, key, &out->concurrency);
    } else if (key == "machineConcurrency") {
      return Concurrency(value, key, &out->machine_concurrency);
    } else if (key == "jobserver") {
      VT_RETURN_IF_ERROR(ExpectBool(value, key));
      out->jobserver = value.boolean;
    } else if (key == "strictTracking") {
      VT_RETURN_IF_ERROR(ExpectBool(value, key));
      out->strict_tracking = value.boolean;
    } else {  // `toolchain`
      int choice = 0;
      VT_RETURN_IF_ERROR(Choice(value, key, {"executed", "none"}, &choice));
      out->toolchain_executed = choice == 0;
    }
    return absl::OkStatus();
  }

  // A plain number counts in bytes.
  absl::Status Size(const Json& value, absl::string_view key,
                    uint64_t* out) const {
    if (value.is_string() && value.text == "unlimited") {
      *out = kUnlimited;
      return absl::OkStatus();
    }
    std::optional<double> bytes;
    if (value.is_string()) {
      bytes = Measure(value.text, kSizes);
    } else if (double number = 0; value.type == Json::Type::kNumber &&
                                  absl::SimpleAtod(value.text, &number)) {
      bytes = number;
    }
    if (!bytes.has_value() || *bytes < 1 || *bytes > 9e18) {
      return WrongType(value, key,
                       "a size (`\"10GiB\"`, `\"500MB\"`, a number of bytes) "
                       "or `\"unlimited\"`");
    }
    *out = static_cast<uint64_t>(*bytes);
    return absl::OkStatus();
  }

  // A plain number counts in seconds. `zero`: 0 is allowed.
  absl::Status Time(const Json& value, absl::string_view key, bool zero,
                    absl::Duration* out) const {
    if (value.is_string() && value.text == "never") {
      *out = absl::InfiniteDuration();
      return absl::OkStatus();
    }
    std::optional<double> seconds;
    if (value.is_string()) {
      seconds = Measure(value.text, kTimes);
    } else if (double number = 0; value.type == Json::Type::kNumber &&
                                  absl::SimpleAtod(value.text, &number)) {
      seconds = number;
    }
    if (!seconds.has_value() || *seconds < 0 || *seconds > 3e9 ||
        (*seconds == 0 && !zero)) {
      return WrongType(value, key,
                       "a time (`\"30d\"`, `\"12h\"`, `\"10min\"`, `\"90s\"`, "
                       "a number of seconds) or `\"never\"`");
    }
    *out = absl::Seconds(*seconds);
    return absl::OkStatus();
  }

  absl::Status Concurrency(const Json& value, absl::string_view key,
                           std::string* out) const {
    const bool may_be = value.is_string() || value.type == Json::Type::kNumber;
    if (!may_be || value.text == "0" ||
        !ParseConcurrency(value.text).has_value()) {
      return WrongType(value, key,
                       "a number of tasks, at least 1, or a percentage of the "
                       "processors (`\"50%\"`)");
    }
    *out = value.text;
    return absl::OkStatus();
  }
};

std::string TimeText(absl::Duration time) {
  if (time == absl::InfiniteDuration()) {
    return "never";
  }
  const int64_t seconds = absl::ToInt64Seconds(time);
  for (const Unit& unit : kTimes) {
    const auto factor = static_cast<int64_t>(unit.factor);
    if (unit.name != "w" && seconds != 0 && seconds % factor == 0) {
      return absl::StrCat(seconds / factor, unit.name);
    }
  }
  return absl::StrCat(seconds, "s");
}

std::string SizeText(uint64_t size) {
  if (size == kUnlimited) {
    return "unlimited";
  }
  constexpr std::pair<uint64_t, absl::string_view> kUnits[] = {
      {uint64_t{1} << 40U, "TiB"}, {1000000000000, "TB"},
      {uint64_t{1} << 30U, "GiB"}, {1000000000, "GB"},
      {uint64_t{1} << 20U, "MiB"}, {1000000, "MB"},
      {uint64_t{1} << 10U, "KiB"}, {1000, "KB"}};
  for (const auto& [factor, name] : kUnits) {
    if (size % factor == 0) {
      return absl::StrCat(size / factor, name);
    }
  }
  return absl::StrCat(size, "B");
}

}  // namespace

absl::StatusOr<Settings> ReadSettings(absl::string_view text,
                                      const std::string& file) {
  Settings settings;
  if (absl::StripAsciiWhitespace(text).empty()) {
    return settings;
  }
  VT_ASSIGN_OR_RETURN(const Json json,
                      base::ParseJson(text, base::JsonDialect::kRelaxed, file));
  VT_RETURN_IF_ERROR(Reader(file).Root(json, &settings));
  return settings;
}

std::optional<int> ParseConcurrency(absl::string_view text) {
  const bool percent = absl::ConsumeSuffix(&text, "%");
  int number = 0;
  if (!std::all_of(text.begin(), text.end(),
                   [](char c) {
                     return absl::ascii_isdigit(static_cast<unsigned char>(c));
                   }) ||
      !absl::SimpleAtoi(text, &number)) {
    return std::nullopt;
  }
  if (percent) {
    const int64_t processors =
        std::max<int64_t>(1, std::thread::hardware_concurrency());
    number = static_cast<int>(
        std::min<int64_t>(processors * 100, processors * number / 100));
  }
  return std::max(1, number);
}

std::vector<Line> Describe(const Settings& settings) {
  std::vector<Line> lines;
  const auto add = [&](const std::string& key, std::string value) {
    const auto origin = settings.origins.find(key);
    lines.push_back(
        {key, std::move(value),
         origin == settings.origins.end() ? "default" : origin->second});
  };
  add("cacheDir", settings.cache_dir);
  add("cacheMaxSize", SizeText(settings.cache_max_size));
  add("cacheMaxAge", TimeText(settings.cache_max_age));
  add("idleExit", TimeText(settings.idle_exit));
  add("drainTimeout", TimeText(settings.drain_timeout));
  add("concurrency", settings.concurrency);
  add("jobserver", settings.jobserver ? "true" : "false");
  add("machineConcurrency", settings.machine_concurrency.empty()
                                ? "fair"
                                : settings.machine_concurrency);
  add("strictTracking", settings.strict_tracking ? "true" : "false");
  add("toolDrainTimeout", TimeText(settings.tool_drain_timeout));
  add("toolchain", settings.toolchain_executed ? "executed" : "none");
  return lines;
}

}  // namespace vt::settings
