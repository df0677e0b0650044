// SPDX-License-Identifier: Apache-2.0
//
// vt_track_dump [--root DIR] [--raw0] [--tier N] PROGRAM ARG...: runs a program
// under the tracker, prints its AccessSet on stderr (or to --out FILE).
// --raw0: what was seen of it and the path, NUL after each. The start of
// `vt trace`.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "daemon/track/syscall_rules.h"
#include "tests/integration/track/run_traced.h"

extern char** environ;

namespace vt {
namespace {

std::string Describe(const track::Access& access) {
  std::string text;
  const struct {
    uint32_t bit;
    const char* name;
  } kinds[] = {{track::kContent, "content"},   {track::kMetadata, "stat"},
               {track::kExistence, "exists"},  {track::kLinkText, "linktext"},
               {track::kListing, "listing"},   {track::kExecuted, "executed"},
               {track::kLinkMetadata, "lstat"}};
  for (const auto& kind : kinds) {
    if ((access.observed & kind.bit) != 0) {
      absl::StrAppend(&text, text.empty() ? "" : ",", kind.name);
    }
  }
  absl::StrAppend(&text, access.missing ? " MISSING" : "");
  if (access.mutated) {
    const char* const states[] = {"?",         "missing", "file",
                                  "directory", "symlink", "other"};
    absl::StrAppend(&text, " mutated(was ",
                    states[static_cast<int>(access.pre_state)],
                    access.pre_digest ? ", digest)" : ")");
  }
  absl::StrAppend(&text, access.is_output ? " OUTPUT" : "",
                  access.is_deletion ? " DELETED" : "");
  return text;
}

void Print(const test::TracedResult& result, bool raw, std::FILE* out) {
  for (const track::Access& access : result.set.accesses) {
    if (raw) {
      const std::string flags = Describe(access);
      std::fwrite(flags.c_str(), 1, flags.size() + 1, out);
      std::fwrite(access.path.c_str(), 1, access.path.size() + 1, out);
    } else {
      std::fprintf(out, "%s  [%s]\n", absl::CEscape(access.path).c_str(),
                   Describe(access).c_str());
    }
  }
  if (raw) {
    return;
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
  std::fprintf(out, "status %d, %zu paths\n", result.status,
               result.set.accesses.size());
}

int Main(int argc, char** argv) {
  test::TracedRun run;
  char cwd[4096];
  run.cwd = run.root = ::getcwd(cwd, sizeof cwd) == nullptr ? "/" : cwd;
  bool raw = false;
  std::string out_path;
  int i = 1;
  for (; i < argc && argv[i][0] == '-'; ++i) {
    const std::string option = argv[i];
    if (option == "--raw0") {
      raw = true;
    } else if (option == "--root" && i + 1 < argc) {
      run.root = argv[++i];
    } else if (option == "--out" && i + 1 < argc) {
      out_path = argv[++i];
    } else if (option == "--tier" && i + 1 < argc) {
      run.tier = std::atoi(argv[++i]);
    } else {
      std::fprintf(stderr, "unknown option %s\n", argv[i]);
      return 2;
    }
  }
  if (i == argc || argv[i][0] != '/') {
    std::fprintf(stderr,
                 "usage: vt_track_dump [--root DIR] [--raw0] [--out "
                 "FILE] [--tier N] /PROGRAM ARG...\n");
    return 2;
  }
  run.argv.assign(argv + i, argv + argc);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    run.env.emplace_back(*entry);
  }
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
  Print(*result, raw, out);
  return result->status;
}

}  // namespace
}  // namespace vt

int main(int argc, char** argv) { return vt::Main(argc, argv); }
