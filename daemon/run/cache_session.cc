// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/cache_session.h"

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "daemon/base/mutex.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/base/suggest.h"
#include "daemon/history/runs.h"
#include "daemon/loop/fd_watch.h"
#include "daemon/run/answer.h"
#include "daemon/run/cache_report.h"
#include "daemon/run/caller.h"
#include "daemon/run/housekeeping.h"
#include "daemon/run/live_line.h"
#include "daemon/run/run_log.h"
#include "daemon/workspace/members.h"
#include "daemon/workspace/sources.h"

namespace vt::run {
namespace {

using plan::CacheFlags;
using vtask::v1::RunResponse;

// What ends sooner needs no line.
constexpr absl::Duration kShowEvery = absl::Milliseconds(500);

// What the working thread and the session tell each other. Thread-safe.
class Talk {
 public:
  void Cancel() { cancelled_ = true; }
  bool Step(const cache::Progress& progress) {
    const base::MutexLock lock(&mutex_);
    progress_ = progress;
    return !cancelled_;
  }
  cache::Progress progress() const {
    const base::MutexLock lock(&mutex_);
    return progress_;
  }

 private:
  std::atomic<bool> cancelled_ = false;
  mutable base::Mutex mutex_;
  cache::Progress progress_ ABSL_GUARDED_BY(mutex_);
};

// All that the work needs to know.
struct Job {
  CacheFlags flags;
  cache::ActionCache* cache = nullptr;
  cache::Limits limits;
  std::string cwd;
  std::string directory;
  const RunLog* run_log = nullptr;
  std::string schema;  // URL
  std::shared_ptr<Talk> talk;
};
struct Answer {
  std::string text;
  int exit_code = 0;
};

// The package that `name` (a name, or a directory) means; its path.
absl::StatusOr<std::string> FindPackage(const workspace::Sources& sources,
                                        const std::string& name) {
  std::vector<std::string> names;
  std::optional<std::string> found;
  const std::string path = base::NormalizePath(name);
  for (const workspace::Sources::Source& source : sources.packages) {
    const bool is_it =
        source.package.name == name ||
        (source.package.path.empty() ? "." : source.package.path) == path;
    if (is_it && found.has_value()) {
      return absl::NotFoundError(absl::StrCat("several packages are called '",
                                              name, "'; name its directory"));
    }
    if (is_it) {
      found = source.package.path;
    }
    names.push_back(source.package.name);
  }
  if (!found.has_value()) {
    return absl::NotFoundError(absl::StrCat("Package '", name, "' not found",
                                            base::DidYouMean(name, names)));
  }
  return *found;
}

absl::StatusOr<cache::CleanFilter> FilterOf(const Job& job) {
  cache::CleanFilter filter;
  absl::StatusOr<workspace::Root> root = workspace::FindRoot(job.cwd);
  if (!root.ok()) {
    return absl::NotFoundError(absl::StrCat(
        root.status().message(),
        "\n* `vt cache clean --all` removes the results of all workspaces"));
  }
  filter.root = root->directory;
  std::optional<std::string> package = job.flags.package;
  filter.task = job.flags.task;
  if (filter.task.has_value()) {
    const size_t hash = filter.task->rfind('#');
    if (hash != std::string::npos) {
      package = filter.task->substr(0, hash);
      filter.task = filter.task->substr(hash + 1);
    }
  }
  if (package.has_value()) {
    VT_ASSIGN_OR_RETURN(const workspace::Sources sources,
                        workspace::Scan(job.cwd));
    VT_ASSIGN_OR_RETURN(filter.package_path, FindPackage(sources, *package));
  }
  return filter;
}

// R-CACHE-22: says nothing.
absl::StatusOr<Answer> Clean(const Job& job, const cache::Pace& pace) {
  if (job.flags.all) {
    history::ForgetAllRuns(job.run_log->Settled());
    VT_RETURN_IF_ERROR(job.cache->Clean());
    return Answer();
  }
  cache::SweepRequest request;
  request.pace = pace;
  VT_ASSIGN_OR_RETURN(request.clean, FilterOf(job));
  if (!request.clean->task.has_value() &&
      !request.clean->package_path.has_value()) {
    history::ForgetRuns(job.run_log->Settled(), request.clean->root);
  }
  const absl::Status swept = job.cache->Sweep(request).status();
  // What cannot be read cannot be sorted out either.
  VT_RETURN_IF_ERROR(absl::IsDataLoss(swept) ? job.cache->Clean() : swept);
  return Answer();
}

absl::StatusOr<Answer> Status(const Job& job, const cache::Pace& pace) {
  const absl::StatusOr<workspace::Root> root = workspace::FindRoot(job.cwd);
  CacheStatus status;
  VT_ASSIGN_OR_RETURN(
      status.size, job.cache->Measure(root.ok() ? root->directory : "", pace));
  status.directory = job.directory;
  status.limits = job.limits;
  status.rate = history::CountHits(job.run_log->Settled());
  return Answer{job.flags.json ? CacheStatusJson(status, job.schema)
                               : CacheStatusText(status, absl::Now())};
}

absl::StatusOr<Answer> Work(const Job& job) {
  const cache::Pace pace = [&](const cache::Progress& progress) {
    return job.talk->Step(progress);
  };
  switch (job.flags.verb) {
    case CacheFlags::Verb::kStatus:
      return Status(job, pace);
    case CacheFlags::Verb::kClean:
      return Clean(job, pace);
    case CacheFlags::Verb::kPrune: {
      cache::SweepRequest request;
      request.limits = job.limits;
      request.limits.max_bytes =
          job.flags.max_bytes.value_or(request.limits.max_bytes);
      request.limits.max_age =
          job.flags.max_age.value_or(request.limits.max_age);
      request.pace = pace;
      VT_ASSIGN_OR_RETURN(const cache::SweepReport report,
                          job.cache->Sweep(request));
      if (request.limits.max_age != absl::InfiniteDuration()) {
        history::PruneRuns(job.run_log->Settled(),
                           absl::Now() - request.limits.max_age);
      }
      return Answer{job.flags.json ? SweepJson(report, job.schema)
                                   : SweepText(report)};
    }
    case CacheFlags::Verb::kVerify: {
      VT_ASSIGN_OR_RETURN(const cache::VerifyReport report,
                          job.cache->Verify(pace));
      return Answer{
          job.flags.json ? VerifyJson(report, job.schema) : VerifyText(report),
          report.damaged + report.missing == 0 ? 0 : 1};
    }
    case CacheFlags::Verb::kPath:
      break;
  }
  return Answer{absl::StrCat(job.directory, "\n")};
}

class CacheSession final : public Session {
 public:
  CacheSession(RunId id, Engine* engine, vtask::v1::RunStart start,
               CacheFlags flags, RunSink* sink, Hooks hooks)
      : id_(id),
        engine_(engine),
        start_(std::move(start)),
        flags_(std::move(flags)),
        sink_(sink),
        hooks_(std::move(hooks)) {}
  ~CacheSession() override { talk_->Cancel(); }

