// SPDX-License-Identifier: Apache-2.0
//
// The listening side. Life of an endpoint: serving, then draining (the socket
// is unlinked, what waits in the backlog is still accepted), then closed.

#include "daemon/ipc/tool_endpoint.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"
#include "daemon/ipc/pipe_rendezvous.h"
#include "daemon/ipc/report_collector.h"
#include "daemon/ipc/tool_connection.h"
#include "daemon/loop/fd_watch.h"

namespace vt::ipc {
namespace {

constexpr size_t kMaxConnections = 1024;
constexpr int kBacklog = 1024;
// How long accepting rests when descriptors have run out (guess).
constexpr absl::Duration kAcceptRest = absl::Milliseconds(50);

std::string RandomName() {
  unsigned char bytes[8] = {};
  // For uniqueness, not for secrecy.
  if (::getrandom(bytes, sizeof bytes, GRND_NONBLOCK) < 0) {
    bytes[0] = static_cast<unsigned char>(::getpid());
  }
  std::string name = "t";
  for (const unsigned char byte : bytes) {
    absl::StrAppend(&name, absl::Hex(byte, absl::kZeroPad2));
  }
  return name;
}

class Endpoint final : public ToolEndpoint, public ToolConnection::Owner {
 public:
  Endpoint(loop::EventLoop* loop, base::EnvMap env)
      : loop_(loop),
        collector_(std::move(env)) {}
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;
  ~Endpoint() override { Unlink(); }

  // Creates the socket as `directory`/`base_name`, and the pipes beside it.
  absl::Status Listen(const std::string& directory,
                      const std::string& base_name);

  const std::string& name() const override { return name_; }
  void Drain(absl::Duration limit,
             std::function<void(ToolReports)> done) override;

 private:
  absl::Status ListenOnSocket(const std::string& directory,
                              const std::string& base_name);
  // Where the process may not have a socket: a name that no socket is at.
  absl::Status HoldName();
  void ConnectionEnded(ToolConnection* connection) override;
  // Takes what waits in the backlog, up to `limit` connections in all.
  void AcceptPending(size_t limit);
  void Adopt(base::UniqueFd fd);
  void Connect(base::UniqueFd fd, base::UniqueFd replies, Peer peer);
  void RestFromAccepting();
  void FinishIfIdle();
  void Finish();
  void Unlink();

  loop::EventLoop* const loop_;
  std::string name_;
  bool is_linked_ = false;
  ReportCollector collector_;
  base::UniqueFd listener_;
  std::unique_ptr<loop::FdWatch> accept_watch_;
  std::unique_ptr<loop::Timer> rest_timer_;
  std::unique_ptr<PipeRendezvous> pipes_;
  absl::flat_hash_map<ToolConnection*, std::unique_ptr<ToolConnection>>
      connections_;
  // Set while draining.
  std::function<void(ToolReports)> done_;
  std::unique_ptr<loop::Timer> drain_timer_;
};

absl::Status Endpoint::Listen(const std::string& directory,
                              const std::string& base_name) {
  name_ = base::JoinPath(directory, base_name);
  const absl::Status socket = ListenOnSocket(directory, base_name);
  if (!socket.ok() && !absl::IsPermissionDenied(socket)) {
    return socket;
  }
  absl::StatusOr<std::unique_ptr<PipeRendezvous>> pipes = PipeRendezvous::Open(
      loop_, name_ + ".pipes",
      [this](base::UniqueFd requests, base::UniqueFd replies) {
        Peer peer;
        peer.origin.is_claimed = true;
        if (connections_.size() < kMaxConnections) {
          Connect(std::move(requests), std::move(replies), std::move(peer));
        }
      });
  if (pipes.ok()) {
    pipes_ = *std::move(pipes);
    return socket.ok() ? absl::OkStatus() : HoldName();
  }
  collector_.AddNote(std::string(pipes.status().message()));
  return socket;
}

absl::Status Endpoint::HoldName() {
  listener_.Reset();
  const base::UniqueFd file(
      ::open(name_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, S_IRUSR));
  is_linked_ = file.is_valid();
  return is_linked_
             ? absl::OkStatus()
             : base::ErrnoToStatus(errno, absl::StrCat("making `", name_, "`"));
}

absl::Status Endpoint::ListenOnSocket(const std::string& directory,
                                      const std::string& base_name) {
  const std::string what =
      absl::StrCat("making the tool endpoint `", name_, "`");
  listener_.Reset(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_.is_valid()) {
    return base::ErrnoToStatus(errno, what);
  }
  // sun_path holds 107 bytes and a NUL; a longer name goes through the
  // directory's descriptor (decisions H19).
  base::UniqueFd directory_fd;
  std::string address_name = name_;
  sockaddr_un address = {};
  if (address_name.size() >= sizeof address.sun_path) {
    directory_fd.Reset(
        ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory_fd.is_valid()) {
      return base::ErrnoToStatus(errno, what);
    }
    address_name =
        absl::StrCat("/proc/self/fd/", directory_fd.get(), "/", base_name);
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, address_name.c_str(), address_name.size() + 1);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address),
             sizeof address) != 0) {
    return base::ErrnoToStatus(errno, what);
  }
  is_linked_ = true;
  // Before listen(2), so that nobody can connect in between.
  if (::chmod(name_.c_str(), S_IRUSR | S_IWUSR) != 0 ||
      ::listen(listener_.get(), kBacklog) != 0) {
    return base::ErrnoToStatus(errno, what);
  }
  accept_watch_ = std::make_unique<loop::FdWatch>(
      loop_, listener_.get(), loop::FdWatch::kReadable,
      [this](int /*events*/) { AcceptPending(kMaxConnections); });
  return absl::OkStatus();
}

