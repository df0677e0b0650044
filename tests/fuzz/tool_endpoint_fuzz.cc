// SPDX-License-Identifier: Apache-2.0
//
// Plays clients of a real ToolEndpoint: what they write, and when they come,
// read and go, is the input (make_tool_corpus.py makes some). A sequence of
//
//   u8 op: the low 3 bits what, the high 5 bits who (modulo 4 clients)
//     0  connect                   4  read what is there
//     1  u8 n, n bytes as they are 5  close
//     2  u8 n, a frame of n bytes  6  end its side (shutdown)
//     3  a hello                   7  let the loop have its turns
//
// In the end the endpoint drains at once. It must then be gone from the disk,
// and what it collected must keep its limits.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "daemon/base/mutex.h"
#include "daemon/base/unique_fd.h"
#include "daemon/ipc/frame.h"
#include "daemon/ipc/tool_endpoint.h"
#include "daemon/loop/event_loop.h"

namespace vt::ipc {
namespace {

constexpr size_t kClients = 4;

void Demand(bool is_true) {
  if (!is_true) {
    std::abort();
  }
}

loop::EventLoop* Loop() {
  static loop::EventLoop* const loop = [] {
    auto started = loop::EventLoop::Start();
    Demand(started.ok());
    return started->release();
  }();
  return loop;
}

template <typename Work>
void OnLoop(Work work) {
  base::Notification done;
  Loop()->Post([&] {
    work();
    done.Notify();
  });
  done.Wait();
}

const std::string& Directory() {
  static const std::string* const directory = [] {
    char name[] = "/tmp/vt.fuzz.XXXXXX";
    Demand(::mkdtemp(name) != nullptr);
    return new std::string(name);
  }();
  return *directory;
}

class Clients {
 public:
  explicit Clients(const std::string& name) : name_(name) {}

  void Connect(size_t who) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    Demand(name_.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, name_.c_str(), name_.size());
    fds_[who].Reset(
        ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    static_cast<void>(::connect(fds_[who].get(),
                                reinterpret_cast<const sockaddr*>(&address),
                                sizeof address));
  }
  void Write(size_t who, const std::string& bytes) {
    static_cast<void>(::send(fds_[who].get(), bytes.data(), bytes.size(),
                             MSG_NOSIGNAL | MSG_DONTWAIT));
  }
  void Read(size_t who) {
    char buffer[65536];
    while (::recv(fds_[who].get(), buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
  }
  void Close(size_t who) { fds_[who].Reset(); }
  void EndWriting(size_t who) { ::shutdown(fds_[who].get(), SHUT_WR); }

 private:
  const std::string name_;
  base::UniqueFd fds_[kClients];
};

std::string Frame(const std::string& body) {
  std::string frame;
  AppendFrame(body, &frame);
  return frame;
}

void Play(const uint8_t* data, size_t size, Clients* clients) {
  const auto take_bytes = [&] {
    const size_t count = size > 0 ? std::min<size_t>(data[0], size - 1) : 0;
    const std::string bytes(
        size > 0 ? reinterpret_cast<const char*>(data) + 1 : "", count);
    const size_t taken = size > 0 ? count + 1 : 0;
    data += taken;
    size -= taken;
    return bytes;
  };
  while (size > 0) {
    const uint8_t op = data[0];
    const size_t who = (op >> 3) % kClients;
    ++data;
    --size;
    switch (op & 7) {
      case 0:
        clients->Connect(who);
        break;
      case 1:
        clients->Write(who, take_bytes());
        break;
      case 2:
        clients->Write(who, Frame(take_bytes()));
        break;
      case 3:
        // id 1, hello of protocol 1 that wants the environment.
        clients->Write(who, Frame(std::string("\x08\x01\x12\x04\x08\x01\x28\x01",
                                              8)));
        break;
      case 4:
        clients->Read(who);
        break;
      case 5:
        clients->Close(who);
        break;
      case 6:
        clients->EndWriting(who);
        break;
      default:
        OnLoop([] {});
        break;
    }
  }
}

void Check(const ToolReports& reports) {
  Demand(reports.notes.size() <= 101);
  Demand(reports.lingering.size() <= kClients);
  for (const PathReport& path : reports.ignored_inputs) {
    Demand(!path.path.empty() && path.path[0] == '/');
  }
  for (const EnvReport& env : reports.env) {
    Demand(env.kind == EnvReport::Kind::kName || !env.text.empty());
  }
}

void Run(const uint8_t* data, size_t size) {
  std::unique_ptr<ToolEndpoint> endpoint;
  OnLoop([&] {
    auto opened = ToolEndpoint::Open(
        Loop(), {Directory(), {{"A", "1"}, {"AB", std::string(3000, 'x')}}});
    Demand(opened.ok());
    endpoint = *std::move(opened);
  });
  {
    Clients clients(endpoint->name());
    Play(data, size, &clients);
    ToolReports reports;
    base::Notification drained;
    OnLoop([&] {
      endpoint->Drain(absl::ZeroDuration(), [&](ToolReports all) {
        reports = std::move(all);
        drained.Notify();
      });
    });
    drained.Wait();
    Check(reports);
  }
  Demand(::access(endpoint->name().c_str(), F_OK) != 0);
  OnLoop([&] { endpoint.reset(); });
}

}  // namespace
}  // namespace vt::ipc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vt::ipc::Run(data, size);
  return 0;
}
