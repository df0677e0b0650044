// SPDX-License-Identifier: Apache-2.0

#include "tests/unit/shim/fake_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include <google/protobuf/message_lite.h>

#include "daemon/base/unique_fd.h"
#include "vtask/v1/daemon.pb.h"

#include <nghttp2/nghttp2.h>

namespace vt::test {
namespace {

using vtask::v1::RunRequest;
using vtask::v1::RunResponse;

// True once for each file name.
bool IsFirstTime(const std::string& counter) {
  const base::UniqueFd fd(
      ::open(counter.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  return fd.is_valid();
}

class Connection {
 public:
  Connection(int socket, const FakeServerOptions& options);
  ~Connection() { nghttp2_session_del(http_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Serve();

 private:
  static Connection* Self(void* user) { return static_cast<Connection*>(user); }
  static ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t* out, size_t size,
                          uint32_t* flags, nghttp2_data_source*, void* user);
  static nghttp2_nv Header(const char* name, const char* value);

  void Flush();
  void HandleInput(const std::string& message);
  void HandleRun(const RunRequest& request);
  void Act(const vtask::v1::RunStart& start);
  void Execute(const std::string& cwd, int program_at);
  void Send(const google::protobuf::MessageLite& message);
  void Print(const std::string& text, int fd = 1);
  void Exit(int code);
  // The last HEADERS; `message` is sent raw.
  void End(int status, const std::string& message);

  const base::UniqueFd socket_;
  const FakeServerOptions options_;
  nghttp2_session* http_ = nullptr;
  int32_t stream_ = -1;
  std::string method_;
  std::string in_;
  std::string out_;
  size_t out_taken_ = 0;
  bool headers_sent_ = false;
  bool closed_ = false;
  bool ending_ = false;
  std::string end_status_;
  std::string end_message_;

  std::vector<std::string> argv_;
  int signals_left_ = 0;
};

nghttp2_nv Connection::Header(const char* name, const char* value) {
  const auto bytes = [](const char* text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text));
  };
  return {bytes(name), bytes(value), std::strlen(name), std::strlen(value),
          NGHTTP2_NV_FLAG_NONE};
}

Connection::Connection(int socket, const FakeServerOptions& options)
    : socket_(socket),
      options_(options) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame,
                    const uint8_t* name, size_t name_size, const uint8_t* value,
                    size_t value_size, uint8_t, void* user) {
        if (std::string(name, name + name_size) == ":path") {
          Self(user)->method_.assign(value, value + value_size);
          Self(user)->stream_ = frame->hd.stream_id;
        }
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks, [](nghttp2_session*, uint8_t, int32_t, const uint8_t* data,
                    size_t size, void* user) {
        Self(user)->in_.append(data, data + size);
        return 0;
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      callbacks, [](nghttp2_session*, int32_t, uint32_t, void* user) {
        Self(user)->closed_ = true;
        return 0;
      });
  nghttp2_session_server_new(&http_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_submit_settings(http_, NGHTTP2_FLAG_NONE, nullptr, 0);
}

ssize_t Connection::ReadBody(nghttp2_session* http, int32_t stream,
                             uint8_t* out, size_t size, uint32_t* flags,
                             nghttp2_data_source*, void* user) {
  Connection* self = Self(user);
  const size_t n = std::min(size, self->out_.size() - self->out_taken_);
  std::memcpy(out, self->out_.data() + self->out_taken_, n);
  self->out_taken_ += n;
  if (self->out_taken_ == self->out_.size()) {
    self->out_.clear();
    self->out_taken_ = 0;
  }
  if (self->out_.empty() && self->ending_) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const nghttp2_nv trailers[] = {
        Header("grpc-status", self->end_status_.c_str()),
        Header("grpc-message", self->end_message_.c_str())};
    nghttp2_submit_trailer(http, stream, trailers, 2);
  } else if (n == 0) {
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(n);
}

void Connection::Flush() {
  const uint8_t* data = nullptr;
  ssize_t n = 0;
  while (!closed_ && (n = nghttp2_session_mem_send(http_, &data)) > 0) {
    for (ssize_t sent = 0; sent < n;) {
      const ssize_t w = ::send(socket_.get(), data + sent,
                               static_cast<size_t>(n - sent), MSG_NOSIGNAL);
      if (w <= 0) {
        closed_ = true;
        return;
      }
      sent += w;
    }
  }
}

void Connection::Serve() {
  char buffer[65536];
  while (!closed_) {
    const ssize_t n = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (n <= 0 ||
        nghttp2_session_mem_recv(http_, reinterpret_cast<uint8_t*>(buffer),
                                 static_cast<size_t>(n)) < 0) {
      return;
    }
    while (in_.size() >= 5) {
      size_t size = 0;
      for (size_t i = 1; i < 5; ++i) {
        size = size << 8 | static_cast<unsigned char>(in_[i]);
      }
      if (in_.size() < 5 + size) {
        break;
      }
      const std::string message = in_.substr(5, size);
      in_.erase(0, 5 + size);
      HandleInput(message);
    }
    Flush();
  }
}

void Connection::HandleInput(const std::string& message) {
  if (method_ == "/vtask.v1.Daemon/Run") {
    RunRequest request;
    request.ParseFromString(message);
    HandleRun(request);
  } else if (method_ == "/vtask.v1.Daemon/Status") {
    vtask::v1::StatusResponse status;
    status.set_version("0.1.0");
    status.set_build(options_.build);
    status.set_pid(static_cast<uint32_t>(::getpid()));
    Send(status);
    End(0, "");
  } else {
    vtask::v1::ShutdownResponse response;
    response.set_pid(static_cast<uint32_t>(::getpid()));
    Send(response);
    End(0, "");
    Flush();
    if (options_.on_shutdown != nullptr) {
      options_.on_shutdown();
    }
  }
}

void Connection::HandleRun(const RunRequest& request) {
  switch (request.request_case()) {
    case RunRequest::kStart:
      Act(request.start());
      break;
    case RunRequest::kSignal:
      Print("signal " + std::to_string(request.signal().number()) + "\n");
      if (--signals_left_ == 0) {
        Exit(128 + static_cast<int>(request.signal().number()));
      }
      break;
    case RunRequest::kTerminal:
      Print("columns " + std::to_string(request.terminal().columns()) + "\n");
      break;
    case RunRequest::kExecuted: {
      const auto& executed = request.executed();
      if (!executed.started()) {
        Print("not started: " + executed.error() + "\n");
        Exit(1);
      } else if (!executed.running()) {
        Print("code " + std::to_string(executed.exit_code()) + "\n");
        Exit(executed.exit_code());
      } else if (argv_[1] == "execute-then") {
        Exit(std::atoi(argv_[2].c_str()));
      } else {
        Print("running\n");
      }
      break;
    }
    default:
      break;
  }
}

void Connection::Execute(const std::string& cwd, int program_at) {
  RunResponse response;
  auto* execute = response.mutable_execute();
  execute->set_id(7);
  execute->set_cwd(cwd);
  execute->set_program(argv_[static_cast<size_t>(program_at)]);
  for (size_t i = static_cast<size_t>(program_at); i < argv_.size(); ++i) {
    execute->add_argv(argv_[i]);
  }
  execute->add_env("PATH=/usr/bin:/bin");
  execute->add_env("GIVEN=yes");
  Send(response);
}

void Connection::Act(const vtask::v1::RunStart& start) {
  argv_.assign(start.argv().begin(), start.argv().end());
  argv_.resize(std::max<size_t>(argv_.size(), 2));
  const std::string& what = argv_[1];
  const auto number = [this](size_t i) { return std::atoi(argv_[i].c_str()); };
  const std::string cwd = start.caller().cwd();
  if (what == "exit") {
    Exit(number(2));
  } else if (what == "print") {
    for (int i = 0; i < number(3); ++i) {
      Print(std::string(static_cast<size_t>(number(4)),
                        static_cast<char>('a' + i % 26)),
            number(2));
    }
    Exit(0);
  } else if (what == "fail") {
    End(number(2), argv_[3]);
  } else if (what == "cut") {
    Print("partial\n");
    Flush();
    closed_ = true;
  } else if (what == "flaky" && IsFirstTime(argv_[2])) {
    closed_ = true;
  } else if (what == "refuse" && IsFirstTime(argv_[2])) {
    End(14, "going away");
  } else if (what == "replace-always" ||
             (what == "replace-older" && start.client_build() != 0) ||
             (what == "replace" && IsFirstTime(argv_[2]))) {
    RunResponse response;
    response.mutable_replace()->set_version("0.1.0");
    response.mutable_replace()->set_build(options_.build);
    Send(response);
    Flush();
    if (options_.on_shutdown != nullptr) {
      options_.on_shutdown();
    }
  } else if (what == "signals" || what == "mute") {
    signals_left_ = what == "mute" ? 1 << 20 : number(2);
    Print("ready\n");
  } else if (what == "execute") {
    Execute(argv_[2] == "." ? cwd : argv_[2], 3);
  } else if (what == "execute-then") {
    Execute(cwd, 3);
  } else {
    Exit(0);
  }
}

void Connection::Send(const google::protobuf::MessageLite& message) {
  if (!headers_sent_) {
    headers_sent_ = true;
    const nghttp2_nv headers[] = {Header(":status", "200"),
                                  Header("content-type", "application/grpc")};
    nghttp2_data_provider body = {};
    body.read_callback = ReadBody;
    nghttp2_submit_response(http_, stream_, headers, 2, &body);
  }
  const std::string bytes = message.SerializeAsString();
  out_.push_back(0);
  for (int i = 0; i < 4; ++i) {
    out_.push_back(static_cast<char>(bytes.size() >> (24 - 8 * i) & 0xff));
  }
  out_ += bytes;
  nghttp2_session_resume_data(http_, stream_);
}

void Connection::Print(const std::string& text, int fd) {
  if (!argv_.empty() && argv_[1] == "mute" && headers_sent_) {
    return;
  }
  RunResponse response;
  if (fd == 2) {
    response.set_stderr(text);
  } else {
    response.set_stdout(text);
  }
  Send(response);
}

void Connection::Exit(int code) {
  RunResponse response;
  response.mutable_exit()->set_code(code);
  Send(response);
  End(0, "");
}

void Connection::End(int status, const std::string& message) {
  end_status_ = std::to_string(status);
  end_message_ = message;
  if (!headers_sent_) {
    const nghttp2_nv headers[] = {Header(":status", "200"),
                                  Header("content-type", "application/grpc"),
                                  Header("grpc-status", end_status_.c_str()),
                                  Header("grpc-message", end_message_.c_str())};
    nghttp2_submit_response(http_, stream_, headers, 4, nullptr);
    return;
  }
  ending_ = true;
  nghttp2_session_resume_data(http_, stream_);
}

}  // namespace

void ServeFake(int socket, const FakeServerOptions& options) {
  Connection(socket, options).Serve();
}

}  // namespace vt::test
