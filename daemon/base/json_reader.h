// SPDX-License-Identifier: Apache-2.0
//
// JsonReader: what every reader of a JSON file of the user's shares: checks of
// types and keys, and errors that name file, line, column, key path, what was
// found, what is allowed and the nearest name.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "daemon/base/json.h"

namespace vt::base {

using Names = std::vector<std::string>;

bool Contains(const Names& names, absl::string_view name);

// "`a`, `b`, `c`".
std::string InBackquotes(const Names& names);

// `path` and a key below it, as JavaScript would write it: `a.b`, `a["b-c"]`.
std::string KeyBelow(absl::string_view path, absl::string_view key);
// `path` and an index.
std::string ItemOf(absl::string_view path, size_t index);

// A base for readers of one file each: they walk the document, and hand each
// value to these with its key path. All errors are INVALID_ARGUMENT.
// Thread-compatible.
class JsonReader {
 protected:
  // `file` is named in errors. `key_path` is the key of the whole value in the
  // file, "" if it is all of it.
  explicit JsonReader(std::string file, std::string key_path = "")
      : file_(std::move(file)),
        key_path_(std::move(key_path)) {}
  ~JsonReader() = default;

  const std::string& file() const { return file_; }
  // `path` as the file spells it.
  std::string WholePath(absl::string_view path) const;

  // "<file>:<line>:<column>: <what>"; without a position if it is unknown.
  absl::Status ErrorAt(int line, int column, absl::string_view what) const;
  absl::Status ErrorAt(const Json& json, absl::string_view path,
                       absl::string_view what) const;
  // "found …, expected `expected`".
  absl::Status WrongType(const Json& json, absl::string_view path,
                         absl::string_view expected) const;
  absl::Status UnknownKey(const JsonMember& member, absl::string_view path,
                          const Names& allowed) const;

  absl::Status ExpectString(const Json& json, absl::string_view path) const;
  absl::Status ExpectBool(const Json& json, absl::string_view path) const;
  absl::Status Strings(const Json& json, absl::string_view path,
                       Names* out) const;
  // One of several words; its index goes to `out`.
  absl::Status Choice(const Json& json, absl::string_view path,
                      const Names& words, int* out) const;

 private:
  const std::string file_;
  const std::string key_path_;
};

}  // namespace vt::base
