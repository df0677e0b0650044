// SPDX-License-Identifier: Apache-2.0

#include "daemon/ipc/report_collector.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "daemon/base/unique_fd.h"
#include "daemon/ipc/frame.h"

namespace vt::ipc {
namespace {

namespace wire = ::vtask::tool::v1;

constexpr size_t kMaxNotes = 100;
// Guess: a build that ignores 100,000 paths of 200 bytes needs 20 MB.
constexpr size_t kMaxReportBytes = size_t{64} << 20;
constexpr size_t kMaxQuotedBytes = 200;

// A tool's bytes, fit for a message.
std::string Quote(absl::string_view bytes) {
  const bool is_cut = bytes.size() > kMaxQuotedBytes;
  return absl::StrCat("\"",
                      absl::Utf8SafeCEscape(bytes.substr(0, kMaxQuotedBytes)),
                      is_cut ? "\" (cut)" : "\"");
}

const char* RequestName(wire::ToolRequest::RequestCase which) {
  switch (which) {
    case wire::ToolRequest::kHello:
      return "hello";
    case wire::ToolRequest::kIgnoreInput:
      return "ignore_input";
    case wire::ToolRequest::kIgnoreOutput:
      return "ignore_output";
    case wire::ToolRequest::kTrackInput:
      return "track_input";
    case wire::ToolRequest::kTrackOutput:
      return "track_output";
    case wire::ToolRequest::kGetEnv:
      return "get_env";
    case wire::ToolRequest::kGetEnvs:
      return "get_envs";
    case wire::ToolRequest::kDisableCache:
      return "disable_cache";
    case wire::ToolRequest::kTrackValue:
      return "track_value";
    case wire::ToolRequest::kSync:
      return "sync";
    case wire::ToolRequest::REQUEST_NOT_SET:
      break;
  }
  return "request";
}

std::string ReadCommandLine(int pid, size_t limit) {
  const std::string name = absl::StrCat("/proc/", pid, "/cmdline");
  const base::UniqueFd fd(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
  std::string command(limit, '\0');
  const ssize_t n = ::read(fd.get(), command.data(), limit);
  command.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return command;
}

// An interpreter's script is one of its first arguments: `node --x bin/vite`.
std::string PackageOf(int pid) {
  int left = 8;
  for (const absl::string_view argument :
       absl::StrSplit(ReadCommandLine(pid, 4096), '\0')) {
    if (!absl::StrContains(argument, "node_modules/")) {
      if (--left == 0) {
        break;
      }
      continue;
    }
    const std::string path =
        argument[0] == '/' ? std::string(argument)
                           : absl::StrCat("/proc/", pid, "/cwd/", argument);
    char resolved[PATH_MAX];
    return ::realpath(path.c_str(), resolved) == nullptr
               ? ""
               : PackageOfPath(resolved);
  }
  return "";
}

template <typename Reply>
void AppendEnv(const base::EnvMap& env, Reply* reply) {
  for (const auto& [name, value] : env) {
    wire::EnvVar* variable = reply->add_env();
    variable->set_name(name);
    variable->set_value(value);
  }
}

}  // namespace

std::string Describe(const ToolOrigin& origin) {
  return origin.argv0.empty()
             ? absl::StrCat("pid ", origin.pid)
             : absl::StrCat("pid ", origin.pid, " (", origin.argv0, ")");
}

std::string CommandOf(int pid, bool first_only, size_t limit) {
  std::string command = ReadCommandLine(pid, limit);
  if (first_only) {
    return command.substr(0, command.find('\0'));
  }
  while (!command.empty() && command.back() == '\0') {
    command.pop_back();
  }
  std::replace(command.begin(), command.end(), '\0', ' ');
  return command;
}

std::string PackageOfPath(absl::string_view path) {
  constexpr absl::string_view kFolder = "/node_modules/";
  const size_t at = path.rfind(kFolder);
  if (at == absl::string_view::npos) {
    return "";
  }
  const absl::string_view rest = path.substr(at + kFolder.size());
  size_t end = rest.find('/');
  if (absl::StartsWith(rest, "@") && end != absl::string_view::npos) {
    end = rest.find('/', end + 1);
  }
  const absl::string_view package =
      end == absl::string_view::npos ? "" : rest.substr(0, end);
  return absl::StartsWith(package, ".") ? "" : std::string(package);
}

void ReportCollector::Handle(const wire::ToolRequest& request, Peer* peer,
                             wire::ToolReply* reply) {
  reply->set_id(request.id());
  std::string error = Dispatch(request, peer, reply);
  if (error.empty()) {
    return;
  }
  reply->clear_reply();
  if (request.id() == 0) {
    AddNote(absl::StrCat(Describe(peer->origin), ": ",
                         RequestName(request.request_case()), ": ", error));
  }
  reply->set_error(std::move(error));
}

std::string ReportCollector::Dispatch(const wire::ToolRequest& request,
                                      Peer* peer, wire::ToolReply* reply) {
  const wire::ToolRequest::RequestCase which = request.request_case();
  const ToolOrigin& origin = peer->origin;
  if (which == wire::ToolRequest::kHello) {
    return Greet(request.hello(), peer, reply);
  }
  if (!peer->has_greeted) {
    return "the first request of a connection must be a hello";
  }
  switch (which) {
    case wire::ToolRequest::kIgnoreInput:
      return AddPath(request.ignore_input(), origin, &ignored_inputs_,
                     &reports_.ignored_inputs);
    case wire::ToolRequest::kIgnoreOutput:
      return AddPath(request.ignore_output(), origin, &ignored_outputs_,
                     &reports_.ignored_outputs);
    case wire::ToolRequest::kTrackInput:
      return AddPath(request.track_input(), origin, &tracked_inputs_,
                     &reports_.tracked_inputs);
    case wire::ToolRequest::kTrackOutput:
      return AddPath(request.track_output(), origin, &tracked_outputs_,
                     &reports_.tracked_outputs);
    case wire::ToolRequest::kGetEnv: {
      const wire::GetEnv& query = request.get_env();
      AddEnv(EnvReport::Kind::kName, query.name(), query.tracked(), origin);
      const auto found = env_.find(query.name());
      wire::EnvReply* answer = reply->mutable_env();
      if (found != env_.end()) {
        answer->set_present(true);
        answer->set_value(found->second);
      }
      return "";
    }
    case wire::ToolRequest::kGetEnvs:
      return GetEnvs(request.get_envs(), origin, reply);
    case wire::ToolRequest::kDisableCache:
      AddOptOut(request.disable_cache(), origin);
      return "";
    case wire::ToolRequest::kTrackValue:
      AddValue(request.track_value(), origin);
      return "";
    case wire::ToolRequest::kSync:
      return "";
    case wire::ToolRequest::kHello:
    case wire::ToolRequest::REQUEST_NOT_SET:
      break;
  }
  return "not a request that this version of vtask knows";
}

std::string ReportCollector::Greet(const wire::Hello& hello, Peer* peer,
                                   wire::ToolReply* reply) {
  if (peer->has_greeted) {
    return "this connection has had its hello";
  }
  if (hello.protocol() != 1) {
    return absl::StrCat("protocol ", hello.protocol(),
                        " is not known, this is protocol 1");
  }
  peer->has_greeted = true;
  peer->origin.client = hello.client();
  if (peer->origin.is_claimed) {
    peer->origin.pid = static_cast<int>(hello.pid());
  }
  peer->origin.argv0 =
      hello.argv0().empty()
          ? CommandOf(peer->origin.pid, /*first_only=*/true, kMaxQuotedBytes)
          : hello.argv0().substr(0, kMaxQuotedBytes);
  peer->origin.package = PackageOf(peer->origin.pid);
  wire::HelloReply* answer = reply->mutable_hello();
  answer->set_protocol(1);
  if (hello.want_env()) {
    AppendEnv(env_, answer);
    answer->set_has_env(true);
    // Too large for a frame: the client asks for each then.
    if (reply->ByteSizeLong() > kMaxFrameBytes) {
      answer->clear_env();
      answer->set_has_env(false);
    }
  }
  return "";
}

std::string ReportCollector::AddPath(const wire::PathReport& report,
                                     const ToolOrigin& origin, PathSet* seen,
                                     std::vector<PathReport>* paths) {
  const std::string& path = report.path();
  if (path.empty() || path[0] != '/') {
    return absl::StrCat("non-absolute path from the task: ", Quote(path));
  }
  if (!seen->contains(path) && Reserve(path.size(), origin)) {
    seen->insert(path);
    paths->push_back({path, origin});
  }
  return "";
}

std::string ReportCollector::GetEnvs(const wire::GetEnvs& query,
                                     const ToolOrigin& origin,
                                     wire::ToolReply* reply) {
  wire::EnvsReply* answer = reply->mutable_envs();
  switch (query.query().query_case()) {
    case wire::EnvQuery::kGlob: {
      const std::string& pattern = query.query().glob();
      const absl::StatusOr<base::EnvMap> matches =
          base::MatchEnvGlob(env_, pattern);
      if (!matches.ok()) {
        return absl::StrCat("invalid glob pattern from the task: ",
                            Quote(pattern), ": ", matches.status().message());
      }
      // These two match nothing, now and later: nothing to record (D8).
      if (!pattern.empty() && pattern != "*") {
        AddEnv(EnvReport::Kind::kGlob, pattern, query.tracked(), origin);
      }
      AppendEnv(*matches, answer);
      break;
    }
    case wire::EnvQuery::kPrefix: {
      const std::string& prefix = query.query().prefix();
      if (!prefix.empty()) {
        AddEnv(EnvReport::Kind::kPrefix, prefix, query.tracked(), origin);
      }
      AppendEnv(base::MatchEnvPrefix(env_, prefix), answer);
      break;
    }
    case wire::EnvQuery::QUERY_NOT_SET:
      return "a query must have a glob or a prefix";
  }
  if (reply->ByteSizeLong() > kMaxFrameBytes) {
    return "the answer is larger than a frame (1 MiB)";
  }
  return "";
}

void ReportCollector::AddEnv(EnvReport::Kind kind, const std::string& text,
                             bool tracked, const ToolOrigin& origin) {
  const auto found = env_index_.find(std::make_pair(kind, text));
  if (found != env_index_.end()) {
    EnvReport& report = reports_.env[found->second];
    if (tracked && !report.tracked) {
      report.tracked = true;
      report.origin = origin;
    }
    return;
  }
  if (Reserve(text.size(), origin)) {
    env_index_.emplace(std::make_pair(kind, text), reports_.env.size());
    reports_.env.push_back({kind, text, tracked, origin});
  }
}

void ReportCollector::AddOptOut(const wire::DisableCache& request,
                                const ToolOrigin& origin) {
  // By process too: what it means may depend on what the caller does (H15).
  std::string key = absl::StrCat(origin.pid, "\n", request.call_site(), "\n",
                                 request.reason());
  if (!opt_outs_.contains(key) && Reserve(key.size(), origin)) {
    opt_outs_.insert(std::move(key));
    reports_.opt_outs.push_back(
        {request.reason(), request.call_site(), origin});
  }
}

void ReportCollector::AddValue(const wire::TrackValue& report,
                               const ToolOrigin& origin) {
  std::string key =
      absl::StrCat(report.key().size(), " ", report.key(), report.value());
  if (!values_.contains(key) && Reserve(key.size(), origin)) {
    values_.insert(std::move(key));
    reports_.values.push_back({report.key(), report.value(), origin});
  }
}

// A report that cannot be kept makes the run not stored: what it was about is
// not known to the cache.
bool ReportCollector::Reserve(size_t bytes, const ToolOrigin& origin) {
  constexpr size_t kOverhead = sizeof(PathReport);
  if (bytes_ + bytes + kOverhead > kMaxReportBytes) {
    AddProtocolError(origin, "more than 64 MiB of reports");
    return false;
  }
  bytes_ += bytes + kOverhead;
  return true;
}

void ReportCollector::AddProtocolError(const ToolOrigin& origin,
                                       absl::string_view what) {
  if (reports_.protocol_error.empty()) {
    reports_.protocol_error = absl::StrCat(Describe(origin), ": ", what);
  }
}

void ReportCollector::AddNote(std::string note) {
  if (reports_.notes.size() < kMaxNotes) {
    reports_.notes.push_back(std::move(note));
  } else {
    ++unkept_notes_;
  }
}

void ReportCollector::AddLingering(ToolOrigin origin) {
  if (origin.argv0.empty()) {
    origin.argv0 = CommandOf(origin.pid, /*first_only=*/true, kMaxQuotedBytes);
  }
  origin.command = CommandOf(origin.pid, /*first_only=*/false, 256);
  reports_.lingering.push_back(std::move(origin));
}

ToolReports ReportCollector::Take() {
  if (unkept_notes_ > 0) {
    reports_.notes.push_back(absl::StrCat("and ", unkept_notes_, " more"));
  }
  std::sort(
      reports_.lingering.begin(), reports_.lingering.end(),
      [](const ToolOrigin& a, const ToolOrigin& b) { return a.pid < b.pid; });
  return std::move(reports_);
}

}  // namespace vt::ipc
