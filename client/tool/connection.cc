// SPDX-License-Identifier: Apache-2.0

#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "pipes.h"

namespace vt_client {
namespace {

// A daemon answers within a millisecond; a machine may be very busy (guess).
constexpr uint64_t kTimeoutMs = 10000;
constexpr uint64_t kProtocol = 1;
constexpr uint64_t kHelloId = 1;

uint64_t NowMs() {
  struct timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 +
         static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

bool Fail(const char* why, Bytes* error) {
  error->Append(why);
  return false;
}

bool FailErrno(int error_number, Bytes* error) {
  if (error_number == ECONNREFUSED) {
    return Fail("IPC server is gone", error);
  }
  if (error_number == EAGAIN || error_number == ETIMEDOUT) {
    return Fail("IPC server did not answer", error);
  }
  Fail(strerror(error_number), error);
  error->Append(" (os error ");
  error->AppendNumber(static_cast<uint64_t>(error_number));
  error->Append(")");
  return false;
}

// 0 or an errno.
int ConnectSocket(int fd, const struct sockaddr_un& address) {
  // Bounds connect(2) on a full backlog.
  struct timeval limit = {};
  limit.tv_sec = static_cast<time_t>(kTimeoutMs / 1000);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  int result = -1;
  do {
    result = connect(fd, reinterpret_cast<const struct sockaddr*>(&address),
                     sizeof address);
  } while (result != 0 && errno == EINTR);
  const int error_number = result == 0 ? 0 : errno;
  // Reports wait as long as they must: one lost without the daemon's knowledge
  // could make it store a wrong result.
  limit.tv_sec = 0;
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return error_number;
}

// Fields of an EnvVar.
Variable ReadVariable(Slice message) {
  Variable variable;
  FieldReader fields(message);
  while (fields.Next()) {
    if (fields.field() == 1) {
      variable.name = fields.bytes();
    } else if (fields.field() == 2) {
      variable.value = fields.bytes();
    }
  }
  return variable;
}

}  // namespace

Connection::~Connection() {
  BecomeSink();
  free(snapshot_);
  free(found_);
}

bool Connection::Open(const char* endpoint, const char* client_name,
                      Bytes* error) {
  if (endpoint[0] != '/') {
    return Fail("IPC server name is not absolute", error);
  }
  return Connect(endpoint, error) && SayHello(client_name, error) &&
         // That a pipe was opened does not say that the daemon has heard of it.
         (requests_fd_ < 0 || AwaitHello(error));
}

bool Connection::Sync(Bytes* error) {
  Slice reply;
  return Ask(Request::kSync, Slice(), &reply, error);
}

bool Connection::Connect(const char* name, Bytes* error) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const char* const slash = strrchr(name, '/');
  int directory = -1;
  Bytes short_name;
  if (strlen(name) >= sizeof address.sun_path) {
    // sun_path holds 107 bytes; the rest of the name goes by descriptor.
    Bytes parent;
    parent.Append(Slice{name, static_cast<size_t>(slash - name) + 1});
    directory = open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
      return FailErrno(errno, error);
    }
    short_name.Append("/proc/self/fd/");
    short_name.AppendNumber(static_cast<uint64_t>(directory));
    short_name.Append(slash);
  } else {
    short_name.Append(name);
  }
  int error_number = 0;
  if (short_name.size() >= sizeof address.sun_path) {
    error_number = ENAMETOOLONG;
  } else {
    memcpy(address.sun_path, short_name.data(), short_name.size());
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    error_number = fd_ < 0 ? errno : ConnectSocket(fd_, address);
  }
  if (directory >= 0) {
    close(directory);
  }
  if (error_number == 0) {
    return true;
  }
  BecomeSink();
  // Nothing at the name: the endpoint has gone. All else may be a sandbox that
  // denies sockets.
  return (error_number != ENOENT && error_number != ENOTDIR &&
          ConnectPipes(name, NowMs() + kTimeoutMs, &requests_fd_, &fd_)) ||
         FailErrno(error_number, error);
}

