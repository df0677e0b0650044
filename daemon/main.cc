// SPDX-License-Identifier: Apache-2.0
//
// vtaskd: the composition root. Makes the parts, wires them, waits, and takes
// them apart again. What happens in which order, and why:
//
// Start. Directories, then the lock of the cache directory: from here on this
// is the only daemon of it, so a socket file that stands there is a dead one's.
// Then the socket (shims that connect now wait in its queue), the cache and the
// tracker's self-test in parallel, runner, server, and "ok" to whoever waits. A
// cache that cannot be opened stops nobody: runs go on uncached and say why.
//
// End. Asked by a signal, Shutdown, a newer shim or idleness, it first makes
// room (Leave): the socket file goes, the lock's text says "draining", no new
// run is taken; running actions go on but are not stored; the store is closed
// and the lock released, so that a successor can start while the last streams
// of this one still live. Nothing of ours depends on an orderly end: after
// SIGKILL the kernel has released the lock, and the next daemon removes the
// socket file.

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "daemon/base/env_query.h"
#include "daemon/base/mutex.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"
#include "daemon/base/user_config.h"
#include "daemon/base/version.h"
#include "daemon/cache/action_cache.h"
#include "daemon/keeper/keeper_client.h"
#include "daemon/lifecycle/daemon_lock.h"
#include "daemon/lifecycle/directories.h"
#include "daemon/lifecycle/flags.h"
#include "daemon/lifecycle/idle_timer.h"
#include "daemon/lifecycle/listener.h"
#include "daemon/lifecycle/readiness.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/fd_watch.h"
#include "daemon/loop/worker_pool.h"
#include "daemon/plan/cache_command.h"
#include "daemon/run/runner.h"
#include "daemon/service/server.h"
#include "daemon/settings/settings_file.h"
#include "daemon/track/preload_env.h"
#include "daemon/track/tracker.h"
#include "daemon/watch/pump.h"
#include "daemon/watch/watcher.h"

extern char** environ;

