// SPDX-License-Identifier: Apache-2.0

#include "shim/transport.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "shim/exit_code.h"
#include "vtask/v1/daemon.pb.h"

#include <nghttp2/nghttp2.h>

namespace vt::shim {
namespace {

// 1 MiB: a 100 MB stream took 118 ms, with the default of 64 KiB 302 ms, with
// 16 MiB 117 ms (measured for the design).
constexpr int kWindow = 1 << 20;
constexpr size_t kFramePrefix = 5;  // flag, length: the gRPC wire format
// A bound against nonsense on the wire; real messages are about 64 KiB.
constexpr size_t kMaxMessageBytes = size_t{256} << 20;
constexpr size_t kReadBytes = 64 << 10;
constexpr int kUnavailableStatus = 14;

int HexValue(char digit) {
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  if (digit >= 'A' && digit <= 'F') {
    return digit - 'A' + 10;
  }
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

nghttp2_nv Header(absl::string_view name, absl::string_view value) {
  // nghttp2 copies both, and does not write through these pointers.
  const auto bytes = [](absl::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

// nghttp2 hands over bytes of HTTP/2 as uint8_t.
absl::string_view View(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

int64_t NowMs() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

}  // namespace

struct GrpcCall::Session {
  nghttp2_session* http = nullptr;
  int32_t stream = -1;

  ~Session() { nghttp2_session_del(http); }

  static GrpcCall* Call(void* user) { return static_cast<GrpcCall*>(user); }

  static ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t* out, size_t size,
                          uint32_t* flags, nghttp2_data_source*, void* user) {
    GrpcCall* call = Call(user);
    const size_t left = call->requests_.size() - call->requests_taken_;
    const size_t n = std::min(left, size);
    std::memcpy(out, call->requests_.data() + call->requests_taken_, n);
    call->requests_taken_ += n;
    if (n == left) {
      call->requests_.clear();
      call->requests_taken_ = 0;
      if (call->requests_closed_) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
      } else if (n == 0) {
        return NGHTTP2_ERR_DEFERRED;
      }
    }
    return static_cast<ssize_t>(n);
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame*,
                      const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t,
                      void* user) {
    GrpcCall* call = Call(user);
    const absl::string_view key = View(name, name_size);
    const absl::string_view text = View(value, value_size);
    if (key == "grpc-status") {
      call->status_ = std::atoi(std::string(text).c_str());
    } else if (key == "grpc-message") {
      call->message_ = PercentDecode(text);
    } else if (key == ":status" && text != "200") {
      call->Lose("HTTP status " + std::string(text));
    }
    return 0;
  }

  static int OnData(nghttp2_session*, uint8_t, int32_t, const uint8_t* data,
                    size_t size, void* user) {
    Call(user)->in_.append(View(data, size).data(), size);
    return 0;
  }

  // The status may come in the first HEADERS (an error before any message) or
  // in the last. Whichever ends the stream must have had one.
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    GrpcCall* call = Call(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      call->refused_ = frame->goaway.last_stream_id < call->session_->stream;
    }
    const bool ends =
        (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (ends && call->state_ == State::kOpen) {
      if (call->status_ >= 0) {
        call->state_ = State::kEnded;
      } else {
        call->Lose("the answer ended without a status");
      }
    }
    return 0;
  }

  static int OnClose(nghttp2_session*, int32_t, uint32_t error, void* user) {
    GrpcCall* call = Call(user);
    if (call->state_ == State::kOpen) {
      call->refused_ = call->refused_ || error == NGHTTP2_REFUSED_STREAM;
      call->Lose(std::string("the stream was reset: ") +
                 nghttp2_http2_strerror(error));
    }
    return 0;
  }
};

GrpcCall::GrpcCall(base::UniqueFd socket, absl::string_view method)
    : socket_(std::move(socket)),
      session_(std::make_unique<Session>()) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks,
                                                   Session::OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks,
                                                            Session::OnData);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks,
                                                       Session::OnFrame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks,
                                                         Session::OnClose);
  nghttp2_session_client_new(&session_->http, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);

  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow}};
  nghttp2_submit_settings(session_->http, NGHTTP2_FLAG_NONE, settings, 2);
  // The connection has a window of its own, which SETTINGS do not touch.
  nghttp2_session_set_local_window_size(session_->http, NGHTTP2_FLAG_NONE, 0,
                                        kWindow);
  const nghttp2_nv headers[] = {Header(":method", "POST"),
                                Header(":scheme", "http"),
                                Header(":path", method),
                                Header(":authority", "localhost"),
                                Header("content-type", "application/grpc"),
                                Header("te", "trailers"),
                                Header("user-agent", "vt")};
  nghttp2_data_provider body = {};
  body.read_callback = Session::ReadBody;
  session_->stream = nghttp2_submit_request(session_->http, nullptr, headers,
                                            sizeof headers / sizeof headers[0],
                                            &body, nullptr);
}

GrpcCall::~GrpcCall() = default;

void GrpcCall::Send(const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  const size_t at = requests_.size();
  requests_.resize(at + kFramePrefix + size);
  char* frame = &requests_[at];
  frame[0] = 0;  // not compressed
  for (int i = 0; i < 4; ++i) {
    frame[1 + i] = static_cast<char>((size >> (24 - 8 * i)) & 0xff);
  }
  message.SerializeWithCachedSizesToArray(
      reinterpret_cast<uint8_t*>(frame + kFramePrefix));
  nghttp2_session_resume_data(session_->http, session_->stream);
}