  void Start() override;
  void Signal(int) override {
    interrupted_ = true;
    talk_->Cancel();
  }
  void Stdin(absl::string_view, bool) override {}
  void Resized(const vtask::v1::Terminal&) override {}
  void Executed(const vtask::v1::RunRequest::Executed&) override {}
  void FileOpened(const std::string&) override {}
  void SinkDrained() override {}
  void CallerGone() override { Signal(0); }
  vtask::v1::RunInfo info() const override {
    return InfoOf(id_, start_, root_, started_);
  }
  const std::string& workspace_root() const override { return root_; }

 private:
  void ShowLater();
  void Show(const std::string& line);
  void OnAnswer(absl::StatusOr<Answer> answer);
  void End(int exit_code);

  const RunId id_;
  Engine* const engine_;
  const vtask::v1::RunStart start_;
  const CacheFlags flags_;
  RunSink* const sink_;
  const Hooks hooks_;
  const std::string root_;  // of no workspace
  const absl::Time started_ = absl::Now();
  const std::shared_ptr<Talk> talk_ = std::make_shared<Talk>();
  bool interrupted_ = false;
  std::string shown_;
  std::unique_ptr<loop::Timer> timer_;
};

void CacheSession::Start() {
  Job job;
  job.flags = flags_;
  job.cache = engine_->cache;
  job.limits = engine_->housekeeping->limits();
  job.cwd = FactsOf(start_.caller()).cwd;
  job.directory = engine_->options.cache_directory;
  job.run_log = engine_->run_log;
  job.schema = base::FileUrl(
      base::JoinPath(engine_->options.schema_directory, "cache.schema.json"));
  job.talk = talk_;
  if (job.cache == nullptr && flags_.verb != CacheFlags::Verb::kPath) {
    OnAnswer(absl::UnavailableError(engine_->cache_error));
    return;
  }
  if (WantsLiveLine(start_, FactsOf(start_.caller()).env)) {
    ShowLater();
  }
  // The session may be gone when the answer comes.
  const std::weak_ptr<Talk> alive = talk_;
  engine_->housekeeping->Run(
      [job = std::move(job)]() mutable {
        absl::StatusOr<Answer> answer = Work(job);
        job.talk = nullptr;
        return answer;
      },
      [this, alive](absl::StatusOr<Answer> answer) {
        if (!alive.expired()) {
          OnAnswer(std::move(answer));
        }
      });
}

void CacheSession::ShowLater() {
  timer_ = std::make_unique<loop::Timer>(engine_->loop, kShowEvery, [this] {
    const cache::Progress progress = talk_->progress();
    if (*progress.what != '\0') {
      Show(absl::StrCat(
          "▸ ", progress.what, ": ", progress.done,
          progress.total == 0 ? "" : absl::StrCat("/", progress.total)));
    }
    ShowLater();
  });
}

void CacheSession::Show(const std::string& line) {
  if (line != shown_) {
    shown_ = line;
    RunResponse response;
    response.set_status_line(line);
    sink_->Send(std::move(response));
  }
}

void CacheSession::OnAnswer(absl::StatusOr<Answer> answer) {
  timer_ = nullptr;
  Show("");
  if (interrupted_) {
    End(130);
  } else if (!answer.ok()) {
    SendText(/*is_stderr=*/true,
             absl::StrCat("error: ", answer.status().message(), "\n"), sink_);
    End(1);
  } else {
    if (!answer->text.empty()) {
      SendText(/*is_stderr=*/false, std::move(answer->text), sink_);
    }
    End(answer->exit_code);
  }
}

void CacheSession::End(int exit_code) {
  SendExit(exit_code, sink_);
  // The last word: this object may be gone when it returns.
  engine_->loop->Post([this] { hooks_.on_done(id_); });
}

}  // namespace

std::unique_ptr<Session> MakeCacheSession(RunId id, Engine* engine,
                                          vtask::v1::RunStart start,
                                          CacheFlags flags, RunSink* sink,
                                          Session::Hooks hooks) {
  return std::make_unique<CacheSession>(
      id, engine, std::move(start), std::move(flags), sink, std::move(hooks));
}

}  // namespace vt::run
