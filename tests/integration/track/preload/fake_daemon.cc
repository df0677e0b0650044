// SPDX-License-Identifier: Apache-2.0

#include "tests/integration/track/preload/fake_daemon.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

namespace vt::test {
namespace {

using track::ArenaHeader;
using track::ChunkHeader;
using track::kChunkSize;
using track::kHeaderSize;
using track::Record;
using track::RecordKind;

// The calls that may be signed, with the index of their path.
struct Signable {
  int number;
  int path;
};
constexpr Signable kSignable[] = {
    {SYS_openat, 1},    {SYS_newfstatat, 1}, {SYS_readlinkat, 1},
    {SYS_faccessat, 1}, {SYS_statx, 1},      {439, 1},
#if defined(__x86_64__)
    {SYS_open, 0},      {SYS_stat, 0},       {SYS_lstat, 0},
    {SYS_access, 0},    {SYS_readlink, 0},
#endif
};

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::abort();
}

uint16_t Op(int code) { return static_cast<uint16_t>(code); }

class Filter {
 public:
  explicit Filter(uint64_t signature) {
    Load(offsetof(seccomp_data, nr));
    for (const Signable& call : kSignable) {
      const size_t jump = code_.size();
      Emit(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call.number), 0, 0);
      SignatureTest(call.path, signature);
      if (call.number == SYS_newfstatat || call.number == SYS_statx) {
        FstatTest(call.number == SYS_statx ? 2 : 3);
      }
      Emit(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF, 0, 0);
      code_[jump].jf = static_cast<uint8_t>(code_.size() - jump - 1);
    }
    for (const int number : {SYS_chdir, SYS_fchdir, SYS_execve}) {
      Emit(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1);
      Emit(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF, 0, 0);
    }
    Emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
  }

  sock_fprog program() {
    return {static_cast<unsigned short>(code_.size()), code_.data()};
  }

 private:
  void Emit(int code, uint32_t k, uint8_t jump_true, uint8_t jump_false) {
    code_.push_back({Op(code), jump_true, jump_false, k});
  }
  void Load(size_t offset) {
    Emit(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset), 0, 0);
  }
  // Allows if args[5] ^ args[path] is the signature.
  void SignatureTest(int path, uint64_t signature) {
    const auto half = [&](size_t shift, uint8_t on_miss) {
      const size_t at = offsetof(seccomp_data, args) + shift;
      Load(at + 40);
      Emit(BPF_MISC | BPF_TAX, 0, 0, 0);
      Load(at + 8 * static_cast<size_t>(path));
      Emit(BPF_ALU | BPF_XOR | BPF_K,
           static_cast<uint32_t>(signature >> (8 * shift)), 0, 0);
      Emit(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, on_miss);
    };
    half(4, 6);
    half(0, 1);
    Emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
  }
  void FstatTest(size_t flags) {
    Load(offsetof(seccomp_data, args) + 8 * flags);
    Emit(BPF_JMP | BPF_JEQ | BPF_K, 0x1000, 0, 3);
    Load(offsetof(seccomp_data, args));
    Emit(BPF_JMP | BPF_JSET | BPF_K, 0x80000000U, 1, 0);
    Emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
  }

  std::vector<sock_filter> code_;
};

void SendDescriptor(int socket, int fd) {
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (::sendmsg(socket, &message, 0) != 1) {
    Die("sendmsg");
  }
}

