// SPDX-License-Identifier: Apache-2.0
//
// Stands for vtaskd: the same flags, lock and ready pipe; each connection is
// served by ServeFake. What it should do at its start is in the file
// `<state>/mode`: "error" (says one), "die" (prints a line and dies). Each
// start appends a line to `<state>/starts`.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include "tests/unit/shim/fake_server.h"

namespace {

void Say(int fd, const std::string& text) {
  static_cast<void>(::write(fd, text.data(), text.size()) == 0);
}

std::string socket_path;

void Leave() {
  ::unlink(socket_path.c_str());
  ::_exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  // A test that was killed cannot stop us; nothing here takes this long.
  ::alarm(120);
  std::map<std::string, std::string> flags;
  for (int i = 1; i + 1 < argc; i += 2) {
    flags[argv[i]] = argv[i + 1];
  }
  const int ready = std::atoi(flags["--ready-fd"].c_str());
  const std::string state = flags["--state-dir"];
  socket_path = flags["--socket"];
  std::ofstream(state + "/starts", std::ios::app) << ::getpid() << "\n";
  std::string mode;
  std::ifstream(state + "/mode") >> mode;
  if (mode == "error") {
    Say(ready, "error: the fake has no wish\n");
    return 1;
  }
  if (mode == "die") {
    std::fprintf(stderr, "first line\nlast words\n");
    ::abort();
  }
  const std::string lock = flags["--cache-dir"] + "/v1/daemon.lock";
  ::mkdir((flags["--cache-dir"] + "/v1").c_str(), 0700);
  const int lock_fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (::flock(lock_fd, LOCK_EX | LOCK_NB) != 0) {
    Say(ready, "error: the cache is locked\n");
    return 1;
  }
  static_cast<void>(::ftruncate(lock_fd, 0) == 0);
  Say(lock_fd,
      std::to_string(::getpid()) + "\n" + socket_path + "\n0.1.0\n1\n");
  ::unlink(socket_path.c_str());
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (::chdir(flags["--runtime-dir"].c_str()) != 0) {
    return 1;
  }
  const std::string name = socket_path.substr(socket_path.rfind('/') + 1);
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) !=
          0 ||
      ::listen(listener, 128) != 0) {
    Say(ready, "error: bind\n");
    return 1;
  }
  Say(ready, "ok\n");
  ::close(ready);
  for (;;) {
    const int connection = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    std::thread([connection] {
      vt::test::FakeServerOptions options;
      options.on_shutdown = Leave;
      vt::test::ServeFake(connection, options);
    }).detach();
  }
}
