// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/nx_inputs.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace vt::migrate {
namespace {

using base::Json;

// "{projectRoot}/x" and "{workspaceRoot}/x"; without a placeholder the root of
// the workspace is meant.
Exclusion ExclusionOf(absl::string_view pattern) {
  const bool in_project = absl::ConsumePrefix(&pattern, "{projectRoot}");
  if (!in_project) {
    absl::ConsumePrefix(&pattern, "{workspaceRoot}");
  }
  absl::ConsumePrefix(&pattern, "/");
  return {std::string(pattern), !in_project};
}

class Inputs {
 public:
  Inputs(const NamedInputs& named, NewTask* task)
      : named_(named),
        task_(task) {}

  void Add(const Json& inputs) {
    for (const Json& entry : inputs.items) {
      if (entry.is_string()) {
        AddText(entry.text);
      } else if (entry.is_object()) {
        AddObject(entry);
      }
    }
  }
  bool has_positive() const { return has_positive_; }

 private:
  void AddText(absl::string_view text) {
    if (absl::StartsWith(text, "^")) {
      has_positive_ = true;  // of dependencies: what is read of them counts
    } else if (absl::ConsumePrefix(&text, "!")) {
      const Exclusion exclusion = ExclusionOf(text);
      const bool known =
          std::any_of(task_->not_input.begin(), task_->not_input.end(),
                      [&](const Exclusion& other) {
                        return other.pattern == exclusion.pattern &&
                               other.from_root == exclusion.from_root;
                      });
      if (!known) {
        task_->not_input.push_back(exclusion);
      }
    } else if (const auto set = named_.find(std::string(text));
               set != named_.end()) {
      // A set may name others; one that names itself is passed over.
      if (open_.insert(set->first).second) {
        Add(*set->second);
        open_.erase(set->first);
      }
    } else {
      has_positive_ = true;
    }
  }

  void AddObject(const Json& entry) {
    if (const Json* env = entry.Find("env");
        env != nullptr && env->is_string()) {
      task_->env.push_back(env->text);
    } else if (const Json* runtime = entry.Find("runtime");
               runtime != nullptr && runtime->is_string()) {
      task_->notes.push_back(
          absl::StrCat("input { runtime: ", runtime->text,
                       " } has no equivalent; programs that are executed "
                       "count by themselves"));
    } else if (const Json* fileset = entry.Find("fileset");
               fileset != nullptr && fileset->is_string()) {
      AddText(fileset->text);
    } else if (const Json* input = entry.Find("input");
               input != nullptr && input->is_string() &&
               entry.Find("projects") == nullptr &&
               entry.Find("dependencies") == nullptr) {
      AddText(input->text);
    } else {
      has_positive_ = true;  // externalDependencies, dependentTasksOutputFiles
    }
  }

  const NamedInputs& named_;
  NewTask* const task_;
  std::set<std::string> open_;
  bool has_positive_ = false;
};

}  // namespace

void AddNxInputs(const Json* inputs, const NamedInputs& named, NewTask* task) {
  if (inputs == nullptr || !inputs->is_array()) {
    return;
  }
  Inputs reader(named, task);
  reader.Add(*inputs);
  if (reader.has_positive()) {
    task->notes.emplace_back(
        "`inputs` left out: what the task reads is found by watching it");
  }
}

void AddNxOutputs(const Json* outputs, NewTask* task) {
  if (outputs == nullptr || !outputs->is_array()) {
    return;
  }
  bool has_positive = false;
  for (const Json& entry : outputs->items) {
    absl::string_view text = entry.text;
    if (absl::ConsumePrefix(&text, "!")) {
      task->not_output.push_back(ExclusionOf(text));
    } else {
      has_positive = true;
    }
  }
  if (has_positive) {
    task->notes.emplace_back(
        "`outputs` left out: what the task writes is found by watching it");
  }
}

}  // namespace vt::migrate
