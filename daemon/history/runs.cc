// SPDX-License-Identifier: Apache-2.0
//
// <directory>/<name of the root>/<number>.run

#include "daemon/history/runs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "daemon/base/file.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/fingerprint/sink.h"

namespace vt::history {
namespace {

using vtask::v1::RunRecord;

// Stored: never renumber.
constexpr uint32_t kFormat = 1;

std::string FolderOf(const std::string& directory, const std::string& root) {
  // A name of fixed length that any root fits in.
  return base::JoinPath(directory,
                        fingerprint::Sha256(root).ToHex().substr(0, 32));
}

std::string FileOf(const std::string& folder, uint64_t id) {
  return base::JoinPath(folder, absl::StrCat(id, ".run"));
}

// Number and size of each run in `folder`, in order.
std::map<uint64_t, uint64_t> RunsIn(const std::string& folder) {
  std::map<uint64_t, uint64_t> runs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    absl::string_view digits = name;
    uint64_t id = 0;
    if (absl::ConsumeSuffix(&digits, ".run") && absl::SimpleAtoi(digits, &id)) {
      const uint64_t size = entry.file_size(error);
      runs[id] = error ? 0 : size;
    }
  }
  return runs;
}

absl::StatusOr<RunRecord> Read(const std::string& folder, uint64_t id) {
  VT_ASSIGN_OR_RETURN(const std::string bytes,
                      base::ReadFile(FileOf(folder, id)));
  RunRecord record;
  if (!record.ParseFromString(bytes) || record.format() != kFormat) {
    return absl::FailedPreconditionError(
        "Summary data was saved by a different version of vtask and cannot be "
        "read. Run a task to generate a new summary.");
  }
  record.set_id(id);
  return record;
}

// Writes `bytes` below `folder`, which is made if missing. Returns the file.
absl::StatusOr<std::string> WriteDraft(const std::string& folder,
                                       absl::string_view bytes) {
  const std::string draft =
      base::JoinPath(folder, absl::StrCat(::getpid(), ".", ::gettid(), ".tmp"));
  absl::Status written;
  // While it is empty, PruneRuns may take the folder away again.
  for (int attempt = 0; attempt < 10; ++attempt) {
    VT_RETURN_IF_ERROR(base::MakeDirectories(folder, 0700));
    written = base::WriteFileAtomic(draft, bytes, 0600);
    if (!absl::IsNotFound(written)) {
      break;
    }
  }
  VT_RETURN_IF_ERROR(written);
  return draft;
}

// The oldest of `runs`, until they are within the bounds.
void DropOldest(const std::string& folder,
                const std::map<uint64_t, uint64_t>& runs) {
  uint64_t bytes = 0;
  size_t count = 0;
  for (auto it = runs.rbegin(); it != runs.rend(); ++it) {
    bytes += it->second;
    ++count;
    if (count > 1 && (count > kMaxRuns || bytes > kMaxBytes)) {
      ::unlink(FileOf(folder, it->first).c_str());
    }
  }
}

}  // namespace

absl::StatusOr<uint64_t> SaveRun(const std::string& directory,
                                 RunRecord record) {
  const std::string folder = FolderOf(directory, record.workspace_root());
  record.set_format(kFormat);
  record.clear_id();  // its name says it
  const std::string bytes = record.SerializeAsString();
  VT_ASSIGN_OR_RETURN(const std::string draft, WriteDraft(folder, bytes));
  std::map<uint64_t, uint64_t> runs = RunsIn(folder);
  uint64_t id = runs.empty() ? 1 : runs.rbegin()->first + 1;
  // A number is given once, whoever else (another daemon, another worker) asks
  // for one now.
  while (::link(draft.c_str(), FileOf(folder, id).c_str()) != 0) {
    if (errno != EEXIST) {
      const int error = errno;
      ::unlink(draft.c_str());
      return base::ErrnoToStatus(error, "keeping the run");
    }
    ++id;
  }
  ::unlink(draft.c_str());
  runs[id] = bytes.size();
  DropOldest(folder, runs);
  return id;
}

absl::StatusOr<RunRecord> LoadLastRun(const std::string& directory,
                                      const std::string& workspace_root) {
  const std::string folder = FolderOf(directory, workspace_root);
  const std::map<uint64_t, uint64_t> runs = RunsIn(folder);
  if (runs.empty()) {
    return absl::NotFoundError(
        "No previous run summary found. Run a task first to generate a "
        "summary.");
  }
  return Read(folder, runs.rbegin()->first);
}

absl::StatusOr<RunRecord> LoadRun(const std::string& directory,
                                  const std::string& workspace_root,
                                  uint64_t id) {
  const std::string folder = FolderOf(directory, workspace_root);
  const std::map<uint64_t, uint64_t> runs = RunsIn(folder);
  if (runs.count(id) == 0) {
    return absl::NotFoundError(
        runs.empty()
            ? std::string("there is no run of this workspace yet")
            : absl::StrCat("there is no run ", id,
                           " any more; `vt explain --list` shows ",
                           runs.begin()->first, " to ", runs.rbegin()->first));
  }
  return Read(folder, id);
}

std::vector<RunRecord> ListRuns(const std::string& directory,
                                const std::string& workspace_root) {
  const std::string folder = FolderOf(directory, workspace_root);
  const std::map<uint64_t, uint64_t> runs = RunsIn(folder);
  std::vector<RunRecord> records;
  for (auto it = runs.rbegin(); it != runs.rend(); ++it) {
    absl::StatusOr<RunRecord> record = Read(folder, it->first);
    if (record.ok()) {
      records.push_back(*std::move(record));
    }
  }
  return records;
}

HitRate CountHits(const std::string& directory) {
  HitRate rate;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory, error)) {
    const std::string folder = entry.path().string();
    for (const auto& [id, size] : RunsIn(folder)) {
      const absl::StatusOr<RunRecord> record = Read(folder, id);
      if (!record.ok() || record->events().empty() ||
          !record->events().rbegin()->has_run_finished()) {
        continue;
      }
      const auto& finished = record->events().rbegin()->run_finished();
      ++rate.runs;
      rate.hits += finished.hits();
      rate.lookups += finished.cached_actions();
      rate.saved_us += finished.saved_us();
    }
  }
  return rate;
}

void ForgetRuns(const std::string& directory,
                const std::string& workspace_root) {
  ForgetAllRuns(FolderOf(directory, workspace_root));
}

void ForgetAllRuns(const std::string& directory) {
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

void PruneRuns(const std::string& directory, absl::Time before) {
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory, error)) {
    const std::string folder = entry.path().string();
    for (const auto& [id, size] : RunsIn(folder)) {
      const std::string file = FileOf(folder, id);
      struct stat st = {};
      if (::stat(file.c_str(), &st) == 0 &&
          absl::TimeFromTimespec(st.st_mtim) < before) {
        ::unlink(file.c_str());
      }
    }
    ::rmdir(folder.c_str());  // if it is empty
  }
}

}  // namespace vt::history
