// SPDX-License-Identifier: Apache-2.0

#include "shim/report_command.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "client/tool/vtask/client.h"
#include "shim/exit_code.h"
#include "shim/output.h"
#include "shim/run_command.h"

namespace vt::shim {
namespace {

constexpr char kHelp[] =
    R"(Tell vtask what the task that this runs in really read, wrote and cared about

Usage: vt report <COMMAND>

Commands:
  ignore-input <PATH>...      Reads at and below PATH do not make it run again
  ignore-output <PATH>...     Writes at and below PATH are not stored or restored
  track-input <PATH>...       PATH counts as read although nobody saw it
  track-output <PATH>...      PATH counts as written although nobody saw it
  track-value <KEY> <VALUE>   The result depends on VALUE too
  disable-cache [REASON]      Do not store this run
  get-env <NAME>              Print a variable of `vt run`; exit code 1 if unset
  get-envs <GLOB>             Print all NAME=value whose name matches
  get-envs --prefix <PREFIX>  Print all NAME=value whose name begins so

Options:
      --untracked  get-env, get-envs: a change of the answer is no miss
  -0, --null       get-envs: end each with a NUL instead of a newline
  -h, --help       Print help

Outside of a run, reports do nothing and variables come from the environment.

Example, in a script that keeps a cache of its own:
  vt report ignore-input .cache && vt report ignore-output .cache
)";

struct CloseClient {
  void operator()(vtask_client* client) const { vtask_client_close(client); }
};
using Client = std::unique_ptr<vtask_client, CloseClient>;

struct Arguments {
  std::string command;
  std::vector<const char*> operands;
  bool tracked = true;
  bool prefix = false;
  char end = '\n';
};

int Usage(const std::string& what) {
  const std::string text =
      "error: " + what + "\n\nFor more information, try '--help'.\n";
  Print(STDERR_FILENO, text);
  return kExitUsage;
}

int Answer(absl::string_view text) {
  return Print(STDOUT_FILENO, text) ? kExitOk : kExitFailed;
}

// The exit code for what a function of the library returned.
int Finish(vtask_client* client, const Arguments& arguments, int result) {
  if (result == VTASK_CLIENT_GONE) {
    Complain("vt report: nobody listens (" +
             std::string(vtask_client_error(client)) +
             "); the run will not be stored");
  } else if (result != VTASK_CLIENT_OK) {
    return Usage("'" + arguments.command + "' refuses '" +
                 (arguments.operands.empty() ? "" : arguments.operands[0]) +
                 "'");
  }
  return kExitOk;
}

using ReportPath = int (*)(vtask_client*, const char*);

ReportPath PathReporter(absl::string_view command) {
  return command == "ignore-input"    ? vtask_client_ignore_input
         : command == "ignore-output" ? vtask_client_ignore_output
         : command == "track-input"   ? vtask_client_track_input
         : command == "track-output"  ? vtask_client_track_output
                                      : nullptr;
}

int ReportPaths(vtask_client* client, const Arguments& arguments,
                ReportPath report) {
  for (const char* path : arguments.operands) {
    const int result = report(client, path);
    if (result == VTASK_CLIENT_INVALID) {
      return Usage("'" + arguments.command + "' refuses '" + path + "'");
    }
    if (result != VTASK_CLIENT_OK) {
      return Finish(client, arguments, result);
    }
  }
  return kExitOk;
}

int GetEnv(vtask_client* client, const Arguments& arguments) {
  char* value = nullptr;
  size_t size = 0;
  const int result = vtask_client_get_env(
      client, arguments.operands[0], arguments.tracked ? 1 : 0, &value, &size);
  if (result != VTASK_CLIENT_OK) {
    return Finish(client, arguments, result);
  }
  if (value == nullptr) {
    return kExitFailed;
  }
  const std::string line = std::string(value, size) + "\n";
  ::free(value);
  return Answer(line);
}

int GetEnvs(vtask_client* client, const Arguments& arguments) {
  vtask_client_variable* variables = nullptr;
  size_t count = 0;
  const auto get = arguments.prefix ? vtask_client_get_envs_with_prefix
                                    : vtask_client_get_envs;
  const int result = get(client, arguments.operands[0],
                         arguments.tracked ? 1 : 0, &variables, &count);
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text += std::string(variables[i].name) + "=" + variables[i].value;
    text += arguments.end;
  }
  ::free(variables);
  return result == VTASK_CLIENT_OK ? Answer(text)
                                   : Finish(client, arguments, result);
}

// False: *wrong is the argument that makes no sense.
bool Parse(int argc, char** argv, Arguments* out, std::string* wrong) {
  out->command = argv[2];
  const bool asks = out->command == "get-env" || out->command == "get-envs";
  const bool asks_many = out->command == "get-envs";
  bool only_operands = false;
  for (int i = 3; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    if (only_operands || argument.size() < 2 || argument[0] != '-') {
      out->operands.push_back(argv[i]);
    } else if (argument == "--") {
      only_operands = true;
    } else if (asks && argument == "--untracked") {
      out->tracked = false;
    } else if (asks_many && argument == "--prefix") {
      out->prefix = true;
    } else if (asks_many && (argument == "-0" || argument == "--null")) {
      out->end = '\0';
    } else {
      *wrong = argv[i];
      return false;
    }
  }
  return true;
}

int Perform(const Arguments& arguments) {
  const size_t count = arguments.operands.size();
  const Client client(vtask_client_open());
  if (const ReportPath report = PathReporter(arguments.command)) {
    return count == 0 ? Usage("'" + arguments.command + "' needs a path")
                      : ReportPaths(client.get(), arguments, report);
  }
  if (arguments.command == "track-value") {
    if (count != 2) {
      return Usage("'track-value' needs a key and a value");
    }
    const char* const value = arguments.operands[1];
    return Finish(client.get(), arguments,
                  vtask_client_track_value(client.get(), arguments.operands[0],
                                           value, ::strlen(value)));
  }
  if (arguments.command == "disable-cache") {
    if (count > 1) {
      return Usage("'disable-cache' takes one reason; quote it");
    }
    return Finish(
        client.get(), arguments,
        vtask_client_disable_cache(
            client.get(), count == 1 ? arguments.operands[0] : nullptr));
  }
  if (arguments.command == "get-env" || arguments.command == "get-envs") {
    if (count != 1) {
      return Usage("'" + arguments.command + "' needs one name");
    }
    return arguments.command == "get-env" ? GetEnv(client.get(), arguments)
                                          : GetEnvs(client.get(), arguments);
  }
  return Usage("unrecognized subcommand '" + arguments.command + "'");
}

}  // namespace

int ReportCommand(int argc, char** argv) {
  for (int i = 2; i < argc && ::strcmp(argv[i], "--") != 0; ++i) {
    if (::strcmp(argv[i], "--help") == 0 || ::strcmp(argv[i], "-h") == 0) {
      return Answer(kHelp);
    }
  }
  if (argc < 3) {
    Print(STDERR_FILENO, kHelp);
    return kExitUsage;
  }
  Arguments arguments;
  std::string wrong;
  if (!Parse(argc, argv, &arguments, &wrong)) {
    return Usage("unexpected argument '" + wrong + "' found");
  }
  return Perform(arguments);
}

}  // namespace vt::shim
