// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/verdict.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace vt::run {
namespace {

using vtask::v1::NotStored;

// A call of disableCache() from Vite's own code: made when a server object is
// constructed, also by `vitest run`, which never serves (tool-ipc D5).
bool IsFromVite(const std::string& call_site) {
  return absl::StrContains(call_site, "/node_modules/vite/dist/") ||
         absl::StrContains(call_site, "/@voidzero-dev/vite-plus-core/dist/");
}

std::string OriginText(const ipc::ToolOrigin& origin) {
  return absl::StrCat(origin.argv0.empty() ? "process" : origin.argv0, " [",
                      origin.pid, "]");
}

// Whether the opt-out counts. Vite's counts only if the calling process
// listened (decisions H15); of an untracked action, or of a process that only
// says who it is, we cannot tell, so it does.
bool IsConfirmed(const ipc::OptOut& opt_out, const CollectInput& input) {
  return !IsFromVite(opt_out.call_site) || input.accesses == nullptr ||
         opt_out.origin.is_claimed ||
         absl::c_linear_search(input.accesses->listeners, opt_out.origin.pid);
}

std::optional<NotStored> CheckTools(const CollectInput& input,
                                    std::vector<std::string>* notes) {
  const ipc::ToolReports& reports = *input.reports;
  if (!reports.protocol_error.empty()) {
    return MakeNotStored(
        NotStored::TOOL_ERROR,
        absl::StrCat("task communication failed: ", reports.protocol_error));
  }
  for (const ipc::OptOut& opt_out : reports.opt_outs) {
    if (!IsConfirmed(opt_out, input)) {
      continue;
    }
    const std::string origin =
        absl::StrCat(opt_out.call_site, opt_out.call_site.empty() ? "" : ", ",
                     OriginText(opt_out.origin));
    if (!input.description->honor_opt_out()) {
      notes->push_back(absl::StrCat("the tool asked not to cache this (",
                                    origin,
                                    "); ignored as `cache.toolOptOut` says"));
      continue;
    }
    return MakeNotStored(
        NotStored::TOOL_OPTED_OUT,
        absl::StrCat("the task opted out of caching",
                     opt_out.reason.empty() ? "" : ": ", opt_out.reason),
        /*path=*/"", origin);
  }
  if (!reports.lingering.empty()) {
    const ipc::ToolOrigin& lingering = reports.lingering.front();
    return MakeNotStored(
        NotStored::TOOL_LINGERED,
        "a process was still connected after the task had ended", /*path=*/"",
        lingering.command.empty()
            ? OriginText(lingering)
            : absl::StrCat(lingering.command, " [", lingering.pid, "]"));
  }
  return std::nullopt;
}

// Decisions H2: what ran inside must be known, and be good.
std::optional<NotStored> CheckNest(const CollectInput& input) {
  const Nest none;
  const Nest& nest = input.nest != nullptr ? *input.nest : none;
  if (nest.spoiled.has_value()) {
    return nest.spoiled;
  }
  if (nest.open_runs > 0) {
    return MakeNotStored(NotStored::INNER_NOT_STORED,
                         "a `vt run` that it started goes on running");
  }
  if (input.accesses == nullptr) {
    return std::nullopt;
  }
  for (const int caller : input.accesses->daemon_callers) {
    if (!absl::c_linear_search(nest.callers, caller)) {
      return MakeNotStored(
          NotStored::INNER_NOT_STORED,
          input.accesses->has_stragglers
              ? absl::StrCat("a process that it started [", caller,
                             "] goes on running, and asked vtask for something")
              : absl::StrCat(
                    "a process that it started [", caller,
                    "] asked vtask something other than to run tasks"));
    }
  }
  return std::nullopt;
}

}  // namespace

NotStored MakeNotStored(NotStored::Reason reason, std::string text,
                        std::string path, std::string origin) {
  NotStored why;
  why.set_reason(reason);
  why.set_text(std::move(text));
  why.set_path(std::move(path));
  why.set_origin(std::move(origin));
  return why;
}

std::optional<NotStored> ReasonNotToStore(const CollectInput& input,
                                          std::vector<std::string>* notes) {
  if (std::optional<NotStored> why = CheckTools(input, notes)) {
    return why;
  }
  if (std::optional<NotStored> why = CheckNest(input)) {
    return why;
  }
  // What was declared needs no tracking, and does not suffer from its flaws.
  if (!input.description->input().automatic() &&
      !input.description->output().automatic()) {
    return std::nullopt;
  }
  if (input.accesses == nullptr) {
    return MakeNotStored(
        NotStored::TRACKING_UNAVAILABLE,
        "its files could not be tracked; declare `input` and `output`");
  }
  if (input.watches_env && input.accesses->read_environment) {
    return MakeNotStored(NotStored::TRACKING_INCOMPLETE,
                         "it read all variables from /proc");
  }
  if (input.accesses->has_stragglers) {
    // What it reads and writes from now on is nobody's.
    return MakeNotStored(NotStored::TRACKING_INCOMPLETE,
                         "a process that it started goes on running");
  }
  return std::nullopt;
}

}  // namespace vt::run
