// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/explain_parts.h"

#include "absl/strings/str_cat.h"

#include "daemon/report/texts.h"

namespace vt::run {

using base::JsonObject;
using vtask::v1::Difference;

std::string DifferenceLines(const std::vector<Difference>& differences,
                            int verbose) {
  std::string text;
  for (const Difference& difference : differences) {
    absl::StrAppend(&text, "      ",
                    verbose > 0 ? report::DifferenceDetail(difference)
                                : report::DifferenceText(difference),
                    "\n");
  }
  return text;
}

JsonObject ExplainDocument(const char* question, const std::string& root,
                           const report::RenderOptions& options) {
  JsonObject document = JsonObject::Document(
      absl::StrCat(options.schemas, "explain.schema.json"));
  document.AddString("question", question);
  document.AddString("workspaceRoot", root);
  return document;
}

}  // namespace vt::run
