// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/flags.h"

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

#include "daemon/base/fnv.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"

namespace vt::lifecycle {
namespace {

absl::StatusOr<absl::Duration> ParseIdleExit(absl::string_view name,
                                             absl::string_view text) {
  uint32_t seconds = 0;
  if (!absl::SimpleAtoi(text, &seconds)) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": `", text, "` is not a number of seconds (0: never)"));
  }
  return seconds == 0 ? absl::InfiniteDuration() : absl::Seconds(seconds);
}

// What --name VALUE is stored into.
absl::Status SetFlag(absl::string_view name, const std::string& value,
                     Flags* flags) {
  std::string* text = name == "--cache-dir"     ? &flags->cache_dir
                      : name == "--runtime-dir" ? &flags->runtime_dir
                      : name == "--state-dir"   ? &flags->state_dir
                      : name == "--socket"      ? &flags->socket
                                                : nullptr;
  if (text != nullptr) {
    if (value.empty() || value[0] != '/') {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": `", value, "` is not an absolute path"));
    }
    *text = base::NormalizePath(value);
    return absl::OkStatus();
  }
  if (name == "--idle-exit") {
    VT_ASSIGN_OR_RETURN(flags->idle_exit, ParseIdleExit(name, value));
    flags->idle_exit_origin = std::string(name);
    return absl::OkStatus();
  }
  int* fd = name == "--ready-fd"    ? &flags->ready_fd
            : name == "--keeper-fd" ? &flags->keeper_fd
                                    : nullptr;
  const bool ok = fd != nullptr ? absl::SimpleAtoi(value, fd) && *fd >= 0
                                : absl::SimpleAtoi(value, &flags->test_build);
  return ok ? absl::OkStatus()
            : absl::InvalidArgumentError(
                  absl::StrCat(name, ": `", value, "` is not a number"));
}

bool TakesValue(absl::string_view name) {
  for (const absl::string_view known :
       {"--cache-dir", "--runtime-dir", "--state-dir", "--socket", "--ready-fd",
        "--keeper-fd", "--idle-exit", "--test-build"}) {
    if (name == known) {
      return true;
    }
  }
  return false;
}

std::string Lookup(const base::EnvMap& env, const std::string& name) {
  const auto it = env.find(name);
  return it == env.end() ? "" : it->second;
}

// $`variable`/vtask, else $HOME/`below_home`/vtask. A relative value is ignored
// (XDG Base Directory Specification).
absl::StatusOr<std::string> FromXdg(const base::EnvMap& env,
                                    const std::string& variable,
                                    absl::string_view below_home) {
  std::string directory = Lookup(env, variable);
  if (directory.empty() || directory[0] != '/') {
    const std::string home = Lookup(env, "HOME");
    if (home.empty() || home[0] != '/') {
      return absl::InvalidArgumentError(
          absl::StrCat("neither ", variable, " nor HOME is set"));
    }
    directory = base::JoinPath(home, below_home);
  }
  return base::NormalizePath(base::JoinPath(directory, "vtask"));
}

using ConfiguredCacheDir = absl::FunctionRef<absl::StatusOr<std::string>()>;

absl::Status FillDirectories(const base::EnvMap& env, uid_t uid,
                             ConfiguredCacheDir configured, Flags* flags) {
  if (flags->cache_dir.empty()) {
    const std::string own = Lookup(env, "VT_CACHE_DIR");
    if (!own.empty() && own[0] == '/') {
      flags->cache_dir = base::NormalizePath(own);
    } else {
      VT_ASSIGN_OR_RETURN(flags->cache_dir, configured());
    }
    if (flags->cache_dir.empty()) {
      VT_ASSIGN_OR_RETURN(flags->cache_dir,
                          FromXdg(env, "XDG_CACHE_HOME", ".cache"));
    }
  }
  if (flags->state_dir.empty()) {
    VT_ASSIGN_OR_RETURN(flags->state_dir,
                        FromXdg(env, "XDG_STATE_HOME", ".local/state"));
  }
  if (flags->runtime_dir.empty()) {
    const std::string runtime = Lookup(env, "XDG_RUNTIME_DIR");
    flags->runtime_dir =
        !runtime.empty() && runtime[0] == '/'
            ? base::NormalizePath(base::JoinPath(runtime, "vtask"))
            : absl::StrCat("/tmp/vtask-", uid);
  }
  if (flags->socket.empty()) {
    flags->socket = base::JoinPath(
        flags->runtime_dir,
        absl::StrFormat("%016x.sock", base::Fnv1a64(flags->cache_dir)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& args,
                                 const base::EnvMap& env, uid_t uid,
                                 ConfiguredCacheDir configured_cache_dir) {
  Flags flags;
  if (const std::string text = Lookup(env, "VT_IDLE_EXIT"); !text.empty()) {
    VT_ASSIGN_OR_RETURN(flags.idle_exit, ParseIdleExit("VT_IDLE_EXIT", text));
    flags.idle_exit_origin = "VT_IDLE_EXIT";
  }
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (arg == "--foreground") {
      flags.foreground = true;
    } else if (arg == "--one-shot") {
      flags.one_shot = true;
    } else if (arg == "--version") {
      flags.show_version = true;
    } else if (arg == "--help" || arg == "-h") {
      flags.show_help = true;
    } else if (!TakesValue(arg)) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag `", arg, "` (see `vtaskd --help`)"));
    } else if (i + 1 == args.size()) {
      return absl::InvalidArgumentError(absl::StrCat(arg, " needs a value"));
    } else {
      VT_RETURN_IF_ERROR(SetFlag(arg, args[i + 1], &flags));
      ++i;
    }
  }
  if (flags.show_version || flags.show_help) {
    return flags;
  }
  if (!flags.foreground &&
      (flags.cache_dir.empty() || flags.runtime_dir.empty() ||
       flags.state_dir.empty() || flags.socket.empty())) {
    return absl::InvalidArgumentError(
        "`vt` starts this program; by hand, use `vtaskd --foreground`");
  }
  VT_RETURN_IF_ERROR(FillDirectories(env, uid, configured_cache_dir, &flags));
  return flags;
}

const char* HelpText() {
  return "Usage: vtaskd --foreground [OPTION]...\n"
         "The daemon of vtask. `vt` starts it when it is needed.\n"
         "\n"
         "  --foreground        run without a keeper: by hand, or by systemd\n"
         "  --cache-dir DIR     default $VT_CACHE_DIR, `cacheDir` of the\n"
         "                      user's settings, $XDG_CACHE_HOME/vtask or\n"
         "                      ~/.cache/vtask\n"
         "  --runtime-dir DIR   default $XDG_RUNTIME_DIR/vtask or\n"
         "                      /tmp/vtask-UID\n"
         "  --state-dir DIR     default $XDG_STATE_HOME/vtask or\n"
         "                      ~/.local/state/vtask\n"
         "  --socket PATH       default in the runtime directory\n"
         "  --idle-exit SECONDS exit after that long without work and "
         "clients;\n"
         "                      0: never. Default $VT_IDLE_EXIT, `idleExit`\n"
         "                      of the user's settings or 10800\n"
         "  --one-shot          exit when the last client has gone\n"
         "  --ready-fd N        report `ok` or `error: ...` there\n"
         "  --keeper-fd N       socket of the keeper\n"
         "  --version, --help\n";
}

}  // namespace vt::lifecycle