namespace vt {
namespace {

// For a predecessor that is closing its store: some flushing, not more.
constexpr absl::Duration kPredecessorPatience = absl::Seconds(10);
// For clients that were just answered, or let in at the last moment, to go.
constexpr absl::Duration kFarewell = absl::Milliseconds(500);
// The runner kills what it cancels within 7 s (decisions H17).
constexpr absl::Duration kCancelPatience = absl::Seconds(10);
constexpr int kServerStopMs = 2000;
// Longer than all that Stop and the destructors should take.
constexpr unsigned kWatchdogSeconds = 8;
// Room in the table of descriptors from the start. The kernel doubles the table
// of a process with threads only after a grace period of RCU (expand_files in
// fs/file.c), and whoever opens anything waits: measured 8 to 17 ms in the
// midst of a run, each time. 32 KiB.
constexpr rlim_t kDescriptorRoom = 4096;

void Log(const std::string& text) {
  std::fprintf(stderr, "%s vtaskd[%d]: %s\n",
               absl::FormatTime("%Y-%m-%d %H:%M:%E3S", absl::Now(),
                                absl::LocalTimeZone())
                   .c_str(),
               ::getpid(), text.c_str());
}

// A signal handler can reach nothing but a global.
int g_signal_event = -1;  // NOLINT: an eventfd, set before the handlers

void OnSignal(int /*number*/) {
  const int saved = errno;
  const uint64_t one = 1;
  static_cast<void>(::write(g_signal_event, &one, sizeof one) == 0);
  errno = saved;
}

// The last word when something hangs at the end (Daemon::Run).
void OnWatchdog(int /*number*/) {
  constexpr char kText[] = "vtaskd: something hangs; gone anyway\n";
  static_cast<void>(::write(STDERR_FILENO, kText, sizeof kText - 1) == 0);
  ::_exit(0);
}

// Handlers, not a blocked mask: a mask would be inherited by every task.
void Handle(int number, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(number, &action, nullptr);
}

// Where the cache lives, or why there is none.
struct CachePlace {
  std::string directory;  // "…/v1"
  std::string error;      // empty: usable
  std::string lock;
};

CachePlace FindCache(const lifecycle::Flags& flags) {
  CachePlace place;
  place.directory = base::JoinPath(flags.cache_dir, "v1");
  const absl::Status prepared = lifecycle::PrepareOwnDirectory(place.directory);
  const std::string network = lifecycle::NetworkFileSystem(flags.cache_dir);
  if (!prepared.ok()) {
    place.error = std::string(prepared.message());
  } else if (!network.empty()) {
    place.error =
        absl::StrCat("the cache directory `", flags.cache_dir,
                     "` is on a network file system (", network,
                     "): set VT_CACHE_DIR to a directory on a local disk");
  }
  // A lock on a network file system would also lock out other machines.
  place.lock = place.error.empty()
                   ? base::JoinPath(place.directory, "daemon.lock")
                   : absl::StrCat(flags.socket, ".lock");
  return place;
}

// `name` below the lib/vtask beside our bin; "" if it is not there.
std::string Companion(const std::string& name) {
  std::string self(PATH_MAX, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size());
  self.resize(length > 0 ? static_cast<size_t>(length) : 0);
  const std::string path = base::NormalizePath(
      base::JoinPath(base::Dirname(self), absl::StrCat("../lib/vtask/", name)));
  return ::access(path.c_str(), R_OK) == 0 ? path : "";
}

// The share/vtask/schema beside our bin. Its name is in documents, also where
// it is not there (a build tree).
std::string SchemaDirectory() {
  std::error_code error;
  const std::filesystem::path self =
      std::filesystem::read_symlink("/proc/self/exe", error);
  return base::NormalizePath(
      base::JoinPath(base::Dirname(self.string()), "../share/vtask/schema"));
}

track::Tier TestTracking() {
  int forced = 0;
  if (const char* text = std::getenv("VT_TRACK_TIER");  // NOLINT: none set it
      text != nullptr && !absl::SimpleAtoi(text, &forced)) {
    forced = 0;
  }
  return track::SelfTest(forced);
}

const char* GetOrNull(const base::EnvMap& env, const std::string& name) {
  const auto found = env.find(name);
  return found == env.end() ? nullptr : found->second.c_str();
}

std::string SettingsPath(const base::EnvMap& env) {
  return base::UserConfigPath(GetOrNull(env, "XDG_CONFIG_HOME"),
                              GetOrNull(env, "HOME"));
}

// What this process was started with wins over the user's file.
void Overrule(const lifecycle::Flags& flags, const base::EnvMap& env,
              settings::Settings* settings) {
  const bool has_cache_variable = env.contains("VT_CACHE_DIR");
  // What makes no sense there does not count.
  if (const char* text = GetOrNull(env, "VT_CACHE_MAX_SIZE")) {
    if (const auto bytes = plan::ParseSize(text)) {
      settings->cache_max_size = *bytes;
      settings->origins["cacheMaxSize"] = "VT_CACHE_MAX_SIZE";
    }
  }
  if (const char* text = GetOrNull(env, "VT_CACHE_MAX_AGE")) {
    if (const auto age = plan::ParseAge(text)) {
      settings->cache_max_age = *age;
      settings->origins["cacheMaxAge"] = "VT_CACHE_MAX_AGE";
    }
  }
  if (flags.idle_exit.has_value()) {
    settings->idle_exit = *flags.idle_exit;
    settings->origins["idleExit"] = flags.idle_exit_origin;
  }
  if (settings->cache_dir != flags.cache_dir) {
    // `vt` took it from the variable, or the default; or the file is newer.
    settings->cache_dir = flags.cache_dir;
    settings->origins.erase("cacheDir");
  }
  if (has_cache_variable) {
    settings->origins["cacheDir"] = "VT_CACHE_DIR";
  }
}

// Lives on the main thread, but for what says otherwise.
class Daemon {
 public:
  Daemon(lifecycle::Flags flags, const base::EnvMap& env)
      : flags_(std::move(flags)),
        settings_(SettingsPath(env),
                  [flags = flags_, env](settings::Settings* settings) {
                    Overrule(flags, env, settings);
                  }),
        build_(flags_.test_build != 0 ? flags_.test_build
                                      : base::BuildStamp()) {}

  // Beyond an OK this daemon serves.
  absl::Status Start();
  // Blocks until it is time to go, then goes. False: something hangs, and only
  // _exit will end this process.
  bool Run();