void Endpoint::AcceptPending(size_t limit) {
  while (listener_.is_valid()) {
    if (connections_.size() >= limit) {
      // Goes on when one ends.
      accept_watch_->SetEvents(0);
      return;
    }
    base::UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr,
                                SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.is_valid()) {
      Adopt(std::move(fd));
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      collector_.AddNote(
          absl::StrCat("accepting a client: ", std::strerror(errno)));
      RestFromAccepting();
      return;
    }
  }
  if (done_ != nullptr) {
    // The name is gone and the backlog is empty: nobody can come any more.
    accept_watch_.reset();
    listener_.Reset();
  }
}

void Endpoint::Adopt(base::UniqueFd fd) {
  ucred credentials = {};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) !=
      0) {
    return;
  }
  Peer peer;
  peer.origin.pid = credentials.pid;
  if (credentials.uid != ::geteuid()) {
    collector_.AddNote(absl::StrCat(Describe(peer.origin), ": refused: user ",
                                    credentials.uid));
    return;
  }
  Connect(std::move(fd), base::UniqueFd(), std::move(peer));
}

void Endpoint::Connect(base::UniqueFd fd, base::UniqueFd replies, Peer peer) {
  auto connection =
      std::make_unique<ToolConnection>(loop_, std::move(fd), std::move(replies),
                                       std::move(peer), &collector_, this);
  ToolConnection* const key = connection.get();
  connections_.emplace(key, std::move(connection));
}

void Endpoint::RestFromAccepting() {
  accept_watch_->SetEvents(0);
  rest_timer_ = std::make_unique<loop::Timer>(loop_, kAcceptRest, [this] {
    if (accept_watch_ != nullptr) {
      accept_watch_->SetEvents(loop::FdWatch::kReadable);
    }
    AcceptPending(kMaxConnections);
    FinishIfIdle();
  });
}

void Endpoint::ConnectionEnded(ToolConnection* connection) {
  connections_.erase(connection);
  if (accept_watch_ != nullptr && connections_.size() < kMaxConnections) {
    accept_watch_->SetEvents(loop::FdWatch::kReadable);
  }
  FinishIfIdle();
}

void Endpoint::Drain(absl::Duration limit,
                     std::function<void(ToolReports)> done) {
  done_ = std::move(done);
  Unlink();
  // Beyond this point no new client can find us.
  if (pipes_ != nullptr) {
    pipes_->TakePending();
    pipes_.reset();
  }
  drain_timer_ = std::make_unique<loop::Timer>(
      loop_, std::max(limit, absl::ZeroDuration()), [this] { Finish(); });
  AcceptPending(kMaxConnections + kBacklog);
  FinishIfIdle();
}

void Endpoint::FinishIfIdle() {
  if (done_ != nullptr && connections_.empty() && !listener_.is_valid()) {
    // From the loop, so that `done` may destroy us and our callers.
    drain_timer_ = std::make_unique<loop::Timer>(loop_, absl::ZeroDuration(),
                                                 [this] { Finish(); });
  }
}

void Endpoint::Finish() {
  AcceptPending(kMaxConnections + kBacklog);
  for (const auto& [connection, owned] : connections_) {
    if (!connection->TakeRest()) {
      collector_.AddLingering(connection->origin());
    }
  }
  accept_watch_.reset();
  listener_.Reset();
  rest_timer_.reset();
  connections_.clear();
  const std::function<void(ToolReports)> done = std::exchange(done_, nullptr);
  done(collector_.Take());
  // `this` may be gone.
}

void Endpoint::Unlink() {
  if (std::exchange(is_linked_, false)) {
    ::unlink(name_.c_str());
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ToolEndpoint>> ToolEndpoint::Open(
    loop::EventLoop* loop, ToolEndpointOptions options) {
  if (options.directory.empty() || options.directory[0] != '/') {
    return absl::InvalidArgumentError(absl::StrCat(
        "directory of tool endpoints `", options.directory, "`: not absolute"));
  }
  VT_RETURN_IF_ERROR(base::MakeDirectories(options.directory, S_IRWXU));
  auto endpoint = std::make_unique<Endpoint>(loop, std::move(options.env));
  VT_RETURN_IF_ERROR(endpoint->Listen(options.directory, RandomName()));
  return endpoint;
}

}  // namespace vt::ipc
