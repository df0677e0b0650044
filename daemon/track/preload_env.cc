// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/preload_env.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "daemon/base/path.h"

namespace vt::track {
namespace {

constexpr absl::string_view kVariable = "LD_PRELOAD=";
constexpr absl::string_view kFile = "vt_preload.so";
// A dynamic AddressSanitizer demands to be loaded first, unless the first
// library has its name somewhere. This is a link to `.`.
constexpr absl::string_view kAlias = "before-libasan.so";
// Twins for both word sizes, by ld.so's own $LIB ("lib64" or "lib" here...).
constexpr absl::string_view kMultilib = "multilib/$LIB";
constexpr absl::string_view kMultilibPlain = "multilib-lib/$LIB";
constexpr const char* kLoader32 = "/lib/ld-linux.so.2";

bool IsThere(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

bool CanBeNamed(absl::string_view path) {
  return path.find_first_of(": \t\n$") == absl::string_view::npos;
}

// `directory`, or a link to it that can be named; empty: none can be made.
std::string NameableDirectory(const std::string& directory,
                              const std::string& runtime_directory) {
  if (CanBeNamed(directory)) {
    return directory;
  }
  const std::string link = base::JoinPath(runtime_directory, "lib");
  if (runtime_directory.empty() || !CanBeNamed(link)) {
    return "";
  }
  ::unlink(link.c_str());
  return ::symlink(directory.c_str(), link.c_str()) == 0 ? link : "";
}

// What $LIB is for 64-bit programs where /lib64 and /lib are one directory.
bool HasPlainLib() {
  char real[PATH_MAX];
  return ::realpath("/lib64", real) != nullptr && absl::EndsWith(real, "/lib");
}

bool IsOurs(absl::string_view library) {
  return base::Basename(library) == kFile &&
         absl::StrContains(library, absl::StrCat("/", kAlias, "/"));
}

}  // namespace

std::string FindPreload(const std::string& library_directory,
                        const std::string& runtime_directory) {
  if (library_directory.empty() ||
      !IsThere(base::JoinPath(library_directory, kFile))) {
    return "";
  }
  const std::string directory =
      NameableDirectory(library_directory, runtime_directory);
  if (directory.empty()) {
    return "";
  }
  const std::string alias = base::JoinPath(directory, kAlias);
  if (!IsThere(alias)) {
    return base::JoinPath(directory, kFile);
  }
  const absl::string_view multilib = HasPlainLib() ? kMultilibPlain : kMultilib;
  const bool has_twins =
      IsThere(kLoader32) &&
      IsThere(base::JoinPath(directory, "vt_preload32.so")) &&
      IsThere(base::JoinPath(directory, base::Dirname(multilib)));
  return has_twins ? absl::StrCat(alias, "/", multilib, "/", kFile)
                   : absl::StrCat(alias, "/", kFile);
}

std::string PreloadDirectory(const std::string& preload) {
  const size_t alias = preload.find(absl::StrCat("/", kAlias, "/"));
  const std::string directory = alias == std::string::npos
                                    ? std::string(base::Dirname(preload))
                                    : preload.substr(0, alias);
  char real[PATH_MAX];
  return ::realpath(directory.c_str(), real) != nullptr ? real : directory;
}

void AddPreload(const std::string& preload, std::vector<std::string>* env) {
  if (preload.empty()) {
    return;
  }
  for (std::string& entry : *env) {
    if (absl::StartsWith(entry, kVariable)) {
      const std::string others = WithoutPreload(entry.substr(kVariable.size()));
      entry =
          absl::StrCat(kVariable, others, others.empty() ? "" : ":", preload);
      return;
    }
  }
  env->push_back(absl::StrCat(kVariable, preload));
}

std::string WithoutPreload(const std::string& value) {
  if (!absl::StrContains(value, kFile)) {
    return value;
  }
  std::vector<absl::string_view> others;
  for (const absl::string_view library :
       absl::StrSplit(value, absl::ByAnyChar(": "))) {
    if (!library.empty() && !IsOurs(library)) {
      others.push_back(library);
    }
  }
  return absl::StrJoin(others, ":");
}

}  // namespace vt::track
