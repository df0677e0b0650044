// SPDX-License-Identifier: Apache-2.0

#include "daemon/ipc/tool_endpoint.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/ipc/frame.h"
#include "tests/unit/ipc/raw_client.h"

namespace vt::ipc {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Paths(const std::vector<PathReport>& reports) {
  std::vector<std::string> paths;
  for (const PathReport& report : reports) {
    paths.push_back(report.path);
  }
  return paths;
}

TEST(ToolEndpointTest, TheSocketIsPrivateAndGoesWithTheDrain) {
  TestEndpoint endpoint;
  struct stat st = {};
  ASSERT_EQ(::stat(endpoint.name().c_str(), &st), 0);
  EXPECT_TRUE(S_ISSOCK(st.st_mode));
  EXPECT_EQ(st.st_mode & 0777, 0600U);
  const std::filesystem::path parent =
      std::filesystem::path(endpoint.name()).parent_path();
  ASSERT_EQ(::stat(parent.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700U);
  endpoint.Drain();
  EXPECT_FALSE(std::filesystem::exists(endpoint.name()));
  EXPECT_EQ(RawClient(endpoint.name()).error(), ENOENT);
}

TEST(ToolEndpointTest, NamesLongerThanASocketAddressWork) {
  TestEndpoint endpoint({{"A", "1"}}, "/" + std::string(150, 'x'));
  ASSERT_GT(endpoint.name().size(), 150U);
  RawClient client(endpoint.name());
  ASSERT_TRUE(client.ok());
  client.Hello();
  EXPECT_EQ(client.Ask(GetEnv("A", true)).env().value(), "1");
  client.Close();
  EXPECT_THAT(endpoint.Drain().env, SizeIs(1));
}

TEST(ToolEndpointTest, CollectsWhatClientsSay) {
  TestEndpoint endpoint;
  RawClient client(endpoint.name());
  client.Hello();
  for (const char* path : {"/a", "/b/../c", "/a"}) {
    client.Send(IgnoreInput(path));
  }
  ToolRequest request;
  request.mutable_ignore_output()->set_path("/out\xff");
  client.Send(request);
  request.mutable_track_input()->set_path("/in");
  client.Send(request);
  request.mutable_track_output()->set_path("/made");
  client.Send(request);
  request.mutable_track_value()->set_key("version");
  request.mutable_track_value()->set_value("7");
  client.Send(request);
  client.Send(request);
  request.mutable_disable_cache()->set_reason("dev server");
  request.mutable_disable_cache()->set_call_site("/x/vite.js:7");
  client.Send(request);
  client.Close();
  const ToolReports reports = endpoint.Drain();
  EXPECT_THAT(Paths(reports.ignored_inputs), ElementsAre("/a", "/b/../c"));
  EXPECT_THAT(Paths(reports.ignored_outputs), ElementsAre("/out\xff"));
  EXPECT_THAT(Paths(reports.tracked_inputs), ElementsAre("/in"));
  EXPECT_THAT(Paths(reports.tracked_outputs), ElementsAre("/made"));
  ASSERT_THAT(reports.values, SizeIs(1));
  EXPECT_EQ(reports.values[0].value, "7");
  ASSERT_THAT(reports.opt_outs, SizeIs(1));
  EXPECT_EQ(reports.opt_outs[0].call_site, "/x/vite.js:7");
  EXPECT_EQ(reports.opt_outs[0].reason, "dev server");
  EXPECT_EQ(reports.opt_outs[0].origin.pid, ::getpid());
  EXPECT_EQ(reports.opt_outs[0].origin.argv0, "raw");
  EXPECT_EQ(reports.opt_outs[0].origin.client, "raw/1");
  EXPECT_EQ(reports.protocol_error, "");
  EXPECT_THAT(reports.notes, IsEmpty());
  EXPECT_THAT(reports.lingering, IsEmpty());
}

TEST(ToolEndpointTest, AnswersFromItsEnvironment) {
  TestEndpoint endpoint(
      {{"EMPTY", ""}, {"P_A", "1"}, {"P_B", "\xff"}, {"Q", "2"}});
  RawClient client(endpoint.name());
  const ToolReply hello = client.Hello(/*want_env=*/true);
  EXPECT_EQ(hello.hello().protocol(), 1U);
  EXPECT_TRUE(hello.hello().has_env());
  ASSERT_EQ(hello.hello().env_size(), 4);
  EXPECT_EQ(hello.hello().env(0).name(), "EMPTY");
  ToolReply reply = client.Ask(GetEnv("EMPTY", true));
  EXPECT_TRUE(reply.env().present());
  EXPECT_EQ(reply.env().value(), "");
  EXPECT_FALSE(client.Ask(GetEnv("p_a", true)).env().present());
  EXPECT_FALSE(client.Ask(GetEnv("", false)).env().present());
  reply = client.Ask(GetEnvs("P_?", true));
  ASSERT_EQ(reply.envs().env_size(), 2);
  EXPECT_EQ(reply.envs().env(1).value(), "\xff");
  EXPECT_EQ(client.Ask(GetEnvsPrefix("P", true)).envs().env_size(), 2);
  EXPECT_EQ(client.Ask(GetEnvs("**", true)).envs().env_size(), 4);
}

TEST(ToolEndpointTest, EnvQueriesAreUnitedAndTrackedWins) {
  TestEndpoint endpoint(base::EnvMap{{"A", "1"}});
  RawClient first(endpoint.name());
  RawClient second(endpoint.name());
  first.Hello();
  second.Hello();
  first.Ask(GetEnv("A", false));
  second.Ask(GetEnv("A", true));
  second.Ask(GetEnv("B", true));
  first.Ask(GetEnv("B", false));
  first.Ask(GetEnv("C", false));
  first.Ask(GetEnvs("A*", false));
  first.Ask(GetEnvsPrefix("A*", true));
  // These match nothing, ever: nothing to remember.
  first.Ask(GetEnvs("*", true));
  first.Ask(GetEnvs("", true));
  first.Ask(GetEnvsPrefix("", true));
  first.Close();
  second.Close();
  std::vector<std::string> env;
  for (const EnvReport& report : endpoint.Drain().env) {
    env.push_back(absl::StrCat(static_cast<int>(report.kind), " ", report.text,
                               report.tracked ? " tracked" : ""));
  }
  EXPECT_THAT(env, UnorderedElementsAre("0 A tracked", "0 B tracked", "0 C",
                                        "1 A*", "2 A* tracked"));
}

TEST(ToolEndpointTest, ABadRequestIsRefusedAndTheConnectionLivesOn) {
  TestEndpoint endpoint(base::EnvMap{{"A", "1"}});
  RawClient client(endpoint.name());
  client.Hello();
  EXPECT_THAT(client.Ask(IgnoreInput("relative/path")).error(),
              HasSubstr("non-absolute path from the task: \"relative/path\""));
  EXPECT_THAT(client.Ask(IgnoreInput("")).error(), HasSubstr("non-absolute"));
  EXPECT_THAT(client.Ask(GetEnvs("{unclosed", true)).error(),
              HasSubstr("invalid glob pattern from the task: \"{unclosed\""));
  EXPECT_THAT(client.Ask(ToolRequest()).error(), HasSubstr("not a request"));
  ToolRequest no_query;
  no_query.mutable_get_envs();
  EXPECT_THAT(client.Ask(no_query).error(), HasSubstr("glob or a prefix"));
  EXPECT_THAT(client.Hello().error(), HasSubstr("had its hello"));
  // A message of the future: field 99.
  EXPECT_TRUE(client.SendBytes(std::string("\x05\0\0\0\x08\x63\x9a\x06\0", 9)));
  ToolReply reply;
  ASSERT_TRUE(client.Receive(&reply));
  EXPECT_EQ(reply.id(), 99U);
  EXPECT_THAT(reply.error(), HasSubstr("not a request"));
  EXPECT_EQ(client.Ask(GetEnv("A", true)).env().value(), "1");
  EXPECT_TRUE(RawClient(endpoint.name()).ok());
  client.Close();
  const ToolReports reports = endpoint.Drain();
  EXPECT_EQ(reports.protocol_error, "");
  EXPECT_THAT(reports.ignored_inputs, IsEmpty());
  EXPECT_THAT(reports.env, SizeIs(1));
  EXPECT_THAT(reports.notes, IsEmpty());
}

TEST(ToolEndpointTest, ABadReportThatNobodyWaitsForIsNoted) {
  TestEndpoint endpoint;
  RawClient client(endpoint.name());
  client.Hello();
  client.Send(IgnoreInput("x\ny"));
  for (int i = 0; i < 150; ++i) {
    client.Send(IgnoreInput("rel"));
  }
  client.Close();
  const ToolReports reports = endpoint.Drain();
  ASSERT_THAT(reports.notes, SizeIs(101));
  EXPECT_THAT(reports.notes[0], AllOf(HasSubstr("(raw): ignore_input: "),
                                      HasSubstr("\"x\\ny\"")));
  EXPECT_EQ(reports.notes[100], "and 51 more");
  EXPECT_EQ(reports.protocol_error, "");
}

TEST(ToolEndpointTest, NothingIsTakenBeforeAHelloOfOurProtocol) {
  TestEndpoint endpoint;
  RawClient client(endpoint.name());
  EXPECT_THAT(client.Ask(IgnoreInput("/a")).error(), HasSubstr("hello"));
  ToolRequest future;
  future.mutable_hello()->set_protocol(2);
  EXPECT_THAT(client.Ask(future).error(), HasSubstr("protocol 2"));
  EXPECT_THAT(client.Ask(IgnoreInput("/a")).error(), HasSubstr("hello"));
  EXPECT_EQ(client.Hello().error(), "");
  EXPECT_EQ(client.Ask(IgnoreInput("/b")).error(), "");
  client.Close();
  EXPECT_THAT(Paths(endpoint.Drain().ignored_inputs), ElementsAre("/b"));
}

TEST(ToolEndpointTest, ABrokenFrameEndsItsConnectionAlone) {
  const std::string kBroken[] = {
      std::string(4, '\0'),                     // length 0
      std::string("\0\0\0\x40", 4),             // 1 GiB
      std::string("\x03\0\0\0\xff\xff\xff", 7)  // no message
  };
  for (const std::string& bytes : kBroken) {
    TestEndpoint endpoint(base::EnvMap{{"A", "1"}});
    RawClient other(endpoint.name());
    other.Hello();
    RawClient client(endpoint.name());
    client.Hello();
    client.Send(IgnoreInput("/kept"));
    client.SendBytes(bytes);
    EXPECT_TRUE(client.IsEnded());
    EXPECT_EQ(other.Ask(GetEnv("A", true)).env().value(), "1");
    RawClient late(endpoint.name());
    EXPECT_EQ(late.Hello().error(), "");
    other.Close();
    late.Close();
    const ToolReports reports = endpoint.Drain();
    EXPECT_THAT(reports.protocol_error, HasSubstr("(raw): a frame of "));
    EXPECT_THAT(Paths(reports.ignored_inputs), ElementsAre("/kept"));
  }
}

TEST(ToolEndpointTest, AnEndInsideAFrameIsClean) {
  for (const std::string& bytes : {std::string(), std::string("\x05\0", 2),
                                   std::string("\x32\0\0\0\x1a\x05\x0a", 7),
                                   // 1 MiB announced, nothing sent.
                                   std::string("\0\0\x10\0", 4)}) {
    TestEndpoint endpoint;
    RawClient client(endpoint.name());
    client.Hello();
    client.Send(IgnoreInput("/a"));
    client.SendBytes(bytes);
    client.Close();
    const ToolReports reports = endpoint.Drain();
    EXPECT_EQ(reports.protocol_error, "");
    EXPECT_THAT(reports.lingering, IsEmpty());
    EXPECT_THAT(Paths(reports.ignored_inputs), ElementsAre("/a"));
  }
}

TEST(ToolEndpointTest, TheLargestFrameIsTaken) {
  TestEndpoint endpoint;
  RawClient client(endpoint.name());
  client.Hello();
  ToolRequest request = IgnoreInput("/" + std::string(kMaxFrameBytes - 9, 'x'));
  ASSERT_EQ(request.ByteSizeLong(), kMaxFrameBytes);
  EXPECT_TRUE(client.Send(request));
  client.Close();
  const ToolReports reports = endpoint.Drain();
  EXPECT_EQ(reports.protocol_error, "");
  EXPECT_THAT(reports.ignored_inputs, SizeIs(1));
}

TEST(ToolEndpointTest, ReportsWithoutBoundMakeTheRunNotStored) {
  TestEndpoint endpoint;
  RawClient client(endpoint.name());
  client.Hello();
  for (int i = 0; i < 70; ++i) {
    ASSERT_TRUE(client.Send(
        IgnoreInput(absl::StrCat("/", i, std::string(1000000, 'x')))));
  }
  client.Close();
  const ToolReports reports = endpoint.Drain();
  EXPECT_THAT(reports.protocol_error, HasSubstr("64 MiB"));
  EXPECT_LT(reports.ignored_inputs.size(), 68U);
}

TEST(ToolEndpointTest, AnEnvironmentLargerThanAFrameIsAskedForPieceByPiece) {
  base::EnvMap env;
  for (int i = 0; i < 12; ++i) {
    env[absl::StrCat("BIG_", i)] = std::string(100000, 'v');
  }
  TestEndpoint endpoint(env);
  RawClient client(endpoint.name());
  const ToolReply hello = client.Hello(/*want_env=*/true);
  EXPECT_EQ(hello.error(), "");
  EXPECT_FALSE(hello.hello().has_env());
  EXPECT_EQ(hello.hello().env_size(), 0);
  EXPECT_THAT(client.Ask(GetEnvsPrefix("BIG", true)).error(),
              HasSubstr("larger than a frame"));
  EXPECT_EQ(client.Ask(GetEnv("BIG_3", true)).env().value().size(), 100000U);
}

TEST(ToolEndpointTest, TwoHundredClientsAreServed) {
  TestEndpoint endpoint(base::EnvMap{{"A", "1"}});
  std::vector<RawClient> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back(endpoint.name());
    ASSERT_TRUE(clients.back().ok());
  }
  for (size_t i = 0; i < clients.size(); ++i) {
    clients[i].Hello();
    clients[i].Send(IgnoreInput(absl::StrCat("/", i)));
    EXPECT_EQ(clients[i].Ask(GetEnv("A", true)).env().value(), "1");
  }
  clients.clear();
  EXPECT_THAT(endpoint.Drain().ignored_inputs, SizeIs(200));
}

// Requests with large answers that are never read: the endpoint stops taking
// them, serves others, and takes the rest once the client is gone.
TEST(ToolEndpointTest, UnreadAnswersBlockNobody) {
  TestEndpoint endpoint({{"BIG", std::string(100000, 'v')}, {"A", "1"}});
  RawClient rude(endpoint.name());
  rude.Hello();
  ToolRequest request = GetEnv("BIG", true);
  std::string burst;
  for (uint64_t i = 0; i < 200; ++i) {
    request.set_id(100 + i);
    AppendFrame(request.SerializeAsString(), &burst);
  }
  AppendFrame(IgnoreInput("/last").SerializeAsString(), &burst);
  ASSERT_TRUE(rude.SendBytes(burst));
  RawClient other(endpoint.name());
  other.Hello();
  EXPECT_EQ(other.Ask(GetEnv("A", true)).env().value(), "1");
  other.Close();
  rude.Close();
  const ToolReports reports = endpoint.Drain();
  EXPECT_THAT(Paths(reports.ignored_inputs), ElementsAre("/last"));
  EXPECT_THAT(reports.lingering, IsEmpty());
  EXPECT_EQ(reports.protocol_error, "");
}

TEST(ToolEndpointTest, AClientThatReadsLateGetsEveryAnswerInOrder) {
  TestEndpoint endpoint(base::EnvMap{{"BIG", std::string(100000, 'v')}});
  RawClient client(endpoint.name());
  client.Hello();
  ToolRequest request = GetEnv("BIG", true);
  for (uint64_t i = 0; i < 200; ++i) {
    request.set_id(100 + i);
    ASSERT_TRUE(client.Send(request));
  }
  ::shutdown(client.fd(), SHUT_WR);
  ToolReply reply;
  for (uint64_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(client.Receive(&reply)) << i;
    EXPECT_EQ(reply.id(), 100 + i);
    EXPECT_EQ(reply.env().value().size(), 100000U);
  }
  EXPECT_TRUE(client.IsEnded());
}

// The daemon's loop must not take, and so not keep, what is not read.
TEST(ToolEndpointTest, AClientThatNeverReadsIsNotReadFromForEver) {
  TestEndpoint endpoint(base::EnvMap{{"BIG", std::string(100000, 'v')}});
  RawClient rude(endpoint.name());
  rude.Hello();
  ToolRequest request = GetEnv("BIG", true);
  request.set_id(7);
  std::string frame;
  AppendFrame(request.SerializeAsString(), &frame);
  size_t sent = 0;
  // Until the socket is full although the loop had its turns.
  for (int refused = 0; refused < 50 && sent < 100000;) {
    if (::send(rude.fd(), frame.data(), frame.size(),
               MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
      ++sent;
      refused = 0;
    } else {
      ++refused;
      endpoint.Settle();
    }
  }
  EXPECT_LT(sent, 10000U);
  const ToolReports reports = endpoint.Drain(absl::Milliseconds(1));
  EXPECT_THAT(reports.lingering, SizeIs(1));
  EXPECT_EQ(reports.protocol_error, "");
}

TEST(ToolEndpointTest, ADrainTakesConnectionsThatWaitInTheBacklog) {
  TestEndpoint endpoint;
  std::vector<RawClient> clients;
  for (int i = 0; i < 100; ++i) {
    clients.emplace_back(endpoint.name());
    ToolRequest hello;
    hello.mutable_hello()->set_protocol(1);
    clients.back().Send(hello);
    clients.back().Send(IgnoreInput(absl::StrCat("/", i)));
    clients.back().Close();
  }
  // Also with no time to wait: it was all written before.
  const ToolReports reports = endpoint.Drain(absl::ZeroDuration());
  EXPECT_THAT(reports.ignored_inputs, SizeIs(100));
  EXPECT_THAT(reports.lingering, IsEmpty());
}

TEST(ToolEndpointTest, ADrainServesOpenConnectionsToTheirEnd) {
  TestEndpoint endpoint(base::EnvMap{{"A", "1"}});
  RawClient client(endpoint.name());
  client.Hello();
  endpoint.StartDrain(absl::Seconds(20));
  EXPECT_EQ(RawClient(endpoint.name()).error(), ENOENT);
  EXPECT_EQ(client.Ask(GetEnv("A", true)).env().value(), "1");
  client.Send(IgnoreInput("/late"));
  client.Close();
  const ToolReports reports = endpoint.WaitForReports();
  EXPECT_THAT(Paths(reports.ignored_inputs), ElementsAre("/late"));
  EXPECT_THAT(reports.lingering, IsEmpty());
}

TEST(ToolEndpointTest, ALingeringClientIsCutOffAndNamed) {
  TestEndpoint endpoint;
  RawClient client(endpoint.name());
  client.Hello();
  RawClient silent(endpoint.name());
  client.Send(IgnoreInput("/written"));
  const ToolReports reports = endpoint.Drain(absl::Milliseconds(5));
  EXPECT_THAT(Paths(reports.ignored_inputs), ElementsAre("/written"));
  ASSERT_THAT(reports.lingering, SizeIs(2));
  for (const ToolOrigin& origin : reports.lingering) {
    EXPECT_EQ(origin.pid, ::getpid());
    EXPECT_NE(origin.argv0, "");
    EXPECT_THAT(origin.command, HasSubstr("vt_ipc_test"));
  }
  EXPECT_TRUE(client.IsEnded());
}

TEST(ToolEndpointTest, AnotherUserIsRefused) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root, to become another user";
  }
  TestEndpoint endpoint;
  // Open every door, so that only the look at the peer is left.
  const std::filesystem::path socket = endpoint.name();
  for (const std::filesystem::path& path :
       {socket, socket.parent_path(), socket.parent_path().parent_path()}) {
    std::filesystem::permissions(path, std::filesystem::perms::all);
  }
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (::setresuid(kNobody, kNobody, kNobody) != 0) {
      ::_exit(2);
    }
    RawClient client(endpoint.name());
    ::_exit(!client.ok() ? 3 : client.IsEnded() ? 0 : 4);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const ToolReports reports = endpoint.Drain();
  EXPECT_THAT(reports.notes, ElementsAre(HasSubstr("refused: user 65534")));
  EXPECT_EQ(reports.protocol_error, "");
}

