// SPDX-License-Identifier: Apache-2.0
//
// The Node-API addon that tools load through VP_RUN_NODE_CLIENT_PATH: `load()`
// makes an object with a connection of its own; its methods are synchronous.
// Nothing is global: each environment (main thread, worker) has its own class,
// and an object's connection closes when the object or the environment goes.

#include <node_api.h>
#include <stdlib.h>

#include <new>

#include "call_site.h"
#include "client/tool/bytes.h"
#include "client/tool/connection.h"
#include "client/tool/wire.h"
#include "convert.h"

namespace vt_client {
namespace {

constexpr size_t kMaxReasonBytes = 4096;

// Of one environment.
struct Instance {
  napi_ref constructor = nullptr;
  // Handed from load() to the constructor that it calls.
  Connection* pending = nullptr;
};

Connection* NewConnection() {
  void* const memory = malloc(sizeof(Connection));
  return memory == nullptr ? nullptr : new (memory) Connection;
}

void DeleteConnection(void* connection) {
  if (connection != nullptr) {
    static_cast<Connection*>(connection)->~Connection();
    free(connection);
  }
}

// A method's arguments; absent ones are undefined.
struct Call {
  Connection* connection = nullptr;
  napi_value arguments[2] = {};
};

// False: threw.
bool ReadCall(napi_env env, napi_callback_info info, Call* call) {
  size_t count = 2;
  napi_value self = nullptr;
  void* connection = nullptr;
  if (napi_get_cb_info(env, info, &count, call->arguments, &self, nullptr) !=
          napi_ok ||
      napi_unwrap(env, self, &connection) != napi_ok || connection == nullptr) {
    napi_throw_type_error(env, nullptr, "Illegal invocation");
    return false;
  }
  call->connection = static_cast<Connection*>(connection);
  return true;
}

void Refuse(napi_env env, const char* why) {
  Bytes message;
  message.Append(why);
  Throw(env, "GenericFailure", &message);
}

template <Request kRequest>
napi_value ReportPath(napi_env env, napi_callback_info info) {
  Call call;
  Bytes path;
  if (ReadCall(env, info, &call) && ToPath(env, call.arguments[0], &path)) {
    Bytes message;
    PutBytes(1, path.slice(), &message);
    // Not sent if longer than a frame: 250 times what a path can be on Linux.
    call.connection->Report(kRequest, message.slice());
  }
  return nullptr;
}

napi_value DisableCache(napi_env env, napi_callback_info info) {
  Call call;
  if (!ReadCall(env, info, &call)) {
    return nullptr;
  }
  Bytes reason;
  napi_valuetype type = napi_undefined;
  napi_typeof(env, call.arguments[0], &type);
  if (type != napi_string || !ToString(env, call.arguments[0], &reason) ||
      reason.size() > kMaxReasonBytes) {
    reason.Clear();
  }
  Bytes site;
  FindCallSite(env, &site);
  Bytes message;
  PutBytes(1, reason.slice(), &message);
  PutBytes(2, site.slice(), &message);
  call.connection->Report(Request::kDisableCache, message.slice());
  return nullptr;
}

napi_value TrackValue(napi_env env, napi_callback_info info) {
  Call call;
  Bytes key;
  Bytes value;
  if (ReadCall(env, info, &call) && ToString(env, call.arguments[0], &key) &&
      ToString(env, call.arguments[1], &value)) {
    Bytes message;
    PutBytes(1, key.slice(), &message);
    PutBytes(2, value.slice(), &message);
    if (!call.connection->Report(Request::kTrackValue, message.slice())) {
      Refuse(env, "the value is too long");
    }
  }
  return nullptr;
}

napi_value GetEnv(napi_env env, napi_callback_info info) {
  Call call;
  Bytes name;
  bool is_tracked = true;
  if (!ReadCall(env, info, &call) || !ToString(env, call.arguments[0], &name) ||
      !ToTracked(env, call.arguments[1], &is_tracked)) {
    return nullptr;
  }
  Bytes message;
  PutBytes(1, name.slice(), &message);
  PutNumber(2, is_tracked ? 1 : 0, &message);
  bool is_present = false;
  Slice value;
  Bytes error;
  napi_value result = nullptr;
  if (!call.connection->GetEnv(name.slice(), message.slice(), &is_present,
                               &value, &error)) {
    Throw(env, "GenericFailure", &error);
  } else if (is_present) {
    FromValue(env, name.slice(), value, &result);
  }
  return result;
}

napi_value GetEnvs(napi_env env, napi_callback_info info) {
  Call call;
  Bytes text;
  bool is_prefix = false;
  bool is_tracked = true;
  if (!ReadCall(env, info, &call) ||
      !ToQuery(env, call.arguments[0], &is_prefix, &text) ||
      !ToTracked(env, call.arguments[1], &is_tracked)) {
    return nullptr;
  }
  Bytes query;
  PutMember(is_prefix ? 2 : 1, text.slice(), &query);
  Bytes message;
  PutMember(1, query.slice(), &message);
  PutNumber(2, is_tracked ? 1 : 0, &message);
  const Slice prefix = text.slice();
  Bytes error;
  napi_value result = nullptr;
  if (!call.connection->GetEnvs(is_prefix ? &prefix : nullptr, message.slice(),
                                &error)) {
    Throw(env, "GenericFailure", &error);
    return nullptr;
  }
  if (napi_create_object(env, &result) != napi_ok) {
    return nullptr;
  }
  for (size_t i = 0; i < call.connection->found_count(); ++i) {
    const Variable& variable = call.connection->found(i);
    napi_value key = nullptr;
    napi_value value = nullptr;
    if (!IsUtf8(variable.name)) {
      continue;
    }
    if (!FromValue(env, variable.name, variable.value, &value) ||
        napi_create_string_utf8(env, variable.name.data, variable.name.size,
                                &key) != napi_ok) {
      return nullptr;
    }
    // Defined, not set: a variable may be called __proto__.
    napi_property_descriptor property = {};
    property.name = key;
    property.value = value;
    property.attributes = napi_default_jsproperty;
    napi_define_properties(env, result, 1, &property);
  }
  return result;
}

napi_value Construct(napi_env env, napi_callback_info info) {
  napi_value self = nullptr;
  void* data = nullptr;
  size_t count = 0;
  napi_get_cb_info(env, info, &count, nullptr, &self, &data);
  Instance* const instance = static_cast<Instance*>(data);
  if (instance->pending == nullptr) {
    Refuse(env, "Class contains no `constructor`, can not new it!");
    return nullptr;
  }
  if (napi_wrap(
          env, self, instance->pending,
          [](napi_env, void* connection, void*) {
            DeleteConnection(connection);
          },
          nullptr, nullptr) == napi_ok) {
    instance->pending = nullptr;
  }
  return self;
}

// The texts of the reference's addon, which its npm wrapper shows.
bool Open(Connection* connection, Bytes* error) {
  const char* const endpoint = getenv("VP_RUN_IPC_NAME");
  error->Append("vp run client: ");
  if (endpoint == nullptr) {
    error->Append(
        "runner IPC env is not set; this module is only usable inside a "
        "`vp run` task");
    return false;
  }
  error->Append("failed to connect to runner IPC: ");
  return connection->Open(endpoint, "node-addon/1", error);
}

napi_value Load(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  size_t count = 0;
  napi_get_cb_info(env, info, &count, nullptr, nullptr, &data);
  Instance* const instance = static_cast<Instance*>(data);
  Connection* const connection = NewConnection();
  if (connection == nullptr) {
    Refuse(env, "out of memory");
    return nullptr;
  }
  Bytes error;
  if (!Open(connection, &error)) {
    DeleteConnection(connection);
    Throw(env, "GenericFailure", &error);
    return nullptr;
  }
  napi_value constructor = nullptr;
  napi_value client = nullptr;
  instance->pending = connection;
  napi_get_reference_value(env, instance->constructor, &constructor);
  napi_new_instance(env, constructor, 0, nullptr, &client);
  DeleteConnection(instance->pending);  // unless the object took it
  instance->pending = nullptr;
  return client;
}

napi_property_descriptor Method(const char* name, napi_callback callback,
                                void* data) {
  napi_property_descriptor method = {};
  method.utf8name = name;
  method.method = callback;
  method.attributes = napi_default_method;
  method.data = data;
  return method;
}

napi_value Initialize(napi_env env, napi_value exports) {
  Instance* const instance =
      static_cast<Instance*>(calloc(1, sizeof(Instance)));
  if (instance == nullptr ||
      napi_set_instance_data(
          env, instance, [](napi_env, void* data, void*) { free(data); },
          nullptr) != napi_ok) {
    free(instance);
    return exports;
  }
  const napi_property_descriptor methods[] = {
      Method("ignoreInput", ReportPath<Request::kIgnoreInput>, nullptr),
      Method("ignoreOutput", ReportPath<Request::kIgnoreOutput>, nullptr),
      Method("disableCache", DisableCache, nullptr),
      Method("getEnv", GetEnv, nullptr),
      Method("getEnvs", GetEnvs, nullptr),
      Method("trackInput", ReportPath<Request::kTrackInput>, nullptr),
      Method("trackOutput", ReportPath<Request::kTrackOutput>, nullptr),
      Method("trackValue", TrackValue, nullptr),
  };
  napi_value constructor = nullptr;
  napi_property_descriptor load = Method("load", Load, instance);
  load.attributes = napi_default_jsproperty;
  if (napi_define_class(env, "RunnerClient", NAPI_AUTO_LENGTH, Construct,
                        instance, sizeof methods / sizeof methods[0], methods,
                        &constructor) == napi_ok &&
      napi_create_reference(env, constructor, 1, &instance->constructor) ==
          napi_ok) {
    napi_define_properties(env, exports, 1, &load);
  }
  return exports;
}

}  // namespace
}  // namespace vt_client

NAPI_MODULE_INIT() { return vt_client::Initialize(env, exports); }
