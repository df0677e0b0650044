// SPDX-License-Identifier: Apache-2.0

#include "daemon/history/last_run.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/fingerprint/sink.h"

namespace vt::history {
namespace {

// Stored: never renumber.
constexpr uint32_t kFormat = 1;

std::string FileOf(const std::string& directory, const std::string& root) {
  // A name of fixed length that any root fits in.
  return base::JoinPath(
      directory,
      absl::StrCat(fingerprint::Sha256(root).ToHex().substr(0, 32), ".run"));
}

}  // namespace

absl::Status SaveLastRun(const std::string& directory,
                         const vtask::v1::RunRecord& record) {
  vtask::v1::RunRecord kept = record;
  kept.set_format(kFormat);
  VT_RETURN_IF_ERROR(base::MakeDirectories(directory, 0700));
  return base::WriteFileAtomic(FileOf(directory, record.workspace_root()),
                               kept.SerializeAsString(), 0600);
}

absl::StatusOr<vtask::v1::RunRecord> LoadLastRun(
    const std::string& directory, const std::string& workspace_root) {
  const absl::StatusOr<std::string> bytes =
      base::ReadFile(FileOf(directory, workspace_root));
  if (!bytes.ok()) {
    return absl::NotFoundError(
        "No previous run summary found. Run a task first to generate a "
        "summary.");
  }
  vtask::v1::RunRecord record;
  if (!record.ParseFromString(*bytes) || record.format() != kFormat) {
    return absl::FailedPreconditionError(
        "Summary data was saved by a different version of vtask and cannot be "
        "read. Run a task to generate a new summary.");
  }
  return record;
}

void ForgetLastRuns(const std::string& directory) {
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

}  // namespace vt::history