void GrpcCall::CloseRequests() {
  requests_closed_ = true;
  nghttp2_session_resume_data(session_->http, session_->stream);
}

void GrpcCall::Cancel() {
  nghttp2_submit_rst_stream(session_->http, NGHTTP2_FLAG_NONE, session_->stream,
                            NGHTTP2_CANCEL);
}

void GrpcCall::CollectOutput() {
  const uint8_t* data = nullptr;
  ssize_t n = 0;
  while ((n = nghttp2_session_mem_send(session_->http, &data)) > 0) {
    out_.append(View(data, static_cast<size_t>(n)).data(),
                static_cast<size_t>(n));
  }
}

void GrpcCall::Flush() {
  CollectOutput();
  while (can_write_ && out_sent_ < out_.size()) {
    const ssize_t n =
        ::send(socket_.get(), out_.data() + out_sent_, out_.size() - out_sent_,
               MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      out_sent_ += static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      can_write_ = false;  // what it had said before can still be read
    }
  }
  out_.clear();
  out_sent_ = 0;
}

bool GrpcCall::wants_to_write() const {
  return can_write_ && out_sent_ < out_.size();
}

void GrpcCall::Receive() {
  if (in_taken_ > 0) {
    in_.erase(0, in_taken_);
    in_taken_ = 0;
  }
  char buffer[kReadBytes];
  ssize_t n = 0;
  do {
    n = ::recv(socket_.get(), buffer, sizeof buffer, 0);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) {
    if (state_ == State::kOpen) {
      Lose(n == 0 ? "it closed the connection" : std::strerror(errno));
    }
    return;
  }
  received_bytes_ = true;
  const ssize_t used = nghttp2_session_mem_recv(
      session_->http, reinterpret_cast<const uint8_t*>(buffer),
      static_cast<size_t>(n));
  if (used < 0 && state_ == State::kOpen) {
    Lose(std::string("it does not speak HTTP/2: ") +
         nghttp2_strerror(static_cast<int>(used)));
  }
  if (state_ == State::kOpen) {
    Flush();  // acknowledgements, windows
    // After an error of the protocol nghttp2 says goodbye and reads no more.
    if (state_ == State::kOpen &&
        nghttp2_session_want_read(session_->http) == 0) {
      Lose("it does not speak HTTP/2");
    }
  }
}

bool GrpcCall::NextMessage(absl::string_view* message) {
  const size_t left = in_.size() - in_taken_;
  if (left < kFramePrefix) {
    return false;
  }
  const absl::string_view frame(in_.data() + in_taken_, left);
  size_t size = 0;
  for (size_t i = 1; i < kFramePrefix; ++i) {
    size = size << 8 | static_cast<unsigned char>(frame[i]);
  }
  if (frame[0] != 0 || size > kMaxMessageBytes) {
    in_.clear();
    in_taken_ = 0;
    Lose("it sent a message that cannot be read");
    return false;
  }
  if (left < kFramePrefix + size) {
    return false;
  }
  *message = frame.substr(kFramePrefix, size);
  in_taken_ += kFramePrefix + size;
  received_message_ = true;
  return true;
}

bool GrpcCall::was_not_processed() const {
  if (state_ == State::kOpen || received_message_) {
    return false;
  }
  if (state_ == State::kEnded) {
    return status_ == kUnavailableStatus;
  }
  return !received_bytes_ || refused_;
}

void GrpcCall::Lose(std::string reason) {
  state_ = State::kLost;
  lost_reason_ = std::move(reason);
}

MaybeFailure CallUnary(base::UniqueFd socket, absl::string_view method,
                       const google::protobuf::MessageLite& request,
                       google::protobuf::MessageLite* response,
                       int timeout_ms) {
  GrpcCall call(std::move(socket), method);
  call.Send(request);
  call.CloseRequests();
  call.Flush();
  const int64_t deadline = NowMs() + timeout_ms;
  while (call.state() == GrpcCall::State::kOpen) {
    pollfd wait = {call.socket(), POLLIN, 0};
    if (call.wants_to_write()) {
      wait.events |= POLLOUT;
    }
    const int64_t left = deadline - NowMs();
    if (left <= 0) {
      return Failure{kExitUnavailable, "the daemon does not answer"};
    }
    if (::poll(&wait, 1, static_cast<int>(left)) <= 0) {
      continue;
    }
    if ((wait.revents & POLLOUT) != 0) {
      call.Flush();
    }
    if ((wait.revents & ~POLLOUT) != 0) {
      call.Receive();
    }
  }
  absl::string_view message;
  if (call.state() == GrpcCall::State::kLost) {
    return Failure{kExitUnavailable,
                   "lost the daemon (" + call.lost_reason() + ")"};
  }
  if (call.status() != 0) {
    return FailureOfStatus(call.status(), call.status_message(),
                           /*was_interrupted=*/false);
  }
  if (!call.NextMessage(&message) ||
      !response->ParseFromArray(message.data(),
                                static_cast<int>(message.size()))) {
    return Failure{kExitInternal, "the daemon's answer cannot be read"};
  }
  return std::nullopt;
}

std::string PercentDecode(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high =
        text[i] == '%' && i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
    const int low = high >= 0 ? HexValue(text[i + 2]) : -1;
    if (low >= 0) {
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace vt::shim
