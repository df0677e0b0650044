// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/services.h"

#include <gtest/gtest.h>

namespace vt::track {
namespace {

TEST(ServicesTest, AgentsBusesAndDisplaysAreHarmless) {
  for (const char* path :
       {"/run/nscd/socket", "/var/run/nscd/socket",
        "/run/dbus/system_bus_socket", "/run/user/1000/bus",
        "/run/systemd/journal/socket", "/run/systemd/userdb/io.systemd.Home",
        "/tmp/ssh-XXabc/agent.123", "/run/user/1000/gnupg/S.gpg-agent",
        "/home/me/.gnupg/S.gpg-agent", "/tmp/.X11-unix/X0",
        "@/tmp/.X11-unix/X0", "/run/user/1000/wayland-0", "/dev/log",
        "/var/lib/sss/pipes/nss"}) {
    EXPECT_TRUE(IsHarmlessService(path, {})) << path;
  }
}

TEST(ServicesTest, OthersAreNot) {
  for (const char* path :
       {"/run/docker.sock", "/var/run/docker.sock", "/tmp/nx/d.sock",
        "/run/postgresql/.s.PGSQL.5432", "@turbo", "/run/user/1000/podman/x",
        "/home/me/run/nscd/socket"}) {
    EXPECT_FALSE(IsHarmlessService(path, {})) << path;
  }
}

TEST(ServicesTest, UsersGlobsAllowMore) {
  EXPECT_TRUE(IsHarmlessService("/run/docker.sock", {"/run/docker.*"}));
  EXPECT_FALSE(IsHarmlessService("/run/x/docker.sock", {"/run/*"}));
  EXPECT_FALSE(IsHarmlessService("/run/x", {"/run/[unclosed"}));
}

}  // namespace
}  // namespace vt::track
