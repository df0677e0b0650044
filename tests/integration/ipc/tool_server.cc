// SPDX-License-Identifier: Apache-2.0
//
// Serves one tool endpoint to one command, as the daemon does for an action,
// and writes what was reported as JSON:
//
//   vt_tool_server DIRECTORY ADDON REPORTS.json DRAIN_MS COMMAND ARGUMENT...
//
// The endpoint's environment is this program's own. Exits as the command did.
// In the JSON each character stands for one byte.

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

#include "daemon/base/env_query.h"
#include "daemon/base/file.h"
#include "daemon/base/mutex.h"
#include "daemon/ipc/tool_endpoint.h"
#include "daemon/loop/event_loop.h"

namespace vt::ipc {
namespace {

std::string Json(const std::string& bytes) {
  std::string json = "\"";
  for (const char c : bytes) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      absl::StrAppendFormat(&json, "\\u%04x", static_cast<unsigned>(byte));
    } else {
      json += c;
    }
  }
  return json + "\"";
}

std::string Json(bool value) { return value ? "true" : "false"; }

using Fields = std::vector<std::pair<const char*, std::string>>;

std::string Object(const Fields& fields) {
  std::string json = "{";
  for (const auto& [name, value] : fields) {
    absl::StrAppend(&json, json.size() > 1 ? "," : "", Json(std::string(name)),
                    ":", value);
  }
  return json + "}";
}

template <typename Items, typename ToJson>
std::string List(const Items& items, ToJson to_json) {
  std::string json = "[";
  for (const auto& item : items) {
    absl::StrAppend(&json, json.size() > 1 ? "," : "", to_json(item));
  }
  return json + "]";
}

std::string ReportsJson(const ToolReports& reports) {
  const auto path = [](const PathReport& report) { return Json(report.path); };
  const auto origin = [](const ToolOrigin& o) {
    return Object({{"argv0", Json(o.argv0)},
                   {"client", Json(o.client)},
                   {"command", Json(o.command)}});
  };
  return Object(
      {{"ignored_inputs", List(reports.ignored_inputs, path)},
       {"ignored_outputs", List(reports.ignored_outputs, path)},
       {"tracked_inputs", List(reports.tracked_inputs, path)},
       {"tracked_outputs", List(reports.tracked_outputs, path)},
       {"env", List(reports.env,
                    [](const EnvReport& r) {
                      static constexpr const char* kKinds[] = {"name", "glob",
                                                               "prefix"};
                      return Object(
                          {{"kind", Json(std::string(
                                        kKinds[static_cast<int>(r.kind)]))},
                           {"text", Json(r.text)},
                           {"tracked", Json(r.tracked)}});
                    })},
       {"values",
        List(reports.values,
             [](const ValueReport& r) {
               return Object({{"key", Json(r.key)}, {"value", Json(r.value)}});
             })},
       {"opt_outs", List(reports.opt_outs,
                         [&](const OptOut& r) {
                           return Object({{"reason", Json(r.reason)},
                                          {"call_site", Json(r.call_site)},
                                          {"origin", origin(r.origin)}});
                         })},
       {"protocol_error", Json(reports.protocol_error)},
       {"lingering", List(reports.lingering, origin)},
       {"notes",
        List(reports.notes, [](const std::string& n) { return Json(n); })}});
}

// Runs `arguments` with the endpoint in its environment; its exit code, or 128
// and the signal.
int RunCommand(const std::string& endpoint, const char* addon,
               char** arguments) {
  ::setenv("VP_RUN", "1", /*overwrite=*/1);
  ::setenv("VP_RUN_IPC_NAME", endpoint.c_str(), /*overwrite=*/1);
  ::setenv("VP_RUN_NODE_CLIENT_PATH", addon, /*overwrite=*/1);
  pid_t child = 0;
  if (::posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments,
                     environ) != 0) {
    return 127;
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int Main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: see tool_server.cc\n");
    return 2;
  }
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    entries.emplace_back(*entry);
  }
  std::unique_ptr<loop::EventLoop> loop = *loop::EventLoop::Start();
  std::unique_ptr<ToolEndpoint> endpoint;
  base::Notification opened;
  loop->Post([&] {
    endpoint =
        *ToolEndpoint::Open(loop.get(), {argv[1], base::ParseEnv(entries)});
    opened.Notify();
  });
  opened.Wait();
  const int code = RunCommand(endpoint->name(), argv[2], argv + 5);
  std::string json;
  base::Notification drained;
  loop->Post([&] {
    endpoint->Drain(absl::Milliseconds(std::atoi(argv[4])),
                    [&](ToolReports reports) {
                      json = ReportsJson(reports);
                      endpoint.reset();
                      drained.Notify();
                    });
  });
  drained.Wait();
  loop.reset();
  if (!base::WriteFileAtomic(argv[3], json, 0600).ok()) {
    return 2;
  }
  return code;
}

}  // namespace
}  // namespace vt::ipc

int main(int argc, char** argv) { return vt::ipc::Main(argc, argv); }
