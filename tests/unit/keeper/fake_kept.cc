// SPDX-License-Identifier: Apache-2.0
//
// Stands for vtaskd under a real keeper:
//   fake_kept concurrent --ready-fd N --keeper-fd M
//     entrusts pipes from many threads; says "ok" if each stays open until its
//     release and not longer
//   fake_kept hold FIFO FIFO2 --ready-fd N --keeper-fd M
//     opens FIFO for writing and entrusts it; has a child that holds FIFO2
//     open; says its pid, and stays

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "daemon/keeper/keeper_client.h"

namespace {

using vt::base::UniqueFd;

void Say(int fd, const std::string& text) {
  static_cast<void>(::write(fd, text.data(), text.size()) == 0);
}

// Whether the last writer of the pipe `reader` is gone within `timeout_ms`.
bool HangsUp(int reader, int timeout_ms) {
  pollfd wait = {reader, POLLIN, 0};
  return ::poll(&wait, 1, timeout_ms) > 0;
}

bool EntrustOne(vt::keeper::KeeperClient* keeper) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return false;
  }
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const auto release = keeper->Entrust(writer.get());
  writer.Reset();
  if (HangsUp(reader.get(), 0)) {
    return false;  // the keeper did not hold it
  }
  release();
  return HangsUp(reader.get(), 10'000);
}

int Concurrent(vt::keeper::KeeperClient* keeper, int ready) {
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([keeper, &good] {
      for (int i = 0; i < 50; ++i) {
        good += EntrustOne(keeper) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  Say(ready, good == 400 ? "ok\n" : "only " + std::to_string(good) + "\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  int ready = -1;
  int keeper_fd = -1;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--ready-fd") == 0) {
      ready = std::atoi(argv[i + 1]);
    } else if (std::strcmp(argv[i], "--keeper-fd") == 0) {
      keeper_fd = std::atoi(argv[i + 1]);
    }
  }
  vt::keeper::KeeperClient keeper{UniqueFd(keeper_fd)};
  if (std::strcmp(argv[1], "concurrent") == 0) {
    return Concurrent(&keeper, ready);
  }
  UniqueFd fifo(::open(argv[2], O_WRONLY | O_CLOEXEC));
  keeper.Entrust(fifo.get());
  fifo.Reset();
  const UniqueFd task_alive(::open(argv[3], O_WRONLY | O_CLOEXEC));
  if (::fork() == 0) {
    ::pause();
  }
  Say(ready, std::to_string(::getpid()) + "\n");
  ::pause();
  return 0;
}
