// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/readiness.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "daemon/base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace vt::lifecycle {
namespace {

std::string Reported(const absl::Status& status) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const base::UniqueFd reader(ends[0]);
  ReportReady(ends[1], status);
  std::string text(1000, '\0');
  // Closed as well: a second read finds the end.
  const ssize_t got = ::read(reader.get(), text.data(), text.size());
  char more = 0;
  EXPECT_EQ(::read(reader.get(), &more, 1), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

TEST(ReadinessTest, IsOneLine) {
  EXPECT_EQ(Reported(absl::OkStatus()), "ok\n");
  EXPECT_EQ(Reported(absl::UnavailableError("two\nlines")),
            "error: two lines\n");
}

TEST(ReadinessTest, SystemdIsNotifiedByADatagram) {
  const test::TempDir dir;
  const std::string path = (dir.path() / "n").string();
  const base::UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                   sizeof address),
            0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  NotifySystemd("READY=1");
  ::unsetenv("NOTIFY_SOCKET");
  char text[100] = {};
  EXPECT_EQ(::recv(socket.get(), text, sizeof text, MSG_DONTWAIT), 7);
  EXPECT_STREQ(text, "READY=1");
}

}  // namespace
}  // namespace vt::lifecycle
