// SPDX-License-Identifier: Apache-2.0

#include "shim/complete_command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "absl/strings/string_view.h"

#include "daemon/base/unique_fd.h"
#include "shim/caller.h"
#include "shim/completion_scripts.h"
#include "shim/connect.h"
#include "shim/exit_code.h"
#include "shim/output.h"
#include "shim/transport.h"

namespace vt::shim {
namespace {

constexpr char kHelp[] =
    "Prints the completion script of a shell.\n"
    "\n"
    "Usage: vt completion <bash|zsh|fish>\n"
    "\n"
    "  eval \"$(vt completion bash)\"     in ~/.bashrc\n"
    "  eval \"$(vt completion zsh)\"      in ~/.zshrc, after compinit\n"
    "  vt completion fish | source      in ~/.config/fish/config.fish\n";

// With a daemon to be started first; usually it is a hundredth of this.
constexpr int kPatienceMs = 2'000;

void OnTimeout(int /*number*/) { ::_exit(kExitOk); }

void LimitTime() {
  struct sigaction action = {};
  action.sa_handler = &OnTimeout;
  ::sigaction(SIGALRM, &action, nullptr);
  itimerval limit = {};
  limit.it_value.tv_sec = kPatienceMs / 1000;
  ::setitimer(ITIMER_REAL, &limit, nullptr);
}

bool IsOneLine(const std::string& text) {
  return text.find_first_of("\t\n\r") == std::string::npos;
}

}  // namespace

int CompletionCommand(int argc, char** argv) {
  const absl::string_view shell = argc > 2 ? argv[2] : "";
  if (shell == "-h" || shell == "--help") {
    Print(STDOUT_FILENO, kHelp);
    return kExitOk;
  }
  const char* script = shell == "bash"   ? kBashCompletion
                       : shell == "zsh"  ? kZshCompletion
                       : shell == "fish" ? kFishCompletion
                                         : nullptr;
  if (script != nullptr && argc == 3) {
    Print(STDOUT_FILENO, script);
    return kExitOk;
  }
  std::string text = kHelp;
  if (argc > 2) {
    text = std::string("error: ") +
           (script == nullptr ? "no completion for the shell '"
                              : "unexpected argument '") +
           argv[script == nullptr ? 2 : 3] +
           "'\n  [possible values: bash, zsh, fish]\n\n"
           "For more information, try '--help'.\n";
  }
  Print(STDERR_FILENO, text);
  return kExitUsage;
}

int CompleteCommand(int argc, char** argv, const Directories& directories) {
  LimitTime();
  // A daemon that is started here must not talk into the prompt.
  const base::UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (nowhere.is_valid()) {
    ::dup2(nowhere.get(), STDERR_FILENO);
  }
  vtask::v1::RunStart start;
  base::UniqueFd socket;
  if (DescribeCaller(argc, argv, &start).has_value()) {
    return kExitOk;
  }
  if (directories.one_shot) {
    socket = ConnectToRunning(directories);  // none is started at every key
  } else if (ConnectOrStart(directories, std::nullopt, &socket).has_value()) {
    return kExitOk;
  }
  if (!socket.is_valid()) {
    return kExitOk;
  }
  vtask::v1::CompleteRequest request;
  *request.mutable_caller() = std::move(*start.mutable_caller());
  for (int i = 2; i < argc; ++i) {
    request.add_words(argv[i]);
  }
  vtask::v1::CompleteResponse response;
  if (!CallUnary(std::move(socket), "/vtask.v1.Daemon/Complete", request,
                 &response, kPatienceMs)
           .has_value()) {
    Print(STDOUT_FILENO, CompletionLines(response));
  }
  return kExitOk;
}

std::string CompletionLines(const vtask::v1::CompleteResponse& response) {
  std::string lines;
  for (const auto& candidate : response.candidates()) {
    if (IsOneLine(candidate.value())) {
      lines +=
          "word\t" + candidate.value() + "\t" +
          (IsOneLine(candidate.description()) ? candidate.description() : "") +
          "\n";
    }
  }
  lines += response.wants_files() ? "files\n" : "";
  lines += response.no_space() ? "nospace\n" : "";
  return lines;
}

}  // namespace vt::shim