 private:
  absl::Status TakePlace();
  void OpenParts();
  absl::Status Serve();

  void OnLoop(const std::function<void()>& work);

  // On the loop.
  void Leave(bool cancel, const std::string& why);
  void Changed();

  const lifecycle::Flags flags_;
  settings::SettingsFile settings_;
  const uint64_t build_;
  CachePlace place_;
  std::unique_ptr<lifecycle::DaemonLock> lock_;
  std::unique_ptr<lifecycle::Listener> listener_;
  base::UniqueFd signal_event_;

  std::unique_ptr<loop::EventLoop> loop_;
  std::unique_ptr<loop::WorkerPool> workers_;
  std::unique_ptr<keeper::KeeperClient> keeper_;
  std::unique_ptr<cache::ActionCache> cache_;
  track::Tier tier_;
  std::unique_ptr<watch::Watcher> watcher_;  // null: there is none to be had
  std::unique_ptr<run::Runner> runner_;
  std::unique_ptr<service::Server> server_;

  // On the loop.
  std::unique_ptr<watch::Pump> pump_;
  std::unique_ptr<loop::FdWatch> signals_;
  std::unique_ptr<lifecycle::IdleTimer> idle_;
  std::unique_ptr<loop::Timer> drain_limit_;
  std::unique_ptr<loop::Timer> cancel_limit_;
  std::unique_ptr<loop::Timer> farewell_;
  std::thread closer_;  // closes the store
  int connections_ = 0;
  int run_calls_ = 0;
  bool had_clients_ = false;
  bool leaving_ = false;