int ReceiveDescriptor(int socket) {
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) {
    Die("recvmsg");
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& text : strings) {
    pointers.push_back(const_cast<char*>(text.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

class Session {
 public:
  explicit Session(const FakeOptions& options) : options_(options) {
    if (::getrandom(&signature_, sizeof signature_, 0) !=
        static_cast<ssize_t>(sizeof signature_)) {
      Die("getrandom");
    }
    MakeArena();
  }
  ~Session() {
    ::munmap(arena_, size_);
    ::close(memory_fd_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  FakeResult Run();

 private:
  void MakeArena();
  [[noreturn]] void Child(int socket, int output) const;
  void Serve(int listener);
  void Answer(int listener, const seccomp_notif& request);
  void Hello(int listener, const seccomp_notif& request);
  void AnswerHello(int listener, uint64_t id);
  static std::string ReadName(const seccomp_notif& request);
  void ReadRecords();
  void ReadChunk(uint32_t index);
  std::string BaseAt(uint32_t base) const;

  const FakeOptions& options_;
  uint64_t signature_ = 0;
  int memory_fd_ = -1;
  size_t size_ = 0;
  char* arena_ = nullptr;
  uint64_t delayed_ = 0;  // id of a hello
  FakeResult result_;
};

void Session::MakeArena() {
  size_ = kHeaderSize + size_t{options_.chunk_count} * kChunkSize;
  memory_fd_ = static_cast<int>(
      ::syscall(SYS_memfd_create, "vt-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (memory_fd_ < 0 ||
      ::ftruncate(memory_fd_, static_cast<off_t>(size_)) != 0 ||
      ::fcntl(memory_fd_, F_ADD_SEALS,
              F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    Die("memfd");
  }
  void* at =
      ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd_, 0);
  if (at == MAP_FAILED) {
    Die("mmap");
  }
  arena_ = static_cast<char*>(at);
  auto* header = reinterpret_cast<ArenaHeader*>(arena_);
  header->magic = track::kArenaMagic;
  header->version = track::kArenaVersion;
  header->signature = signature_;
  header->chunk_count = options_.chunk_count;
}

void Session::Child(int socket, int output) const {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::dup2(output, 1) < 0 || ::dup2(output, 2) < 0 ||
      ::chdir(options_.cwd.c_str()) != 0) {
    Die("child");
  }
  std::vector<std::string> env = options_.env;
  if (!options_.preload.empty()) {
    env.push_back("LD_PRELOAD=" + options_.preload);
  }
  const std::vector<char*> argv = Pointers(options_.argv);
  const std::vector<char*> envp = Pointers(env);
  if (options_.in_child) {
    options_.in_child();
  }
  Filter filter(signature_);
  const sock_fprog program = filter.program();
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const long listener = ::syscall(
      SYS_seccomp, SECCOMP_SET_MODE_FILTER,
      SECCOMP_FILTER_FLAG_NEW_LISTENER | (1UL << 5) /* WAIT_KILLABLE_RECV */,
      &program);
  if (listener < 0) {
    Die("seccomp");
  }
  SendDescriptor(socket, static_cast<int>(listener));
  ::close(static_cast<int>(listener));
  ::execve(argv[0], argv.data(), envp.data());
  Die("execve");
}

std::string Session::ReadName(const seccomp_notif& request) {
  size_t index = 0;
  for (const Signable& call : kSignable) {
    if (call.number == request.data.nr) {
      index = static_cast<size_t>(call.path);
    }
  }
  if (request.data.nr == SYS_fchdir) {
    return "";
  }
  std::string name;
  uint64_t at = request.data.args[index];
  while (name.size() < 4096) {
    char bytes[4096];
    const size_t count = 4096 - at % 4096;
    iovec local = {bytes, count};
    iovec remote = {reinterpret_cast<void*>(at), count};
    if (::process_vm_readv(static_cast<pid_t>(request.pid), &local, 1, &remote,
                           1, 0) != static_cast<ssize_t>(count)) {
      return "(unreadable)";
    }
    const size_t used = ::strnlen(bytes, count);
    name.append(bytes, used);
    if (used < count) {
      break;
    }
    at += count;
  }
  return name;
}

void Session::Hello(int listener, const seccomp_notif& request) {
  ++result_.hellos;
  if (options_.delay_first_hello && result_.hellos == 1) {
    delayed_ = request.id;
    options_.delay_first_hello();
    return;
  }
  AnswerHello(listener, request.id);
  if (delayed_ != 0) {
    AnswerHello(listener, std::exchange(delayed_, 0));
  }
}

void Session::AnswerHello(int listener, uint64_t id) {
  seccomp_notif_resp response = {};
  response.id = id;
  response.error = -options_.hello_error;
  if (options_.hello_error == 0 || result_.hellos > options_.refusals) {
    seccomp_notif_addfd add = {};
    add.id = id;
    add.flags = SECCOMP_ADDFD_FLAG_SEND;
    add.srcfd = static_cast<uint32_t>(memory_fd_);
    add.newfd_flags = O_CLOEXEC;
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0) {
      return;
    }
    response.error = -errno;
  }
  ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

void Session::Answer(int listener, const seccomp_notif& request) {
  auto* header = reinterpret_cast<ArenaHeader*>(arena_);
  if (request.data.nr == SYS_openat &&
      static_cast<uint32_t>(request.data.args[0]) ==
          static_cast<uint32_t>(track::kHelloDirectory) &&
      request.data.args[4] == track::kHelloWord &&
      request.data.args[5] == track::kArenaVersion) {
    Hello(listener, request);
    return;
  }
  if (request.data.nr == SYS_chdir || request.data.nr == SYS_fchdir) {
    __atomic_fetch_add(&header->epoch, 1U, __ATOMIC_ACQ_REL);
    __atomic_fetch_add(&header->cwd_generation, 1U, __ATOMIC_ACQ_REL);
  }
  result_.notified.push_back(
      {request.data.nr, ReadName(request), static_cast<pid_t>(request.pid)});
  if (options_.on_notified) {
    options_.on_notified(header, result_.notified.back());
  }
  seccomp_notif_resp response = {};
  response.id = request.id;
  response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

// Until the last process of the filter has gone.
void Session::Serve(int listener) {
  for (;;) {
    pollfd wait = {listener, POLLIN, 0};
    if (::poll(&wait, 1, -1) < 0 && errno != EINTR) {
      Die("poll");
    }
    if ((wait.revents & POLLIN) != 0) {
      seccomp_notif request = {};
      if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) == 0) {
        Answer(listener, request);
      }
    } else if ((wait.revents & POLLHUP) != 0) {
      return;
    }
  }
}

std::string Session::BaseAt(uint32_t base) const {
  const size_t at = size_t{base} * 8;
  if (at < kHeaderSize || at + sizeof(Record) > size_) {
    return "";
  }
  Record record;
  std::memcpy(&record, arena_ + at, sizeof record);
  if (record.state != 1 ||
      record.kind != static_cast<uint8_t>(RecordKind::kBase)) {
    return "";
  }
  return {arena_ + at + sizeof record, record.path_size};
}

void Session::ReadChunk(uint32_t index) {
  const size_t start = kHeaderSize + size_t{index} * kChunkSize;
  const auto* header = reinterpret_cast<const ChunkHeader*>(arena_ + start);
  const size_t used =
      std::min<size_t>(sizeof(ChunkHeader) + header->used, kChunkSize);
  size_t at = sizeof(ChunkHeader);
  while (at + sizeof(Record) <= used) {
    Record record;
    std::memcpy(&record, arena_ + start + at, sizeof record);
    if (record.size == 0) {
      at += 8;  // a writer was killed before its first store
      continue;
    }
    if (record.size % 8 != 0 || at + record.size > kChunkSize) {
      ++result_.damaged;
      return;
    }
    const char* text = arena_ + start + at + sizeof record;
    at += record.size;
    if (record.state != 1) {
      ++result_.torn;
      continue;
    }
    if (record.kind == 0 || record.kind > track::kLastRecordKind ||
        sizeof record + record.path_size > record.size || record.result > 0 ||
        record.path_size == 0) {
      ++result_.damaged;
      continue;
    }
    std::string path(text, record.path_size);
    if (path[0] != '/') {
      const std::string base = BaseAt(record.base);
      if (base.empty()) {
        ++result_.damaged;
      }
      path = base + "/" + path;
    } else if (record.base != 0) {
      ++result_.damaged;
    }
    if (record.kind != static_cast<uint8_t>(RecordKind::kBase)) {
      result_.records.push_back({static_cast<RecordKind>(record.kind), path,
                                 record.result, record.epoch});
    }
  }
}

void Session::ReadRecords() {
  const auto* header = reinterpret_cast<const ArenaHeader*>(arena_);
  result_.flags = header->flags;
  result_.chunks_taken = header->next_chunk;
  for (uint32_t i = 0; i < std::min(header->next_chunk, options_.chunk_count);
       ++i) {
    ReadChunk(i);
  }
}

FakeResult Session::Run() {
  int sockets[2];
  int output[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0 ||
      ::pipe2(output, O_CLOEXEC) != 0) {
    Die("socketpair");
  }
  const pid_t child = ::fork();
  if (child == 0) {
    Child(sockets[1], output[1]);
  }
  ::close(output[1]);
  ::close(sockets[1]);
  const int listener = ReceiveDescriptor(sockets[0]);
  std::thread server([this, listener] { Serve(listener); });
  char bytes[4096];
  ssize_t count = 0;
  while ((count = ::read(output[0], bytes, sizeof bytes)) > 0) {
    result_.output.append(bytes, static_cast<size_t>(count));
  }
  ::waitpid(child, &result_.status, 0);
  server.join();
  ::close(listener);
  ::close(sockets[0]);
  ::close(output[0]);
  ReadRecords();
  return std::move(result_);
}

std::string LastComponent(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

std::set<std::string> FakeResult::RecordedPaths() const {
  std::set<std::string> paths;
  for (const SignedRecord& record : records) {
    paths.insert(record.path);
  }
  return paths;
}

std::multiset<std::string> FakeResult::NotifiedNames() const {
  std::multiset<std::string> names;
  for (const Notified& each : notified) {
    names.insert(LastComponent(each.name));
  }
  return names;
}

std::multiset<std::string> FakeResult::RecordedNames() const {
  std::multiset<std::string> names;
  for (const SignedRecord& record : records) {
    names.insert(LastComponent(record.path));
  }
  return names;
}

const SignedRecord* FakeResult::Find(const std::string& name) const {
  for (const SignedRecord& record : records) {
    if (LastComponent(record.path) == name) {
      return &record;
    }
  }
  return nullptr;
}

FakeResult RunUnderFakeDaemon(const FakeOptions& options) {
  return Session(options).Run();
}

}  // namespace vt::test
