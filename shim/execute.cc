// SPDX-License-Identifier: Apache-2.0

#include "shim/execute.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

namespace vt::shim {
namespace {

// Pointers into `strings`, null-terminated, for execve.
std::vector<char*> Pointers(std::vector<std::string>* strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings->size() + 1);
  for (std::string& text : *strings) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

void Say(int socket, const std::string& text) {
  ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
}

}  // namespace

std::unique_ptr<TerminalTask> TerminalTask::Start(
    const vtask::v1::RunResponse::Execute& request, const std::string& keeper,
    const sigset_t& mask) {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    ends[0] = ends[1] = -1;
  }
  base::UniqueFd ours(ends[0]);
  const base::UniqueFd theirs(ends[1]);
  std::vector<std::string> args = {
      keeper, "--mind", std::to_string(theirs.get()), "--", request.program()};
  args.insert(args.end(), request.argv().begin(), request.argv().end());
  if (request.argv().empty()) {
    args.push_back(request.program());
  }
  std::vector<std::string> env(request.env().begin(), request.env().end());
  const std::vector<char*> argv = Pointers(&args);
  const std::vector<char*> envp = Pointers(&env);
  const pid_t child = theirs.is_valid() ? ::fork() : -1;
  if (child == 0) {
    if (::chdir(request.cwd().c_str()) != 0) {
      Say(theirs.get(),
          "F chdir `" + request.cwd() + "`: " + std::strerror(errno));
      ::_exit(1);
    }
    ::fcntl(theirs.get(), F_SETFD, 0);
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
    ::execve(argv[0], argv.data(), envp.data());
    Say(theirs.get(), "F execve `" + keeper + "`: " + std::strerror(errno));
    ::_exit(1);
  }
  if (child < 0) {
    Say(theirs.get(), std::string("F fork: ") + std::strerror(errno));
  }
  return std::unique_ptr<TerminalTask>(
      new TerminalTask(request.id(), std::move(ours), child));
}

TerminalTask::~TerminalTask() {
  socket_.Reset();
  ReapMinder();
}

int TerminalTask::ReapMinder() {
  int status = 0;
  if (minder_ > 0) {
    while (::waitpid(minder_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  minder_ = -1;
  return status;
}

TerminalTask::News TerminalTask::Read() {
  char text[4096] = {};
  ssize_t n = -1;
  if (socket_.is_valid()) {
    do {
      n = ::recv(socket_.get(), text, sizeof text - 1, 0);
      // ECONNRESET comes once, ahead of the last word, if the minder has ended
      // without reading a signal of ours (Linux, unix_release_sock).
    } while (n < 0 && (errno == EINTR || errno == ECONNRESET));
  }
  News news;
  const char* value = text + 2;
  if (n > 2 && text[0] == 'S') {
    has_started_ = true;
    news.kind = News::Kind::kStarted;
    news.pid = std::atoi(value);
    return news;
  }
  if (n > 2 && text[0] == 'X') {
    ReapMinder();
    news.wait_status = std::atoi(value);
    return news;
  }
  // Either it could not be started, or the minder died without a word: then the
  // task has died with it.
  const int minder_status = ReapMinder();
  if (n > 2 && text[0] == 'F') {
    news.kind = News::Kind::kNotStarted;
    news.error = value;
  } else if (!has_started_) {
    news.kind = News::Kind::kNotStarted;
    news.error = "vt-keeper ended without a word";
  } else {
    news.wait_status =
        WIFSIGNALED(minder_status) ? minder_status : W_EXITCODE(0, SIGKILL);
  }
  return news;
}

void TerminalTask::Signal(int number) {
  Say(socket_.get(), "T " + std::to_string(number));
}

void TerminalTask::Kill() { ::shutdown(socket_.get(), SHUT_WR); }

}  // namespace vt::shim