  base::Notification may_exit_;
};

absl::Status Daemon::TakePlace() {
  VT_RETURN_IF_ERROR(lifecycle::PrepareRuntimeDirectory(flags_.runtime_dir));
  VT_RETURN_IF_ERROR(lifecycle::PrepareOwnDirectory(flags_.state_dir));
  place_ = FindCache(flags_);
  lifecycle::LockHolder self;
  self.pid = ::getpid();
  self.socket = flags_.socket;
  self.version = base::Version();
  self.build = build_;
  VT_ASSIGN_OR_RETURN(
      lifecycle::DaemonLock lock,
      lifecycle::DaemonLock::Acquire(place_.lock, self, kPredecessorPatience));
  lock_ = std::make_unique<lifecycle::DaemonLock>(std::move(lock));

  // Beyond this point nobody else serves this cache directory. What tasks leave
  // behind becomes our child, not init's.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  lifecycle::Listener listener = lifecycle::Listener::FromSystemd();
  if (!listener.is_valid()) {
    VT_ASSIGN_OR_RETURN(listener, lifecycle::Listener::Bind(flags_.socket));
  }
  listener_ = std::make_unique<lifecycle::Listener>(std::move(listener));
  return absl::OkStatus();
}

void Daemon::OpenParts() {
  // 15 to 125 ms (shared/stack.md 5): beside the self-test.
  std::future<absl::StatusOr<std::unique_ptr<cache::ActionCache>>> opening;
  if (place_.error.empty()) {
    opening = std::async(std::launch::async, [this] {
      return cache::ActionCache::Open(place_.directory);
    });
  }
  tier_ = TestTracking();
  if (opening.valid()) {
    auto cache = opening.get();
    if (cache.ok()) {
      cache_ = *std::move(cache);
    } else {
      place_.error = std::string(cache.status().message());
    }
  }
  if (!place_.error.empty()) {
    Log(absl::StrCat("no cache: ", place_.error));
  }
}

absl::Status Daemon::Serve() {
  run::RunnerOptions options;
  options.runtime_directory = flags_.runtime_dir;
  // Ours alone: the socket's name holds the cache directory, whose lock we
  // hold.
  options.tool_directory = absl::StrCat(flags_.socket, ".tools");
  options.state_directory = flags_.state_dir;
  options.socket_path = flags_.socket;
  options.cache_directory = flags_.cache_dir;
  options.schema_directory = SchemaDirectory();
  options.tool_addon = Companion("vt_client.node");
  options.config_loader = Companion("config_loader.mjs");
  options.tier = tier_;
  options.settings = &settings_;
  if (auto watcher = watch::Watcher::Create({}); watcher.ok()) {
    watcher_ = *std::move(watcher);
    pump_ = std::make_unique<watch::Pump>(loop_.get(), watcher_.get());
    options.watcher = watcher_.get();
  } else {
    Log(absl::StrCat("files are not watched: ", watcher.status().message()));
  }
  options.preload =
      track::FindPreload(std::string(base::Dirname(Companion("vt_preload.so"))),
                         flags_.runtime_dir);
  keeper_ =
      std::make_unique<keeper::KeeperClient>(base::UniqueFd(flags_.keeper_fd));
  options.entrust_listener = [this](int fd) { return keeper_->Entrust(fd); };
  runner_ = run::Runner::Create(loop_.get(), workers_.get(), cache_.get(),
                                place_.error, std::move(options));

  service::ServerOptions serving;
  serving.version = base::Version();
  serving.build = build_;
  serving.socket_path = flags_.socket;
  serving.cache_directory = flags_.cache_dir;
  serving.settings = &settings_;
  serving.tracking_tier = tier_.reason.empty()
                              ? absl::StrCat(tier_.level)
                              : absl::StrCat(tier_.level, ": ", tier_.reason);
  serving.on_shutdown_requested = [this](bool now) {
    Leave(now, "asked by a client");
  };
  serving.on_connections = [this](int count) {
    connections_ = count;
    Changed();
  };
  serving.on_run_calls = [this](int count) {
    run_calls_ = count;
    Changed();
  };
  serving.is_obsolete = [this] { return lock_->is_lost(); };
  auto server = service::Server::Start(loop_.get(), runner_.get(),
                                       listener_->TakeFd(), std::move(serving));
  if (!server.ok()) {
    return server.status();
  }
  server_ = *std::move(server);
  runner_->OnIdle([this] { Changed(); });
  idle_ = std::make_unique<lifecycle::IdleTimer>(
      loop_.get(), [this] { return settings_.Last().idle_exit; },
      [this] { Leave(false, "idle"); });
  return absl::OkStatus();
}

absl::Status Daemon::Start() {
  if (const absl::Status fault = settings_.Refresh().status(); !fault.ok()) {
    Log(absl::StrCat("settings: ", fault.message()));  // runs say it, too
  }
  VT_RETURN_IF_ERROR(TakePlace());
  VT_ASSIGN_OR_RETURN(loop_, loop::EventLoop::Start());
  workers_ = std::make_unique<loop::WorkerPool>(
      loop_.get(),
      static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
  OpenParts();

  signal_event_.Reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!signal_event_.is_valid()) {
    return base::ErrnoToStatus(errno, "eventfd");
  }
  absl::Status served;
  OnLoop([this, &served] {
    served = Serve();
    signals_ = std::make_unique<loop::FdWatch>(
        loop_.get(), signal_event_.get(), loop::FdWatch::kReadable,
        [this](int) {
          uint64_t count = 0;
          static_cast<void>(::read(signal_event_.get(), &count, sizeof count) ==
                            0);
          Leave(/*cancel=*/true, "signal");
        });
  });
  VT_RETURN_IF_ERROR(served);
  g_signal_event = signal_event_.get();
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    Handle(number, &OnSignal);
  }
  Log(absl::StrCat("version ", base::Version(), ", build ", build_,
                   ", tracking tier ", tier_.level, ", serves at `",
                   flags_.socket, "`"));
  return absl::OkStatus();
}

bool Daemon::Run() {
  may_exit_.Wait();
  ::alarm(kWatchdogSeconds);
  if (!server_->Stop(kServerStopMs)) {
    Log("a call did not end");
    return false;
  }
  OnLoop([this] {
    pump_.reset();
    signals_.reset();
    idle_.reset();
    drain_limit_.reset();
    cancel_limit_.reset();
    farewell_.reset();
    server_.reset();
    runner_.reset();
  });
  workers_.reset();
  closer_.join();
  cache_.reset();
  loop_.reset();
  Log("gone");
  return true;
}

void Daemon::OnLoop(const std::function<void()>& work) {
  base::Notification done;
  loop_->Post([&] {
    work();
    done.Notify();
  });
  done.Wait();
}

void Daemon::Leave(bool cancel, const std::string& why) {
  if (!leaving_) {
    leaving_ = true;
    Log(absl::StrCat("leaving: ", why));
    lifecycle::NotifySystemd("STOPPING=1");
    listener_->Unlink();
    lock_->MarkDraining();
    server_->StopAccepting();
    runner_->Drain(cancel);
    // Not on the loop, and not on a worker that may be busy for long.
    closer_ =
        std::thread([cache = cache_.get(), lock = std::move(*lock_)]() mutable {
          if (cache != nullptr) {
            cache->Close();
          }
          lock.Release();
        });
  } else if (cancel) {
    runner_->Drain(/*cancel=*/true);
  }
  const absl::Duration patience = settings_.Last().drain_timeout;
  if (!cancel && drain_limit_ == nullptr &&
      patience < absl::InfiniteDuration()) {
    drain_limit_ = std::make_unique<loop::Timer>(
        loop_.get(), patience, [this] { Leave(true, "drainTimeout"); });
  }
  if (cancel && cancel_limit_ == nullptr) {
    cancel_limit_ = std::make_unique<loop::Timer>(
        loop_.get(), kCancelPatience, [this] { may_exit_.Notify(); });
  }
  Changed();
}

void Daemon::Changed() {
  const bool running = run_calls_ > 0 || !runner_->Running().empty();
  if (idle_ != nullptr) {
    idle_->SetBusy(leaving_ || running || connections_ > 0);
  }
  had_clients_ = had_clients_ || connections_ > 0;
  if (flags_.one_shot && !leaving_ && had_clients_ && !running &&
      connections_ == 0) {
    Leave(false, "its client has gone");
    return;
  }
  if (!leaving_ || running) {
    farewell_.reset();
  } else if (connections_ == 0) {
    may_exit_.Notify();
  } else if (farewell_ == nullptr) {
    farewell_ = std::make_unique<loop::Timer>(loop_.get(), kFarewell,
                                              [this] { may_exit_.Notify(); });
  }
}

void PrepareProcess(const lifecycle::Flags& flags) {
  // Before any thread. gRPC's fork handlers would run at every spawn.
  ::setenv("GRPC_ENABLE_FORK_SUPPORT", "0", 1);  // NOLINT
  Handle(SIGPIPE, SIG_IGN);
  Handle(SIGALRM, &OnWatchdog);
  ::umask(077);
  for (const int fd : {flags.ready_fd, flags.keeper_fd}) {
    if (fd >= 0) {
      ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  }
  // Descriptors: some for each running action, client and watched directory.
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    // The table grows to hold the highest one that was ever open.
    const int last =
        static_cast<int>(std::min(limit.rlim_cur, kDescriptorRoom)) - 1;
    const base::UniqueFd highest(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, last));
  }
  // No directory of the user's is kept busy.
  static_cast<void>(::chdir("/") == 0);
}

