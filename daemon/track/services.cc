// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/services.h"

#include <fnmatch.h>

#include <algorithm>

#include "daemon/base/glob.h"

namespace vt::track {
namespace {

// Both /run and /var/run, its old name; a component wildcard stands for the
// uid.
const char* const kHarmless[] = {
    "/run/nscd/socket",
    "/var/run/nscd/socket",
    "/var/lib/sss/pipes/*",
    "/var/lib/sss/pipes/private/*",
    "/run/dbus/system_bus_socket",
    "/var/run/dbus/system_bus_socket",
    "/run/user/*/bus",
    "/run/user/*/at-spi/*",
    "@/tmp/dbus-*",
    "/tmp/dbus-*",
    "/run/systemd/**",
    "/run/user/*/systemd/**",
    "/dev/log",
    "/tmp/ssh-*/agent.*",
    "/run/user/*/ssh-agent*",
    "/run/user/*/keyring/*",
    "/run/user/*/openssh_agent",
    "/run/user/*/gnupg/**",
    "**/.gnupg/S.*",
    "/tmp/.X11-unix/*",
    "@/tmp/.X11-unix/*",
    "/run/user/*/wayland-*",
};

bool Matches(const std::string& pattern, const std::string& path) {
  const absl::StatusOr<base::Glob> glob =
      base::Glob::Parse(pattern, base::Glob::Style::kPath);
  return glob.ok() && glob->Matches(path);
}

}  // namespace

bool IsHarmlessService(const std::string& path,
                       const std::vector<std::string>& allowed) {
  return std::any_of(std::begin(kHarmless), std::end(kHarmless),
                     [&path](const char* p) { return Matches(p, path); }) ||
         std::any_of(
             allowed.begin(), allowed.end(),
             [&path](const std::string& p) { return Matches(p, path); });
}

}  // namespace vt::track