TEST(ToolEndpointTest, MoreClientsThanTheLimitWaitForTheirTurn) {
  rlimit files = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_max < 3000) {
    GTEST_SKIP() << "needs 3000 descriptors";
  }
  const rlimit more = {3000, files.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &more), 0);
  {
    TestEndpoint endpoint;
    std::vector<RawClient> clients;
    for (int i = 0; i < 1024; ++i) {
      clients.emplace_back(endpoint.name());
      ASSERT_TRUE(clients.back().ok()) << i;
    }
    EXPECT_EQ(clients.back().Hello().error(), "");
    RawClient late(endpoint.name());
    ToolRequest hello;
    hello.set_id(1);
    hello.mutable_hello()->set_protocol(1);
    ASSERT_TRUE(late.Send(hello));
    endpoint.Settle();
    char byte = 0;
    EXPECT_EQ(::recv(late.fd(), &byte, 1, MSG_DONTWAIT), -1);
    clients[7].Close();
    ToolReply reply;
    EXPECT_TRUE(late.Receive(&reply));
  }
  ::setrlimit(RLIMIT_NOFILE, &files);
}

TEST(ToolEndpointTest, AnEndpointMayGoWithItsClients) {
  auto endpoint = std::make_unique<TestEndpoint>();
  RawClient client(endpoint->name());
  client.Hello();
  const std::string name = endpoint->name();
  endpoint.reset();
  EXPECT_TRUE(client.IsEnded());
  EXPECT_FALSE(std::filesystem::exists(name));
}

TEST(ToolEndpointTest, ARelativeDirectoryIsRefused) {
  std::unique_ptr<loop::EventLoop> loop = *loop::EventLoop::Start();
  base::Notification done;
  absl::Status status;
  loop->Post([&] {
    status = ToolEndpoint::Open(loop.get(), {"relative", {}}).status();
    done.Notify();
  });
  done.Wait();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace vt::ipc
