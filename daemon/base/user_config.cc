// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/user_config.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"

#include "daemon/base/file.h"
#include "daemon/base/json_reader.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"

namespace vt::base {
namespace {

class CacheDirReader : private JsonReader {
 public:
  explicit CacheDirReader(const std::string& file) : JsonReader(file) {}

  absl::StatusOr<std::string> Read(const Json& value) const {
    if (!value.is_string() || value.text.empty() || value.text[0] != '/') {
      return WrongType(value, "cacheDir", "an absolute path");
    }
    return NormalizePath(value.text);
  }
};

}  // namespace

std::string UserConfigPath(const char* xdg_config_home, const char* home) {
  // A relative value is ignored (XDG Base Directory Specification).
  if (xdg_config_home != nullptr && xdg_config_home[0] == '/') {
    return NormalizePath(JoinPath(xdg_config_home, "vtask/config.json"));
  }
  return home != nullptr && home[0] == '/'
             ? NormalizePath(JoinPath(home, ".config/vtask/config.json"))
             : "";
}

absl::StatusOr<std::string> ReadUserConfig(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  return absl::IsNotFound(text.status()) ? std::string() : text;
}

absl::StatusOr<std::string> CacheDirOf(const Json& value,
                                       const std::string& file) {
  return CacheDirReader(file).Read(value);
}

absl::StatusOr<std::string> ReadCacheDir(const std::string& path) {
  if (path.empty()) {
    return std::string();
  }
  VT_ASSIGN_OR_RETURN(const std::string text, ReadUserConfig(path));
  if (absl::StripAsciiWhitespace(text).empty()) {
    return std::string();
  }
  VT_ASSIGN_OR_RETURN(const Json json,
                      ParseJson(text, JsonDialect::kRelaxed, path));
  const Json* value = json.is_object() ? json.Find("cacheDir") : nullptr;
  return value == nullptr ? std::string() : CacheDirOf(*value, path);
}

}  // namespace vt::base
