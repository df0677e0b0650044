// SPDX-License-Identifier: Apache-2.0

#include "pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace vt_client {
namespace {

constexpr size_t kIdBytes = 16;

uint64_t NowMs() {
  struct timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 +
         static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

bool AppendId(Bytes* out) {
  unsigned char random[kIdBytes];
  if (getrandom(random, sizeof random, GRND_NONBLOCK) !=
      static_cast<ssize_t>(sizeof random)) {
    return false;
  }
  for (const unsigned char byte : random) {
    out->AppendByte("0123456789abcdef"[byte >> 4]);
    out->AppendByte("0123456789abcdef"[byte & 15]);
  }
  return true;
}

// Waits until the daemon has opened its end.
int OpenForWriting(const char* path, uint64_t deadline_ms) {
  for (;;) {
    const int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 || errno != ENXIO || NowMs() >= deadline_ms) {
      return fd;
    }
    struct timespec pause = {};
    pause.tv_nsec = 1000000;
    nanosleep(&pause, nullptr);
  }
}

bool Announce(const char* connect, Slice id) {
  const int fd = open(connect, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    return false;  // nobody reads it, or it is not there
  }
  Bytes line;
  line.Append(id);
  line.AppendByte('\n');
  // Less than PIPE_BUF: all of it or nothing.
  const ssize_t n = WritePipe(fd, line.slice());
  close(fd);
  return n == static_cast<ssize_t>(line.size());
}

}  // namespace

bool ConnectPipes(const char* name, uint64_t deadline_ms, int* requests,
                  int* replies) {
  Bytes directory;
  directory.Append(name);
  directory.Append(".pipes/");
  Bytes connect;
  connect.Append(directory.slice());
  connect.Append("connect");
  Bytes id;
  if (access(connect.c_str(), W_OK) != 0 || !AppendId(&id)) {
    return false;
  }
  Bytes request;
  request.Append(directory.slice());
  request.Append(id.slice());
  Bytes reply;
  reply.Append(request.slice());
  request.Append(".request");
  reply.Append(".reply");
  const bool made = mkfifo(request.c_str(), S_IRUSR | S_IWUSR) == 0 &&
                    mkfifo(reply.c_str(), S_IRUSR | S_IWUSR) == 0;
  *replies = made ? open(reply.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
  *requests = *replies >= 0 && Announce(connect.c_str(), id.slice())
                  ? OpenForWriting(request.c_str(), deadline_ms)
                  : -1;
  // The daemon removes the other's name, when it has opened it.
  unlink(request.c_str());
  if (*requests < 0) {
    unlink(reply.c_str());
    if (*replies >= 0) {
      close(*replies);
      *replies = -1;
    }
    return false;
  }
  // Reports wait as long as they must.
  fcntl(*requests, F_SETFL, fcntl(*requests, F_GETFL) & ~O_NONBLOCK);
  return true;
}

ssize_t WritePipe(int fd, Slice bytes) {
  sigset_t pipe;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  const ssize_t n = write(fd, bytes.data, bytes.size);
  const int error_number = errno;
  if (n < 0 && error_number == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    const struct timespec at_once = {};
    sigtimedwait(&pipe, nullptr, &at_once);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error_number;
  return n;
}

}  // namespace vt_client
