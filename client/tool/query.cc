// SPDX-License-Identifier: Apache-2.0
//
// The C functions of vtask/client.h that ask for variables.

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/tool/client.h"

namespace vt_client {
namespace {

// Pairs of name and value, each NUL-terminated, in one buffer.
struct Found {
  Bytes text;
  size_t count = 0;

  void Add(Slice name, Slice value) {
    text.Append(name);
    text.AppendByte('\0');
    text.Append(value);
    text.AppendByte('\0');
    ++count;
  }
};

int ByName(const void* a, const void* b) {
  return strcmp(static_cast<const vtask_client_variable*>(a)->name,
                static_cast<const vtask_client_variable*>(b)->name);
}

// One block: the array, then the text that it points into.
int Give(const Found& found, vtask_client_variable** variables, size_t* count) {
  *variables = nullptr;
  *count = 0;
  if (found.count == 0) {
    return VTASK_CLIENT_OK;
  }
  const size_t array = found.count * sizeof(vtask_client_variable);
  char* const block = static_cast<char*>(malloc(array + found.text.size()));
  if (block == nullptr) {
    return VTASK_CLIENT_NO_MEMORY;
  }
  char* text = block + array;
  memcpy(text, found.text.slice().data, found.text.size());
  *variables = reinterpret_cast<vtask_client_variable*>(block);
  *count = found.count;
  for (size_t i = 0; i < found.count; ++i) {
    (*variables)[i].name = text;
    text += strlen(text) + 1;
    (*variables)[i].value = text;
    text += strlen(text) + 1;
  }
  qsort(*variables, *count, sizeof(vtask_client_variable), ByName);
  return VTASK_CLIENT_OK;
}

// Matches `name` against `glob` with its first {a,b} replaced by each of its
// alternatives in turn. fnmatch(3) does the rest.
bool Matches(const char* glob, const char* name) {
  const char* open = glob;
  while (*open != '\0' && *open != '{') {
    open += *open == '\\' && open[1] != '\0' ? 2 : 1;
  }
  if (*open == '\0') {
    return fnmatch(glob, name, 0) == 0;
  }
  int depth = 0;
  const char* begin = open + 1;
  const char* close = open;
  do {
    depth += *close == '{' ? 1 : *close == '}' ? -1 : 0;
    close += *close == '\\' && close[1] != '\0' ? 2 : 1;
  } while (depth > 0 && *close != '\0');
  if (depth > 0) {
    return false;
  }
  const char* const rest = close;
  for (const char* end = begin; end < rest; ++end) {
    depth += *end == '{' ? 1 : *end == '}' ? -1 : 0;
    if ((*end == ',' && depth == 0) || end + 1 == rest) {
      Bytes alternative;
      alternative.Append(Slice{glob, static_cast<size_t>(open - glob)});
      alternative.Append(Slice{begin, static_cast<size_t>(end - begin)});
      alternative.Append(rest);
      if (Matches(alternative.c_str(), name)) {
        return true;
      }
      begin = end + 1;
    } else if (*end == '\\' && end + 1 < rest) {
      ++end;
    }
  }
  return false;
}

// What the daemon would answer, from the process's own environment.
void FindOutsideRun(const char* text, bool is_prefix, Found* found) {
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const char* const equals = strchr(*entry, '=');
    if (equals == nullptr) {
      continue;
    }
    Bytes name;
    name.Append(Slice{*entry, static_cast<size_t>(equals - *entry)});
    const bool matches = is_prefix ? StartsWith(name.slice(), SliceOf(text))
                                   : Matches(text, name.c_str());
    if (matches) {
      found->Add(name.slice(), SliceOf(equals + 1));
    }
  }
}

int GetEnvs(vtask_client* client, const char* text, bool is_prefix, int tracked,
            vtask_client_variable** variables, size_t* count) {
  if (text == nullptr || variables == nullptr || count == nullptr ||
      (!is_prefix && text[0] == '\0')) {
    return VTASK_CLIENT_INVALID;
  }
  Found found;
  const Locked locked(client);
  const bool is_everything = text[0] == '\0' || strcmp(text, "*") == 0;
  if (is_everything) {
    return Give(found, variables, count);
  }
  if (!locked.in_run()) {
    FindOutsideRun(text, is_prefix, &found);
    return Give(found, variables, count);
  }
  Bytes query;
  PutMember(is_prefix ? 2 : 1, SliceOf(text), &query);
  Bytes message;
  PutMember(1, query.slice(), &message);
  PutNumber(2, tracked != 0 ? 1 : 0, &message);
  const Slice prefix = SliceOf(text);
  Bytes error;
  if (!client->connection->GetEnvs(is_prefix ? &prefix : nullptr,
                                   message.slice(), &error)) {
    const int state = client->Check();
    return state == VTASK_CLIENT_OK ? VTASK_CLIENT_INVALID : state;
  }
  for (size_t i = 0; i < client->connection->found_count(); ++i) {
    const Variable& variable = client->connection->found(i);
    found.Add(variable.name, variable.value);
  }
  return Give(found, variables, count);
}

int GiveValue(Slice value, char** out, size_t* size) {
  *out = static_cast<char*>(malloc(value.size + 1));
  if (*out == nullptr) {
    return VTASK_CLIENT_NO_MEMORY;
  }
  if (value.size > 0) {
    memcpy(*out, value.data, value.size);
  }
  (*out)[value.size] = '\0';
  if (size != nullptr) {
    *size = value.size;
  }
  return VTASK_CLIENT_OK;
}

}  // namespace
}  // namespace vt_client

using vt_client::Locked;
using vt_client::Slice;
using vt_client::SliceOf;

int vtask_client_get_env(vtask_client* client, const char* name, int tracked,
                         char** value, size_t* size) {
  if (name == nullptr || name[0] == '\0' || value == nullptr) {
    return VTASK_CLIENT_INVALID;
  }
  *value = nullptr;
  if (size != nullptr) {
    *size = 0;
  }
  const Locked locked(client);
  if (!locked.in_run()) {
    const char* const found = getenv(name);
    return found == nullptr ? VTASK_CLIENT_OK
                            : vt_client::GiveValue(SliceOf(found), value, size);
  }
  vt_client::Bytes message;
  vt_client::PutBytes(1, SliceOf(name), &message);
  vt_client::PutNumber(2, tracked != 0 ? 1 : 0, &message);
  bool is_present = false;
  Slice found;
  vt_client::Bytes error;
  if (!client->connection->GetEnv(SliceOf(name), message.slice(), &is_present,
                                  &found, &error)) {
    const int state = client->Check();
    return state == VTASK_CLIENT_OK ? VTASK_CLIENT_INVALID : state;
  }
  return is_present ? vt_client::GiveValue(found, value, size)
                    : VTASK_CLIENT_OK;
}

int vtask_client_get_envs(vtask_client* client, const char* glob, int tracked,
                          vtask_client_variable** variables, size_t* count) {
  return vt_client::GetEnvs(client, glob, /*is_prefix=*/false, tracked,
                            variables, count);
}

int vtask_client_get_envs_with_prefix(vtask_client* client, const char* prefix,
                                      int tracked,
                                      vtask_client_variable** variables,
                                      size_t* count) {
  return vt_client::GetEnvs(client, prefix, /*is_prefix=*/true, tracked,
                            variables, count);
}
