// SPDX-License-Identifier: Apache-2.0
//
// The C functions of vtask/client.h that connect and report; those that ask are
// in query.cc.

#include "client/tool/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <new>

namespace vt_client {
namespace {

constexpr size_t kMaxReasonBytes = 4096;

const char* Endpoint() {
  const char* const name = getenv("VT_IPC");
  return name != nullptr ? name : getenv("VP_RUN_IPC_NAME");
}

// False: there is no working directory to start at.
bool PutAbsolute(const char* path, Bytes* out) {
  if (path[0] != '/') {
    char* const cwd = getcwd(nullptr, 0);
    if (cwd == nullptr || cwd[0] != '/') {
      free(cwd);
      return false;
    }
    out->Append(cwd);
    out->Append("/");
    free(cwd);
  }
  out->Append(path);
  return true;
}

int ReportPath(vtask_client* client, Request request, const char* path) {
  if (path == nullptr || path[0] == '\0') {
    return VTASK_CLIENT_INVALID;
  }
  Bytes absolute;
  if (!PutAbsolute(path, &absolute)) {
    return VTASK_CLIENT_INVALID;
  }
  Bytes message;
  PutBytes(1, absolute.slice(), &message);
  return Use(client, request, message.slice());
}

}  // namespace

Locked::Locked(vtask_client* client) : client_(client) {
  if (client_ == nullptr) {
    return;
  }
  pthread_mutex_lock(&client_->mutex);
  // The parent's connection is the parent's: answers would get mixed.
  if (client_->in_run && client_->process != getpid()) {
    client_->Connect();
  }
}

Locked::~Locked() {
  if (client_ != nullptr) {
    pthread_mutex_unlock(&client_->mutex);
  }
}

int Use(vtask_client* client, Request request, Slice message) {
  const Locked locked(client);
  if (!locked.in_run()) {
    return VTASK_CLIENT_OK;
  }
  if (!client->connection->is_open()) {
    return VTASK_CLIENT_GONE;
  }
  if (!client->connection->Report(request, message)) {
    return VTASK_CLIENT_INVALID;
  }
  return client->Check();
}

}  // namespace vt_client

using vt_client::Bytes;
using vt_client::Locked;
using vt_client::Request;

void vtask_client::Connect() {
  Disconnect();
  void* const memory = malloc(sizeof(vt_client::Connection));
  if (memory == nullptr) {
    abort();  // as for every other byte
  }
  connection = new (memory) vt_client::Connection;
  process = getpid();
  error.Clear();
  if (connection->Open(vt_client::Endpoint(), "libvtask_client/1", &error)) {
    connection->AwaitHello(&error);
  }
}

void vtask_client::Disconnect() {
  if (connection != nullptr) {
    connection->~Connection();
    free(connection);
    connection = nullptr;
  }
}

int vtask_client::Check() {
  if (connection->is_open()) {
    return VTASK_CLIENT_OK;
  }
  if (error.size() == 0) {
    error.Append("IPC server is gone");
  }
  return VTASK_CLIENT_GONE;
}

vtask_client* vtask_client_open(void) {
  void* const memory = malloc(sizeof(vtask_client));
  if (memory == nullptr) {
    return nullptr;
  }
  vtask_client* const client = new (memory) vtask_client;
  client->in_run = vt_client::Endpoint() != nullptr;
  if (client->in_run) {
    client->Connect();
  }
  return client;
}

void vtask_client_close(vtask_client* client) {
  if (client != nullptr) {
    client->Disconnect();
    client->~vtask_client();
    free(client);
  }
}

int vtask_client_is_active(vtask_client* client) {
  const Locked locked(client);
  return locked.in_run() && client->connection->is_open() ? 1 : 0;
}

const char* vtask_client_error(vtask_client* client) {
  const Locked locked(client);
  return locked.in_run() && !client->connection->is_open()
             ? client->error.c_str()
             : "";
}

int vtask_client_ignore_input(vtask_client* client, const char* path) {
  return vt_client::ReportPath(client, Request::kIgnoreInput, path);
}

int vtask_client_ignore_output(vtask_client* client, const char* path) {
  return vt_client::ReportPath(client, Request::kIgnoreOutput, path);
}

int vtask_client_track_input(vtask_client* client, const char* path) {
  return vt_client::ReportPath(client, Request::kTrackInput, path);
}

int vtask_client_track_output(vtask_client* client, const char* path) {
  return vt_client::ReportPath(client, Request::kTrackOutput, path);
}

int vtask_client_track_value(vtask_client* client, const char* key,
                             const void* value, size_t size) {
  if (key == nullptr || key[0] == '\0' || (value == nullptr && size > 0)) {
    return VTASK_CLIENT_INVALID;
  }
  Bytes message;
  vt_client::PutBytes(1, vt_client::SliceOf(key), &message);
  vt_client::PutBytes(
      2, vt_client::Slice{static_cast<const char*>(value), size}, &message);
  return vt_client::Use(client, Request::kTrackValue, message.slice());
}

int vtask_client_disable_cache(vtask_client* client, const char* reason) {
  Bytes message;
  if (reason != nullptr && strlen(reason) <= vt_client::kMaxReasonBytes &&
      vt_client::IsUtf8(vt_client::SliceOf(reason))) {
    vt_client::PutBytes(1, vt_client::SliceOf(reason), &message);
  }
  return vt_client::Use(client, Request::kDisableCache, message.slice());
}

int vtask_client_sync(vtask_client* client) {
  const Locked locked(client);
  if (!locked.in_run()) {
    return VTASK_CLIENT_OK;
  }
  if (!client->connection->is_open()) {
    return VTASK_CLIENT_GONE;
  }
  Bytes why;
  return client->connection->Sync(&why) ? VTASK_CLIENT_OK : VTASK_CLIENT_GONE;
}
