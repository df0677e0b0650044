// SPDX-License-Identifier: Apache-2.0

#include "daemon/keeper/keeper_client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "daemon/base/mutex.h"
#include "daemon/keeper/held_listeners.h"

namespace vt::keeper {
namespace {

constexpr time_t kAnswerTimeoutSeconds = 5;  // guess; far above any real answer

// Sends one message, with `fd` if it is not negative.
bool SendMessage(int socket, char kind, uint64_t id, int fd) {
  char message[kMessageBytes] = {kind};
  std::memcpy(message + 1, &id, sizeof id);
  iovec part = {message, sizeof message};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (fd >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(first), &fd, sizeof fd);
  }
  ssize_t n = 0;
  do {
    n = ::sendmsg(socket, &header, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n == kMessageBytes;
}

}  // namespace

// Threads that wait for their answer take turns at reading: one reads for all
// while the others sleep, and hands over when it has its own. Thread-safe.
class KeeperClient::Channel {
 public:
  explicit Channel(base::UniqueFd socket) : socket_(std::move(socket)) {
    ::fcntl(socket_.get(), F_SETFD, FD_CLOEXEC);
    const timeval limit = {kAnswerTimeoutSeconds, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }

  // The id under which `fd` is held, or 0 if it is not.
  uint64_t Hold(int fd) ABSL_LOCKS_EXCLUDED(mutex_) {
    uint64_t id = 0;
    {
      base::MutexLock lock(&mutex_);
      if (broken_) {
        return 0;
      }
      id = ++last_id_;
    }
    if (!SendMessage(socket_.get(), kHold, id, fd)) {
      return 0;
    }
    return AwaitAnswer(id) ? id : 0;
  }

  void Release(uint64_t id) {
    SendMessage(socket_.get(), kRelease, id, /*fd=*/-1);
  }

 private:
  bool AwaitAnswer(uint64_t id) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    for (;;) {
      const auto found = answers_.find(id);
      if (found != answers_.end()) {
        const bool held = found->second;
        answers_.erase(found);
        return held;
      }
      if (broken_) {
        return false;
      }
      if (reading_) {
        answered_.Wait(&mutex_);
        continue;
      }
      reading_ = true;
      mutex_.Unlock();
      char message[kMessageBytes] = {};
      ssize_t n = 0;
      do {
        n = ::recv(socket_.get(), message, sizeof message, 0);
      } while (n < 0 && errno == EINTR);
      mutex_.Lock();
      reading_ = false;
      uint64_t answered = 0;
      std::memcpy(&answered, message + 1, sizeof answered);
      if (n == kMessageBytes) {
        answers_[answered] = message[0] == kHeld;
      } else {
        broken_ = true;
      }
      answered_.SignalAll();
    }
  }

  const base::UniqueFd socket_;
  base::Mutex mutex_;
  base::CondVar answered_;
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  std::unordered_map<uint64_t, bool> answers_ ABSL_GUARDED_BY(mutex_);
};

KeeperClient::KeeperClient(base::UniqueFd socket) {
  if (socket.is_valid()) {
    channel_ = std::make_shared<Channel>(std::move(socket));
  }
}

KeeperClient::~KeeperClient() = default;

std::function<void()> KeeperClient::Entrust(int listener_fd) {
  const uint64_t id = channel_ != nullptr ? channel_->Hold(listener_fd) : 0;
  if (id == 0) {
    return [] {};
  }
  return [channel = channel_, id] { channel->Release(id); };
}

}  // namespace vt::keeper