bool Connection::SayHello(const char* client_name, Bytes* error) {
  Bytes hello;
  PutNumber(1, kProtocol, &hello);
  PutBytes(2, SliceOf(client_name), &hello);
  PutNumber(3, static_cast<uint64_t>(getpid()), &hello);
  PutBytes(4, SliceOf(program_invocation_name), &hello);
  PutNumber(5, 1, &hello);
  if (!MakeFrame(kHelloId, Request::kHello, hello.slice(), &frame_)) {
    return Fail("the program's name is too long", error);
  }
  Send(frame_.slice());
  return fd_ >= 0 || Fail("IPC server is gone", error);
}

bool Connection::AwaitHello(Bytes* error) {
  Slice reply;
  if (is_greeted_) {
    return true;
  }
  if (!AwaitReply(kHelloId, &reply, error)) {
    BecomeSink();
    return false;
  }
  hello_.Append(reply);
  Slice answer;
  for (FieldReader fields(hello_.slice()); fields.Next();) {
    if (fields.field() == 3) {
      answer = fields.bytes();
    }
  }
  if (!ReadHello(answer)) {
    BecomeSink();
    return Fail("invalid IPC rendezvous response", error);
  }
  is_greeted_ = true;
  return true;
}

bool Connection::ReadHello(Slice answer) {
  uint64_t protocol = 0;
  size_t count = 0;
  FieldReader counting(answer);
  while (counting.Next()) {
    if (counting.field() == 1) {
      protocol = counting.number();
    } else if (counting.field() == 2) {
      has_snapshot_ = counting.number() != 0;
    } else if (counting.field() == 3) {
      ++count;
    }
  }
  if (counting.is_broken() || protocol != kProtocol) {
    return false;
  }
  snapshot_ = static_cast<Variable*>(calloc(count + 1, sizeof(Variable)));
  has_snapshot_ = has_snapshot_ && snapshot_ != nullptr;
  for (FieldReader fields(answer); has_snapshot_ && fields.Next();) {
    if (fields.field() == 3) {
      snapshot_[snapshot_count_++] = ReadVariable(fields.bytes());
    }
  }
  return true;
}

bool Connection::Report(Request request, Slice message) {
  if (!MakeFrame(/*id=*/0, request, message, &frame_)) {
    return false;
  }
  Send(frame_.slice());
  return true;
}

bool Connection::GetEnv(Slice name, Slice message, bool* is_present,
                        Slice* value, Bytes* error) {
  *is_present = false;
  if (!AwaitHello(error)) {
    return false;
  }
  if (has_snapshot_) {
    // A name that does not fit in a frame is not one of a variable either.
    Report(Request::kGetEnv, message);
    size_t low = 0;
    size_t high = snapshot_count_;
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      const int order = Compare(snapshot_[middle].name, name);
      if (order == 0) {
        *is_present = true;
        *value = snapshot_[middle].value;
        return true;
      }
      (order < 0 ? low : high) = order < 0 ? middle + 1 : middle;
    }
    return true;
  }
  Slice reply;
  if (!Ask(Request::kGetEnv, message, &reply, error)) {
    return false;
  }
  for (FieldReader fields(reply); fields.Next();) {
    if (fields.field() == 4) {
      for (FieldReader answer(fields.bytes()); answer.Next();) {
        if (answer.field() == 1) {
          *is_present = answer.number() != 0;
        } else if (answer.field() == 2) {
          *value = answer.bytes();
        }
      }
    }
  }
  return true;
}

bool Connection::GetEnvs(const Slice* prefix, Slice message, Bytes* error) {
  found_count_ = 0;
  if (!AwaitHello(error)) {
    return false;
  }
  if (has_snapshot_ && prefix != nullptr) {
    Report(Request::kGetEnvs, message);
    for (size_t i = 0; prefix->size > 0 && i < snapshot_count_; ++i) {
      if (StartsWith(snapshot_[i].name, *prefix)) {
        AddFound(snapshot_[i].name, snapshot_[i].value);
      }
    }
    return true;
  }
  // The daemon has the one matcher of globs: what it answers now is what it
  // compares at the next lookup.
  Slice reply;
  if (!Ask(Request::kGetEnvs, message, &reply, error)) {
    return false;
  }
  for (FieldReader fields(reply); fields.Next();) {
    if (fields.field() == 5) {
      for (FieldReader answer(fields.bytes()); answer.Next();) {
        if (answer.field() == 1) {
          const Variable variable = ReadVariable(answer.bytes());
          AddFound(variable.name, variable.value);
        }
      }
    }
  }
  return true;
}