int Main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    variables.emplace_back(*entry);
  }
  const base::EnvMap env = base::ParseEnv(variables);
  auto flags = lifecycle::ParseFlags(args, env, ::geteuid(), [&env] {
    return base::ReadCacheDir(SettingsPath(env));
  });
  if (!flags.ok()) {
    std::fprintf(stderr, "vtaskd: %s\n",
                 std::string(flags.status().message()).c_str());
    return 2;
  }
  if (flags->show_help) {
    std::fputs(lifecycle::HelpText(), stdout);
    return 0;
  }
  if (flags->show_version) {
    std::printf("vtaskd %s (build %llu)\n", base::Version(),
                static_cast<unsigned long long>(base::BuildStamp()));
    return 0;
  }
  PrepareProcess(*flags);
  const int ready_fd = flags->ready_fd;
  // On the heap and never freed: if something hangs, it must not be destroyed.
  auto* daemon = new Daemon(*std::move(flags), env);
  const absl::Status started = daemon->Start();
  lifecycle::ReportReady(ready_fd, started);
  if (!started.ok()) {
    Log(absl::StrCat("cannot start: ", started.message()));
    std::fflush(nullptr);
    ::_exit(1);
  }
  lifecycle::NotifySystemd("READY=1");
  const bool clean = daemon->Run();
  std::fflush(nullptr);
  if (!clean) {
    ::_exit(0);
  }
  delete daemon;
  return 0;
}

}  // namespace
}  // namespace vt

int main(int argc, char** argv) { return vt::Main(argc, argv); }
