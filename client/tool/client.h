// SPDX-License-Identifier: Apache-2.0
//
// What is behind the opaque vtask_client of vtask/client.h.

#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "client/tool/bytes.h"
#include "client/tool/connection.h"
#include "client/tool/vtask/client.h"
#include "client/tool/wire.h"

// Thread-safe through vt_client::Locked.
struct vtask_client {
  void Connect();
  void Disconnect();
  // VTASK_CLIENT_OK, or GONE with `error` set.
  int Check();

  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  bool in_run = false;
  pid_t process = 0;
  // Null: outside of a run.
  vt_client::Connection* connection = nullptr;
  vt_client::Bytes error;
};

namespace vt_client {

// The client, locked and connected by this very process. Null is a client
// outside of a run.
class Locked {
 public:
  explicit Locked(vtask_client* client);
  ~Locked();
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

  bool in_run() const { return client_ != nullptr && client_->in_run; }

 private:
  vtask_client* const client_;
};

// Reports `message`, waits for no answer.
int Use(vtask_client* client, Request request, Slice message);

}  // namespace vt_client
