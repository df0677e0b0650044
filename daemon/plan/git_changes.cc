// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/git_changes.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "daemon/base/consulted.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"
#include "daemon/exec/spawn.h"
#include "daemon/base/find_program.h"

namespace vt::plan {
namespace {

// A guess: far more than any working tree takes, less than a person waits.
constexpr int kTimeoutMs = 60'000;

struct GitAnswer {
  std::string out;
  std::string err;
  std::optional<int> exit_code;  // nullopt: somebody else reaped it
};

// All of a memory file.
std::string Contents(int fd) {
  std::string out;
  char buffer[1 << 16];
  ssize_t count = 0;
  while ((count = ::pread(fd, buffer, sizeof buffer,
                          static_cast<off_t>(out.size()))) > 0) {
    out.append(buffer, static_cast<size_t>(count));
  }
  return out;
}

// Waits for `child`; false: it took too long and was killed.
bool WaitFor(const exec::Child& child, std::optional<int>* exit_code) {
  pollfd exited = {child.pidfd.get(), POLLIN, 0};
  int ready = 0;
  while ((ready = ::poll(&exited, 1, kTimeoutMs)) < 0 && errno == EINTR) {
  }
  if (ready == 0) {
    ::kill(-child.pid, SIGKILL);
  }
  siginfo_t info = {};
  if (::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED) ==
      0) {
    *exit_code = info.si_code == CLD_EXITED ? info.si_status : 128;
  }
  return ready != 0;
}

absl::StatusOr<GitAnswer> RunGit(std::vector<std::string> args,
                                 const std::string& directory,
                                 const base::EnvMap& env) {
  const auto path = env.find("PATH");
  exec::SpawnOptions options;
  options.program =
      base::FindProgram("git", path == env.end() ? "" : path->second, directory);
  if (options.program.empty()) {
    return absl::FailedPreconditionError(
        "`[…]` in a filter needs git, which is not in PATH");
  }
  options.argv = std::move(args);
  options.argv.insert(options.argv.begin(), "git");
  for (const auto& [name, value] : env) {
    if (name != "LC_ALL" && name != "GIT_OPTIONAL_LOCKS") {
      options.env.push_back(absl::StrCat(name, "=", value));
    }
  }
  // We only look: leave the index alone (git(1)). Its errors are read below.
  options.env.emplace_back("GIT_OPTIONAL_LOCKS=0");
  options.env.emplace_back("LC_ALL=C");
  options.cwd = directory;
  const base::UniqueFd out(::memfd_create("git-out", MFD_CLOEXEC));
  const base::UniqueFd err(::memfd_create("git-err", MFD_CLOEXEC));
  if (!out.is_valid() || !err.is_valid()) {
    return absl::ResourceExhaustedError("no memory file for git");
  }
  options.stdout_fd = out.get();
  options.stderr_fd = err.get();
  VT_ASSIGN_OR_RETURN(const exec::Child child, exec::Spawn(options));
  GitAnswer answer;
  if (!WaitFor(child, &answer.exit_code)) {
    return absl::FailedPreconditionError("git did not answer within a minute");
  }
  answer.out = Contents(out.get());
  answer.err = Contents(err.get());
  return answer;
}

bool HasFailed(const GitAnswer& answer) {
  return answer.exit_code.has_value() ? *answer.exit_code != 0
                                      : !answer.err.empty();
}

// The names that git prints, each followed by NUL.
absl::Status AppendNames(std::vector<std::string> args,
                         const std::string& directory, const base::EnvMap& env,
                         std::vector<std::string>* out) {
  VT_ASSIGN_OR_RETURN(const GitAnswer answer,
                      RunGit(std::move(args), directory, env));
  if (HasFailed(answer)) {
    return absl::FailedPreconditionError(
        absl::StrCat("git: ", absl::StripAsciiWhitespace(answer.err)));
  }
  for (const absl::string_view name :
       absl::StrSplit(answer.out, '\0', absl::SkipEmpty())) {
    out->emplace_back(name);
  }
  return absl::OkStatus();
}

// The commit that `ref` names.
absl::StatusOr<std::string> CommitOf(const std::string& ref,
                                     const std::string& directory,
                                     const base::EnvMap& env) {
  VT_ASSIGN_OR_RETURN(const GitAnswer answer,
                      RunGit({"rev-parse", "--verify", "--end-of-options",
                              absl::StrCat(ref, "^{commit}")},
                             directory, env));
  if (!HasFailed(answer)) {
    return std::string(absl::StripAsciiWhitespace(answer.out));
  }
  if (absl::StrContains(answer.err, "not a git repository")) {
    return absl::FailedPreconditionError(
        absl::StrCat("`", directory, "` is not in a git repository"));
  }
  if (absl::StrContains(answer.err, "Needed a single revision") ||
      absl::StrContains(answer.err, "unknown revision")) {
    return absl::FailedPreconditionError(absl::StrCat(
        "git does not know `", ref,
        "` here; fetch it first (a shallow clone has only a few commits)"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("git: ", absl::StripAsciiWhitespace(answer.err)));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ChangedSince(
    const std::string& ref, const std::string& directory,
    const base::EnvMap& env) {
  base::NoteUnwatchable();
  VT_ASSIGN_OR_RETURN(const std::string commit, CommitOf(ref, directory, env));
  std::vector<std::string> files;
  // --relative: what is outside of the workspace does not count.
  VT_RETURN_IF_ERROR(AppendNames({"diff", "--name-only", "-z", "--no-renames",
                                  "--no-ext-diff", "--relative", commit, "--"},
                                 directory, env, &files));
  VT_RETURN_IF_ERROR(
      AppendNames({"ls-files", "--others", "--exclude-standard", "-z"},
                  directory, env, &files));
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

}  // namespace vt::plan
