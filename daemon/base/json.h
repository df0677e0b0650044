// SPDX-License-Identifier: Apache-2.0
//
// Json: a JSON document as a tree that knows where each key and value stands,
// so that an error about it can say so. For package.json and vite-task.json.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vt::base {

struct JsonMember;

// A value. Lines and columns count from 1, columns in characters; 0: unknown.
// Immutable once parsed.
struct Json {
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };

  Type type = Type::kNull;
  bool boolean = false;
  std::string text;                 // of a string; a number as written
  std::vector<Json> items;          // of an array
  std::vector<JsonMember> members;  // of an object, in order
  int line = 0;
  int column = 0;

  bool is_string() const { return type == Type::kString; }
  bool is_array() const { return type == Type::kArray; }
  bool is_object() const { return type == Type::kObject; }
  bool is_bool() const { return type == Type::kBool; }
  // The value of member `key`, the last if it is there twice, as JSON.parse;
  // null if it is not there.
  const Json* Find(absl::string_view key) const;
};

struct JsonMember {
  std::string key;
  int line = 0;
  int column = 0;
  Json value;
};

enum class JsonDialect {
  // What JSON.parse accepts, and a byte order mark.
  kStrict,
  // Also comments and trailing commas. A key that is there twice is an error.
  kRelaxed,
};

// INVALID_ARGUMENT: "<file>:<line>:<column>: <what is wrong>".
absl::StatusOr<Json> ParseJson(absl::string_view text, JsonDialect dialect,
                               absl::string_view file);

// What `value` is, for an error: `string "x"`, `number 7`, "an array"...
std::string Describe(const Json& value);

}  // namespace vt::base
