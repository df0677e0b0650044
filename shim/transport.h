// SPDX-License-Identifier: Apache-2.0
//
// gRPC on the wire, by hand: HTTP/2 by nghttp2, and 5 bytes before each
// message. Linking grpc++ instead would cost several times the start of this
// program.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

#include "daemon/base/unique_fd.h"
#include "shim/failure.h"

namespace google::protobuf {
class MessageLite;
}  // namespace google::protobuf

namespace vt::shim {

// One call on one connection; closing the connection cancels the call.
//
// Flow control is the kernel's and HTTP/2's: while nobody calls Receive, at
// most the window (1 MiB) arrives, and the daemon holds back the task.
//
// Thread-compatible.
class GrpcCall {
 public:
  enum class State {
    kOpen,
    kEnded,  // the server gave a status
    kLost,   // the connection or the stream broke without one
  };

  // `socket` is connected; `method` is "/package.Service/Method". Sends nothing
  // yet.
  GrpcCall(base::UniqueFd socket, absl::string_view method);
  ~GrpcCall();
  GrpcCall(const GrpcCall&) = delete;
  GrpcCall& operator=(const GrpcCall&) = delete;

  // Queues a request message; no more after CloseRequests.
  void Send(const google::protobuf::MessageLite& message);
  void CloseRequests();
  // Queues RST_STREAM(CANCEL).
  void Cancel();
  // Writes what the socket takes now, in one send(2) if all fits. Never blocks.
  void Flush();
  bool wants_to_write() const;

  // Reads once, blocking if nothing is there. Afterwards take the messages.
  void Receive();
  // The next complete message; it lives until the next call of Receive or
  // NextMessage. A message that is complete is delivered whatever the state.
  bool NextMessage(absl::string_view* message);

  int socket() const { return socket_.get(); }
  State state() const { return state_; }
  int status() const { return status_; }                          // of kEnded
  const std::string& status_message() const { return message_; }  // decoded
  const std::string& lost_reason() const { return lost_reason_; }
  // The server has certainly not begun with this call: nothing but perhaps a
  // refusal has come. It can be made again.
  bool was_not_processed() const;

 private:
  struct Session;  // nghttp2's objects and callbacks
  friend struct Session;

  void Lose(std::string reason);
  // Moves what nghttp2 has to say into `out_`.
  void CollectOutput();

  base::UniqueFd socket_;
  std::unique_ptr<Session> session_;
  State state_ = State::kOpen;
  std::string lost_reason_;

  std::string requests_;  // framed, not yet given to nghttp2
  size_t requests_taken_ = 0;
  bool requests_closed_ = false;
  std::string out_;  // bytes for the socket
  size_t out_sent_ = 0;
  bool can_write_ = true;

  std::string in_;  // framed response bytes
  size_t in_taken_ = 0;
  bool received_bytes_ = false;
  bool received_message_ = false;
  bool refused_ = false;  // GOAWAY or RST said: not processed
  int status_ = -1;
  std::string message_;
};

// Makes one unary call on `socket`.
//
// Failure: the daemon's status, a lost connection, or no answer in
// `timeout_ms`.
MaybeFailure CallUnary(base::UniqueFd socket, absl::string_view method,
                       const google::protobuf::MessageLite& request,
                       google::protobuf::MessageLite* response, int timeout_ms);

// Decodes `grpc-message`: "%41" is "A"; what is no escape stays.
std::string PercentDecode(absl::string_view text);

}  // namespace vt::shim