bool Connection::Ask(Request request, Slice message, Slice* reply,
                     Bytes* error) {
  if (!AwaitHello(error)) {
    return false;
  }
  const uint64_t id = ++last_id_;
  if (!MakeFrame(id, request, message, &frame_)) {
    error->Append("the query is too long");
    return false;
  }
  Send(frame_.slice());
  return AwaitReply(id, reply, error);
}

bool Connection::AwaitReply(uint64_t id, Slice* reply, Bytes* error) {
  const uint64_t deadline = NowMs() + kTimeoutMs;
  while (ReceiveFrame(deadline, error)) {
    *reply = Slice{input_.data() + kFrameHeaderBytes,
                   frame_size_ - kFrameHeaderBytes};
    uint64_t reply_id = 0;
    Slice refusal;
    FieldReader fields(*reply);
    while (fields.Next()) {
      if (fields.field() == 1) {
        reply_id = fields.number();
      } else if (fields.field() == 2) {
        refusal = fields.bytes();
      }
    }
    if (fields.is_broken()) {
      BecomeSink();
      error->Append("the runner's answer is malformed");
      return false;
    }
    // An older one belongs to a question that nobody waits for any more.
    if (reply_id == id) {
      error->Append(refusal);
      return refusal.size == 0;
    }
  }
  return false;
}

bool Connection::ReceiveFrame(uint64_t deadline_ms, Bytes* error) {
  input_.Drop(frame_size_);
  frame_size_ = 0;
  while (fd_ >= 0) {
    bool is_broken = false;
    frame_size_ = FrameSize(input_.slice(), &is_broken);
    if (frame_size_ > 0) {
      return true;
    }
    const uint64_t now = NowMs();
    if (is_broken || now >= deadline_ms) {
      error->Append(is_broken ? "invalid IPC rendezvous response"
                              : "IPC server did not answer");
      if (is_broken) {
        BecomeSink();
      }
      return false;
    }
    struct pollfd readable = {fd_, POLLIN, 0};
    if (poll(&readable, 1, static_cast<int>(deadline_ms - now)) <= 0) {
      continue;  // timed out, or a signal came
    }
    const size_t size = input_.size();
    input_.Resize(size + 16384);
    const ssize_t n = read(fd_, input_.data() + size, 16384);
    input_.Resize(size + (n > 0 ? static_cast<size_t>(n) : 0));
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
      BecomeSink();
    }
  }
  error->Append("IPC server is gone");
  return false;
}

void Connection::Send(Slice frame) {
  while (fd_ >= 0 && frame.size > 0) {
    const ssize_t n = SendSome(frame);
    if (n >= 0) {
      frame.data += n;
      frame.size -= static_cast<size_t>(n);
    } else if (errno != EINTR) {
      BecomeSink();
    }
  }
}

ssize_t Connection::SendSome(Slice bytes) {
  return requests_fd_ >= 0 ? WritePipe(requests_fd_, bytes)
                           : send(fd_, bytes.data, bytes.size, MSG_NOSIGNAL);
}

void Connection::BecomeSink() {
  if (fd_ >= 0) {
    close(fd_);
    fd_ = -1;
  }
  if (requests_fd_ >= 0) {
    close(requests_fd_);
    requests_fd_ = -1;
  }
}

void Connection::AddFound(Slice name, Slice value) {
  if (found_count_ == found_capacity_) {
    found_capacity_ = found_capacity_ == 0 ? 16 : found_capacity_ * 2;
    found_ = static_cast<Variable*>(
        realloc(found_, found_capacity_ * sizeof(Variable)));
    if (found_ == nullptr) {
      abort();
    }
  }
  found_[found_count_].name = name;
  found_[found_count_++].value = value;
}

}  // namespace vt_client
