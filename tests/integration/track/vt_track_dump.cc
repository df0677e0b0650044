// SPDX-License-Identifier: Apache-2.0
//
// vt_track_dump OPTION... PROGRAM ARG...: runs a program under the tracker,
// prints its AccessSet on stderr (or to --out FILE) and ends as the program
// did. The options: see the usage text.
// --raw0: for the matrix (matrix/run.py): records of four fields, each ended
// by a NUL, because paths may hold any other byte.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "daemon/track/not_stored.h"
#include "daemon/track/syscall_rules.h"
#include "tests/integration/track/run_traced.h"

extern char** environ;

namespace vt {
namespace {

std::string Describe(const track::Access& access) {
  std::string text;
  auto add = [&text](bool is, absl::string_view word) {
    if (is) {
      absl::StrAppend(&text, text.empty() ? "" : " ", word);
    }
  };
  const struct {
    uint32_t bit;
    const char* name;
  } kinds[] = {{track::kContent, "content"},   {track::kMetadata, "stat"},
               {track::kExistence, "exists"},  {track::kLinkText, "linktext"},
               {track::kListing, "listing"},   {track::kExecuted, "executed"},
               {track::kLinkMetadata, "lstat"}};
  for (const auto& kind : kinds) {
    add((access.observed & kind.bit) != 0, kind.name);
  }
  add(access.missing, "missing");
  if (access.mutated) {
    const char* const states[] = {"?",         "missing", "file",
                                  "directory", "symlink", "other"};
    add(true, "mutated");
    add(true, absl::StrCat("was-", states[static_cast<int>(access.pre_state)]));
    add(access.pre_digest.has_value(), "digest");
  }
  add(access.is_output, "output");
  add(access.is_deletion, "deleted");
  return text;
}

const char* ReasonName(int reason) {
  switch (reason) {
    case track::kTrackingIncomplete:
      return "incomplete";
    case track::kInputChanged:
      return "input changed";
    case track::kUsedService:
      return "service";
    case track::kPrivilegedProgram:
      return "privileged";
    case track::kForeignAbi:
      return "foreign abi";
    case track::kUnreadableMemory:
      return "unreadable";
    case track::kSandboxRemapsFiles:
      return "sandbox";
    case track::kUnknownSystemCall:
      return "unknown call";
    case track::kDeviceOrLimit:
      return "limit";
    default:
      return "other";
  }
}

void PutRecord(std::FILE* out, std::initializer_list<std::string> fields) {
  for (const std::string& field : fields) {
    std::fwrite(field.c_str(), 1, field.size() + 1, out);
  }
}

void PrintRaw(const test::TracedResult& result, std::FILE* out) {
  for (const track::Access& access : result.set.accesses) {
    PutRecord(out, {"access", access.path, Describe(access), ""});
    if (access.changed_by_others) {
      PutRecord(out, {"others", access.path, "", ""});
    }
  }
  for (const track::Flaw& flaw : result.set.flaws) {
    PutRecord(out, {"flaw", ReasonName(flaw.reason), flaw.text, flaw.path});
  }
  for (const int pid : result.set.listeners) {
    PutRecord(out, {"listener", absl::StrCat(pid), "", ""});
  }
  uint64_t notifications = 0;
  for (const auto& [number, count] : result.set.notifications) {
    notifications += count;
  }
  PutRecord(out, {"end", absl::StrCat(result.status),
                  result.set.has_stragglers ? "stragglers" : "",
                  absl::StrCat(notifications, " ", result.set.signed_records)});
}

void Print(const test::TracedResult& result, std::FILE* out) {
  for (const track::Access& access : result.set.accesses) {
    std::fprintf(out, "%s  [%s]\n", absl::CEscape(access.path).c_str(),
                 Describe(access).c_str());
  }
  for (const track::Flaw& flaw : result.set.flaws) {
    std::fprintf(out, "FLAW %d: %s (%s)\n", flaw.reason, flaw.text.c_str(),
                 absl::CEscape(flaw.path).c_str());
  }
  for (const int pid : result.set.listeners) {
    std::fprintf(out, "listener %d\n", pid);
  }
  if (result.set.opened_terminal) {
    std::fprintf(out, "opened the terminal\n");
  }
  if (result.set.has_stragglers) {
    std::fprintf(out, "has stragglers\n");
  }
  for (const auto& [number, count] : result.set.notifications) {
    const char* name = track::SyscallName(number);
    std::fprintf(out, "%8llu %s\n", static_cast<unsigned long long>(count),
                 name == nullptr ? "?" : name);
  }
  std::fprintf(
      out,
      "tier %d, %llu records, %llu attached, %llu refused, "
      "resolved in %lld us\n",
      result.set.tier,
      static_cast<unsigned long long>(result.set.signed_records),
      static_cast<unsigned long long>(result.set.attachments),
      static_cast<unsigned long long>(result.set.refused_attachments),
      static_cast<long long>(absl::ToInt64Microseconds(result.set.resolving)));
  std::fprintf(out, "status %d, %zu paths\n", result.status,
               result.set.accesses.size());
}

int Main(int argc, char** argv) {
  test::TracedRun run;
  char cwd[4096];
  run.cwd = run.root = ::getcwd(cwd, sizeof cwd) == nullptr ? "/" : cwd;
  bool raw = false;
  std::string out_path;
  std::vector<std::string> env;
  int i = 1;
  for (; i < argc && argv[i][0] == '-'; ++i) {
    const std::string option = argv[i];
    if (option == "--raw0") {
      raw = true;
    } else if (option == "--root" && i + 1 < argc) {
      run.root = argv[++i];
    } else if (option == "--out" && i + 1 < argc) {
      out_path = argv[++i];
    } else if (option == "--arena-chunks" && i + 1 < argc) {
      run.arena_chunks = static_cast<uint32_t>(std::atoi(argv[++i]));
    } else if (option == "--env" && i + 1 < argc) {
      env.emplace_back(argv[++i]);
    } else if (option == "--allow" && i + 1 < argc) {
      run.allowed_services.emplace_back(argv[++i]);
    } else if (option == "--preload" && i + 1 < argc) {
      run.preload = argv[++i];
    } else if (option == "--tier" && i + 1 < argc) {
      run.tier = std::atoi(argv[++i]);
    } else if (option == "--strict") {
      run.strict = true;
    } else {
      std::fprintf(stderr, "unknown option %s\n", argv[i]);
      return 2;
    }
  }
  if (i == argc || argv[i][0] != '/') {
    std::fprintf(stderr,
                 "usage: vt_track_dump [--root DIR] [--raw0] [--out FILE] "
                 "[--tier N] [--strict] [--preload LIBRARY] [--arena-chunks N] "
                 "[--allow SERVICE] "
                 "[--env NAME=VALUE]... /PROGRAM ARG...\n");
    return 2;
  }
  run.argv.assign(argv + i, argv + argc);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    run.env.emplace_back(*entry);
  }
  run.env.insert(run.env.end(), env.begin(), env.end());
  run.stdout_fd = 1;
  run.stderr_fd = 2;
  absl::StatusOr<test::TracedResult> result = test::RunTraced(run);
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    return 1;
  }
  std::FILE* out =
      out_path.empty() ? stderr : std::fopen(out_path.c_str(), "we");
  if (out == nullptr) {
    std::perror(out_path.c_str());
    return 1;
  }
  if (raw) {
    PrintRaw(*result, out);
  } else {
    Print(*result, out);
  }
  std::fclose(out);
  return result->status;
}

}  // namespace
}  // namespace vt

int main(int argc, char** argv) { return vt::Main(argc, argv); }
