// SPDX-License-Identifier: Apache-2.0
//
// ReportCollector: what the requests of one endpoint's clients mean. Answers
// them from the environment and collects what they report. No I/O but a look at
// /proc/<pid> and at the program that it names.

#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

#include "daemon/base/env_query.h"
#include "daemon/ipc/tool_endpoint.h"
#include "vtask/tool/v1/tool.pb.h"

namespace vt::ipc {

// The other side of one connection.
struct Peer {
  ToolOrigin origin;
  bool has_greeted = false;
};

// "pid 12 (node)".
std::string Describe(const ToolOrigin& origin);
// The arguments of process `pid` joined by spaces, at most `limit` bytes; with
// `first_only` just the first. Empty if it is gone.
std::string CommandOf(int pid, bool first_only, size_t limit);

// The npm package that the program at `path` (resolved) belongs to; "": none.
std::string PackageOfPath(absl::string_view path);

// Thread-compatible.
class ReportCollector {
 public:
  explicit ReportCollector(base::EnvMap env) : env_(std::move(env)) {}

  // Takes one request. A bad one only fills `reply->error` (and becomes a note
  // if nobody waits for the answer). `reply` has the request's id.
  void Handle(const vtask::tool::v1::ToolRequest& request, Peer* peer,
              vtask::tool::v1::ToolReply* reply);
  // A connection had to be ended.
  void AddProtocolError(const ToolOrigin& origin, absl::string_view what);
  void AddNote(std::string note);
  void AddLingering(ToolOrigin origin);

  ToolReports Take();

 private:
  using PathSet = absl::flat_hash_set<std::string>;

  std::string Dispatch(const vtask::tool::v1::ToolRequest& request, Peer* peer,
                       vtask::tool::v1::ToolReply* reply);
  std::string Greet(const vtask::tool::v1::Hello& hello, Peer* peer,
                    vtask::tool::v1::ToolReply* reply);
  std::string AddPath(const vtask::tool::v1::PathReport& report,
                      const ToolOrigin& origin, PathSet* seen,
                      std::vector<PathReport>* paths);
  std::string GetEnvs(const vtask::tool::v1::GetEnvs& query,
                      const ToolOrigin& origin,
                      vtask::tool::v1::ToolReply* reply);
  void AddEnv(EnvReport::Kind kind, const std::string& text, bool tracked,
              const ToolOrigin& origin);
  void AddOptOut(const vtask::tool::v1::DisableCache& request,
                 const ToolOrigin& origin);
  void AddValue(const vtask::tool::v1::TrackValue& report,
                const ToolOrigin& origin);
  bool Reserve(size_t bytes, const ToolOrigin& origin);

  const base::EnvMap env_;
  ToolReports reports_;
  size_t bytes_ = 0;
  size_t unkept_notes_ = 0;
  PathSet ignored_inputs_, ignored_outputs_, tracked_inputs_, tracked_outputs_;
  PathSet values_, opt_outs_;
  // Index into reports_.env.
  absl::flat_hash_map<std::pair<EnvReport::Kind, std::string>, size_t>
      env_index_;
};

}  // namespace vt::ipc
