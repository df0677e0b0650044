// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/collect.h"

#include <utility>

#include "daemon/base/path.h"
#include "daemon/run/collector.h"
#include "daemon/run/verdict.h"

namespace vt::run {

using track::Access;

Collector::Collector(const CollectInput& input)
    : in_(input),
      ignored_inputs_(input.root, input.reports->ignored_inputs),
      ignored_outputs_(input.root, input.reports->ignored_outputs),
      excluded_inputs_(input.description->input().globs()),
      excluded_outputs_(input.description->output().globs()),
      untracked_(input.user_untracked) {}

Collected Collector::Run() {
  SplitAccesses();
  DescribeReports();
  out_.not_stored = ReasonNotToStore(in_, &out_.notes);
  if (!out_.not_stored.has_value()) {
    CheckFlaws();
  }
  if (out_.not_stored.has_value()) {
    return std::move(out_);
  }
  CollectNestedOutputs();
  CollectOutputs();
  FindWaysToProducts();
  FindOwnDirectories();
  if (in_.description->input().automatic()) {
    CollectInputs();
  }
  CollectToolchain();
  CollectGlobs();
  CollectToolReports();
  CollectNestedInputs();
  Publish();
  return std::move(out_);
}

void Collector::CheckFlaws() {
  // What was declared needs no tracking, and does not suffer from its flaws.
  if (in_.accesses == nullptr || (!in_.description->input().automatic() &&
                                  !in_.description->output().automatic())) {
    return;
  }
  for (const track::Flaw& flaw : in_.accesses->flaws) {
    if (Matters(flaw)) {
      NotStored(static_cast<vtask::v1::NotStored::Reason>(flaw.reason),
                flaw.text, flaw.path);
      return;
    }
  }
}

// A flaw of one path is none if that path does not count.
bool Collector::Matters(const track::Flaw& flaw) const {
  if (flaw.reason != vtask::v1::NotStored::INPUT_CHANGED &&
      flaw.reason != vtask::v1::NotStored::DEVICE_OR_LIMIT) {
    return true;
  }
  const std::optional<std::string> path = base::RelativeTo(flaw.path, in_.root);
  if (!path.has_value() || base::IsWithin(*path, ".git")) {
    return false;
  }
  const bool may_be_output =
      flaw.reason == vtask::v1::NotStored::DEVICE_OR_LIMIT &&
      in_.description->output().automatic() && !IsIgnoredOutput(*path);
  const bool may_be_input =
      in_.description->input().automatic() && !IsIgnoredInput(*path);
  return may_be_input || may_be_output;
}

// Sorts out what lies below the root. The repository's own metadata never
// counts (R-CACHE-13).
void Collector::SplitAccesses() {
  if (in_.accesses == nullptr) {
    return;
  }
  for (const Access& access : in_.accesses->accesses) {
    std::optional<std::string> relative =
        base::RelativeTo(access.path, in_.root);
    if (!relative.has_value() || base::IsWithin(*relative, ".git")) {
      continue;
    }
    const std::string& path =
        accesses_.emplace(*std::move(relative), &access).first->first;
    // A hit makes it as it makes all that nobody recorded (restore.h).
    const bool would_make = access.ensured_mode == (0777 & ~in_.umask);
    if (would_make) {
      ensured_.insert(path);
    }
    // Who makes the whole way tries its end first: if that succeeds, nothing
    // else is seen of it (`mkdir -p` of Node and Rust; docs/rejected.md).
    const bool made_it = access.is_ensured && access.mutated &&
                         access.pre_state == track::PreState::kMissing;
    for (std::string up = path;
         (made_it || (would_make && access.makes_parents)) && !up.empty();
         up = std::string(base::Dirname(up))) {
      ensured_.insert(up);
    }
    if (access.mutated) {
      mutated_.insert(path);
      if (!path.empty()) {
        mutated_children_[std::string(base::Dirname(path))].insert(path);
      }
    }
  }
}

bool Collector::IsIgnoredInput(const std::string& path) const {
  return ignored_inputs_.Covers(path) || excluded_inputs_.Covers(path);
}

bool Collector::IsIgnoredOutput(const std::string& path) const {
  return ignored_outputs_.Covers(path) || excluded_outputs_.Covers(path);
}

void Collector::Publish() {
  for (auto& [key, observation] : observations_) {
    *out_.action.path_set.add_observations() = std::move(observation);
  }
}

// H4: whether somebody made this content here, for this action or a nested one.
bool Collector::IsOwnContent(const std::string& path,
                             absl::string_view content_digest) const {
  return content_digest.size() == base::Digest::kSize &&
         in_.is_own_output != nullptr &&
         in_.is_own_output(path, base::Digest::FromBytes(content_digest));
}

Collector::Observation* Collector::Observe(Observation::Kind kind,
                                           const std::string& path,
                                           const std::string& variant) {
  Observation& observation = observations_[{kind, path, variant}];
  observation.set_kind(kind);
  observation.set_path(path);
  return &observation;
}

void Collector::Know(const Observation& observation, Value value) {
  out_.action.known_values[cache::KnownValueKey(observation)] =
      std::move(value);
}

void Collector::Rebuildable(Observation* observation) {
  observation->set_rebuildable(true);
  Value value;
  value.set_type(Value::REBUILDABLE);
  Know(*observation, std::move(value));
}

void Collector::NotStored(vtask::v1::NotStored::Reason reason, std::string text,
                          std::string path) {
  out_.not_stored = MakeNotStored(reason, std::move(text), std::move(path));
}

Collected Collect(const CollectInput& input) { return Collector(input).Run(); }

}  // namespace vt::run
