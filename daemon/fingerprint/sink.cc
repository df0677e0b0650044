// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/sink.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "daemon/fingerprint/sha256.h"

namespace vt::fingerprint {
namespace {

using vtask::storage::v1::EnvValue;
using vtask::storage::v1::Glob;
using vtask::storage::v1::WeakDescription;

// Little-endian, on every platform.
void AppendNumber(uint64_t value, std::string* out) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>((value >> (8 * i)) & 0xff);
  }
  out->append(bytes, sizeof bytes);
}

}  // namespace

// Fields are short: gathered, so that OpenSSL is called once a few KiB.
struct HashingSink::State {
  Sha256Hasher hasher;
  std::string pending;

  // After each field.
  void Flush() {
    constexpr size_t kChunk = 4096;
    if (pending.size() >= kChunk) {
      hasher.Update(pending);
      pending.clear();
    }
  }
  void Header(char type, absl::string_view tag) {
    pending.push_back(type);
    AppendNumber(tag.size(), &pending);
    pending.append(tag.data(), tag.size());
  }
};

HashingSink::HashingSink() : state_(new State) {}
HashingSink::~HashingSink() { delete state_; }

void HashingSink::Bytes(absl::string_view tag, absl::string_view value) {
  state_->Header('B', tag);
  AppendNumber(value.size(), &state_->pending);
  state_->pending.append(value.data(), value.size());
  state_->Flush();
}

void HashingSink::Number(absl::string_view tag, uint64_t value) {
  state_->Header('N', tag);
  AppendNumber(value, &state_->pending);
  state_->Flush();
}

base::Digest HashingSink::Finish() {
  state_->hasher.Update(state_->pending);
  state_->pending.clear();
  return state_->hasher.Finish();
}

void TextSink::Bytes(absl::string_view tag, absl::string_view value) {
  absl::StrAppend(&text_, tag, ": ", absl::CHexEscape(absl::string_view(value)),
                  "\n");
}

void TextSink::Number(absl::string_view tag, uint64_t value) {
  absl::StrAppend(&text_, tag, ": ", value, "\n");
}

void WalkWeak(const WeakDescription& description, FingerprintSink* sink) {
  sink->Number("format", kFormat);
  sink->Bytes("platform", description.platform());
  sink->Bytes("program", description.program());
  sink->Number("args", static_cast<uint64_t>(description.args_size()));
  for (const std::string& arg : description.args()) {
    sink->Bytes("arg", arg);
  }
  sink->Bytes("cwd", description.cwd());
  sink->Number("env", static_cast<uint64_t>(description.env_size()));
  for (const EnvValue& variable : description.env()) {
    sink->Bytes("env.name", variable.name());
    sink->Number("env.present", variable.present() ? 1 : 0);
    sink->Bytes("env.value", variable.value_digest());
  }
  sink->Number("untracked_env",
               static_cast<uint64_t>(description.untracked_env_size()));
  for (const std::string& pattern : description.untracked_env()) {
    sink->Bytes("untracked_env.pattern", pattern);
  }
  const auto walk_globs = [sink](const auto& config) {
    sink->Number("automatic", config.automatic() ? 1 : 0);
    sink->Number("globs", static_cast<uint64_t>(config.globs_size()));
    for (const Glob& glob : config.globs()) {
      sink->Bytes(glob.negative() ? "glob.not" : "glob", glob.pattern());
    }
  };
  sink->Bytes("config", "input");
  walk_globs(description.input());
  sink->Bytes("config", "output");
  walk_globs(description.output());
  sink->Number("track", description.track() ? 1 : 0);
  sink->Number("honor_opt_out", description.honor_opt_out() ? 1 : 0);
  sink->Number("share_root_only", description.share_root_only() ? 1 : 0);
  sink->Bytes("root", description.root());
  sink->Number("services", static_cast<uint64_t>(description.services_size()));
  for (const std::string& service : description.services()) {
    sink->Bytes("service", service);
  }
  sink->Number("toolchain_executed", description.toolchain_executed() ? 1 : 0);
  // Only if it is set: results of older versions stay valid.
  if (description.strict_tracking()) {
    sink->Number("strict_tracking", 1);
  }
}

base::Digest WeakFingerprint(const WeakDescription& description) {
  HashingSink sink;
  WalkWeak(description, &sink);
  return sink.Finish();
}

base::Digest Sha256(absl::string_view data) {
  Sha256Hasher hasher;
  hasher.Update(data);
  return hasher.Finish();
}

}  // namespace vt::fingerprint
