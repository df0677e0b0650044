// SPDX-License-Identifier: Apache-2.0
//
// Connection: a tool's line to the tool endpoint of its action, for the Node
// addon and for libvtask_client. Reports are one write each and wait for no
// answer; variables are answered from the snapshot that came with the hello.
//
// Opening waits for nobody: the hello's answer is read when something is asked.
// Waking the daemon and waiting for it is most of what opening would cost, and
// a tool has other things to do meanwhile.
//
// When the endpoint is gone, the connection becomes a sink: reports vanish, the
// snapshot still answers. The daemon does not store such a run.

#pragma once

#include <sys/types.h>

#include "bytes.h"
#include "wire.h"

namespace vt_client {

struct Variable {
  Slice name;
  Slice value;
};

// Thread-compatible.
class Connection {
 public:
  Connection() = default;
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Connects to the endpoint (a path) and says hello as `client_name`
  // ("node-addon/1"); at most 10 s. False: *error says why. True: somebody
  // listens there; reports may be sent.
  bool Open(const char* endpoint, const char* client_name, Bytes* error);

  // Waits for the answer to the hello; at most 10 s, and once. False: it was
  // refused or did not come, and the connection is a sink. All that ask do this
  // first.
  bool AwaitHello(Bytes* error);

  // The endpoint was there and has not gone.
  bool is_open() const { return fd_ >= 0; }

  // Waits until the daemon has taken everything sent before; at most 10 s.
  bool Sync(Bytes* error);

  // One write. Returns at once, except that a full socket makes it wait for the
  // daemon, like a write to the daemon's pipe of stdout. False: `message` does
  // not fit in a frame and was not sent.
  bool Report(Request request, Slice message);

  // The variables in `*found`, valid until the next call. `message` is a GetEnv
  // of `name`. False: *error says why.
  bool GetEnv(Slice name, Slice message, bool* is_present, Slice* value,
              Bytes* error);
  // `message` is a GetEnvs; `prefix` is null for a glob.
  bool GetEnvs(const Slice* prefix, Slice message, Bytes* error);
  size_t found_count() const { return found_count_; }
  const Variable& found(size_t i) const { return found_[i]; }

 private:
  bool Connect(const char* name, Bytes* error);
  bool SayHello(const char* client_name, Bytes* error);
  // `answer`: HelloReply's fields. False: of another protocol, or damaged.
  bool ReadHello(Slice answer);
  // Sends a request and waits for its answer, at most 10 s; *reply is the
  // ToolReply's fields, valid until the next call.
  bool Ask(Request request, Slice message, Slice* reply, Bytes* error);
  bool AwaitReply(uint64_t id, Slice* reply, Bytes* error);
  bool ReceiveFrame(uint64_t deadline_ms, Bytes* error);
  void Send(Slice frame);
  ssize_t SendSome(Slice bytes);
  void BecomeSink();
  void AddFound(Slice name, Slice value);

  int fd_ = -1;
  int requests_fd_ = -1;  // where pipes stand for the socket; else -1
  uint64_t last_id_ = 1;  // the hello's
  // A frame, and the bytes that came after it.
  size_t frame_size_ = 0;
  Bytes input_;
  Bytes frame_;
  // The environment, sorted by name: views of hello_.
  Bytes hello_;
  bool is_greeted_ = false;
  bool has_snapshot_ = false;
  Variable* snapshot_ = nullptr;
  size_t snapshot_count_ = 0;
  Variable* found_ = nullptr;
  size_t found_count_ = 0;
  size_t found_capacity_ = 0;
};

}  // namespace vt_client
