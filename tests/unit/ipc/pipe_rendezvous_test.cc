// SPDX-License-Identifier: Apache-2.0
//
// The way to an endpoint through named pipes, with the clients' own code.

#include "daemon/ipc/pipe_rendezvous.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/tool/connection.h"
#include "tests/unit/ipc/raw_client.h"

namespace vt::ipc {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing::SizeIs;

class PipeRendezvousTest : public testing::Test {
 protected:
  // As the daemon does.
  static void SetUpTestSuite() { ::signal(SIGPIPE, SIG_IGN); }

  // Connecting to what is not a socket fails, and not with ENOENT.
  static void TakeSocketAway(const std::string& name) {
    ::unlink(name.c_str());
    std::ofstream(name) << "";
  }

  static bool Open(const std::string& name, vt_client::Connection* connection) {
    vt_client::Bytes error;
    return connection->Open(name.c_str(), "test/1", &error);
  }

  static void IgnoreInput(const char* path, vt_client::Connection* connection) {
    vt_client::Bytes message;
    vt_client::PutBytes(1, vt_client::SliceOf(path), &message);
    connection->Report(vt_client::Request::kIgnoreInput, message.slice());
  }

  static std::string Glob(const char* glob, vt_client::Connection* connection) {
    vt_client::Bytes query;
    vt_client::PutMember(1, vt_client::SliceOf(glob), &query);
    vt_client::Bytes message;
    vt_client::PutMember(1, query.slice(), &message);
    vt_client::Bytes error;
    if (!connection->GetEnvs(nullptr, message.slice(), &error) ||
        connection->found_count() != 1) {
      return "";
    }
    const vt_client::Slice value = connection->found(0).value;
    return {value.data, value.size};
  }
};

TEST_F(PipeRendezvousTest, ClientsGoByPipesWhereTheSocketDoesNotAnswer) {
  TestEndpoint endpoint(base::EnvMap{{"A", "1"}});
  TakeSocketAway(endpoint.name());
  {
    vt_client::Connection one;
    vt_client::Connection two;
    ASSERT_TRUE(Open(endpoint.name(), &one));
    ASSERT_TRUE(Open(endpoint.name(), &two));
    EXPECT_EQ(Glob("A*", &one), "1");
    EXPECT_EQ(Glob("A*", &two), "1");
    IgnoreInput("/x", &one);
    IgnoreInput("/y", &two);
  }
  const ToolReports reports = endpoint.Drain();
  ASSERT_THAT(reports.ignored_inputs, SizeIs(2));
  EXPECT_EQ(reports.ignored_inputs[0].origin.pid, ::getpid());
  EXPECT_TRUE(reports.ignored_inputs[0].origin.is_claimed);
  EXPECT_EQ(reports.protocol_error, "");
  EXPECT_THAT(reports.lingering, IsEmpty());
  EXPECT_FALSE(fs::exists(endpoint.name() + ".pipes"));
}

TEST_F(PipeRendezvousTest, ALargeAnswerComesInPieces) {
  TestEndpoint endpoint(base::EnvMap{{"BIG", std::string(300000, 'b')}});
  TakeSocketAway(endpoint.name());
  vt_client::Connection client;
  ASSERT_TRUE(Open(endpoint.name(), &client));
  EXPECT_THAT(Glob("B*", &client), SizeIs(300000));
}

TEST_F(PipeRendezvousTest, StrayBytesHurtNobody) {
  TestEndpoint endpoint(base::EnvMap{{"A", "1"}});
  TakeSocketAway(endpoint.name());
  const std::string pipe = endpoint.name() + ".pipes/connect";
  std::ofstream(pipe) << "abcde";
  std::ofstream(pipe) << std::string(32, 'f') << "\n"
                      << std::string(20000, 'x') << "\n../../x\nzz";
  vt_client::Connection client;
  ASSERT_TRUE(Open(endpoint.name(), &client));
  EXPECT_EQ(Glob("A", &client), "1");
}

TEST_F(PipeRendezvousTest, ALingeringClientIsCutOffAndBecomesASink) {
  TestEndpoint endpoint;
  TakeSocketAway(endpoint.name());
  vt_client::Connection client;
  ASSERT_TRUE(Open(endpoint.name(), &client));
  const ToolReports reports = endpoint.Drain(absl::Milliseconds(1));
  ASSERT_THAT(reports.lingering, SizeIs(1));
  EXPECT_EQ(reports.lingering[0].pid, ::getpid());
  IgnoreInput("/x", &client);
  EXPECT_FALSE(client.is_open());
}

TEST_F(PipeRendezvousTest, AnEndpointThatHasGoneIsGone) {
  std::string name;
  {
    TestEndpoint endpoint;
    name = endpoint.name();
    ::unlink(name.c_str());
    vt_client::Connection client;
    // ENOENT: no sandbox.
    EXPECT_FALSE(Open(name, &client));
  }
  EXPECT_FALSE(fs::exists(name + ".pipes"));
}

// Of this thread, and those that it starts.
bool DenyUnixSockets() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {std::size(code), code};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(PipeRendezvousTest, AnEndpointThatMayHaveNoSocketHasPipes) {
  bool denied = false;
  std::string answer;
  std::thread([&] {
    denied = DenyUnixSockets();
    if (denied) {
      TestEndpoint endpoint(base::EnvMap{{"A", "1"}});
      vt_client::Connection client;
      if (Open(endpoint.name(), &client)) {
        answer = Glob("A", &client);
      }
    }
  }).join();
  if (!denied) {
    GTEST_SKIP() << "REQUIRES(seccomp): filters are denied";
  }
  EXPECT_EQ(answer, "1");
}

}  // namespace
}  // namespace vt::ipc
