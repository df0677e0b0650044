// SPDX-License-Identifier: Apache-2.0

#include "daemon/ipc/frame.h"

#include <string>

#include "absl/strings/escaping.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/tool/bytes.h"
#include "client/tool/wire.h"
#include "vtask/tool/v1/tool.pb.h"

namespace vt::ipc {
namespace {

using Result = FrameReader::Result;
using vtask::tool::v1::ToolReply;
using vtask::tool::v1::ToolRequest;

std::string FrameOf(const std::string& body) {
  std::string frame;
  AppendFrame(body, &frame);
  return frame;
}

TEST(FrameTest, ComesBackFromAnyCut) {
  const std::string stream =
      FrameOf("a") + FrameOf(std::string(300, 'b')) + FrameOf("c");
  for (size_t chunk :
       {size_t{1}, size_t{3}, size_t{4}, size_t{7}, size_t{500}}) {
    FrameReader reader;
    std::string bodies;
    absl::string_view body;
    for (size_t i = 0; i < stream.size(); i += chunk) {
      reader.Add(stream.substr(i, chunk));
      while (reader.Next(&body) == Result::kFrame) {
        bodies += std::string(body) + "|";
      }
    }
    EXPECT_EQ(bodies, "a|" + std::string(300, 'b') + "|c|") << chunk;
    EXPECT_EQ(reader.Next(&body), Result::kNeedMore);
  }
}

TEST(FrameTest, LengthsOutsideTheLimitsAreBroken) {
  const struct {
    std::string header;
    Result result;
  } kCases[] = {
      {std::string(4, '\0'), Result::kBroken},
      {std::string("\x01\x00\x10\x00", 4), Result::kBroken},
      {std::string("\xff\xff\xff\xff", 4), Result::kBroken},
      {std::string("\x00\x00\x10\x00", 4), Result::kNeedMore},
  };
  for (const auto& c : kCases) {
    FrameReader reader;
    absl::string_view body;
    reader.Add(c.header);
    EXPECT_EQ(reader.Next(&body), c.result) << absl::BytesToHexString(c.header);
  }
}

// The bytes that docs/TOOL_IPC.md shows.
constexpr char kDocumentedHello[] =
    "12000000"               // 18 bytes follow
    "0801"                   // id = 1
    "120e"                   // hello, 14 bytes
    "0801"                   //   protocol = 1
    "120a"                   //   client, 10 bytes
    "6578616d706c652f3131";  // "example/11"
constexpr char kDocumentedHelloReply[] =
    "06000000"  // 6 bytes follow
    "0801"      // id = 1
    "1a02"      // hello, 2 bytes
    "0801";     //   protocol = 1
constexpr char kDocumentedGetEnv[] =
    "0b000000"  // 11 bytes follow
    "0802"      // id = 2
    "3a07"      // get_env, 7 bytes
    "0a03"      //   name, 3 bytes
    "464f4f"    //   "FOO"
    "1001";     //   tracked = true
constexpr char kDocumentedGetEnvReply[] =
    "0b000000"  // 11 bytes follow
    "0802"      // id = 2
    "2207"      // env, 7 bytes
    "0801"      //   present = true
    "1203"      //   value, 3 bytes
    "626172";   //   "bar"
constexpr char kDocumentedIgnoreOutput[] =
    "06000000"  // 6 bytes follow
    "2204"      // ignore_output, 4 bytes; no id: no answer
    "0a02"      //   path, 2 bytes
    "2f6f";     //   "/o"

TEST(FrameTest, DocumentedBytesAreWhatProtobufWrites) {
  ToolRequest hello;
  hello.set_id(1);
  hello.mutable_hello()->set_protocol(1);
  hello.mutable_hello()->set_client("example/11");
  EXPECT_EQ(absl::BytesToHexString(FrameOf(hello.SerializeAsString())),
            kDocumentedHello);
  ToolReply hello_reply;
  hello_reply.set_id(1);
  hello_reply.mutable_hello()->set_protocol(1);
  EXPECT_EQ(absl::BytesToHexString(FrameOf(hello_reply.SerializeAsString())),
            kDocumentedHelloReply);
  ToolRequest get_env;
  get_env.set_id(2);
  get_env.mutable_get_env()->set_name("FOO");
  get_env.mutable_get_env()->set_tracked(true);
  EXPECT_EQ(absl::BytesToHexString(FrameOf(get_env.SerializeAsString())),
            kDocumentedGetEnv);
  ToolReply get_env_reply;
  get_env_reply.set_id(2);
  get_env_reply.mutable_env()->set_present(true);
  get_env_reply.mutable_env()->set_value("bar");
  EXPECT_EQ(absl::BytesToHexString(FrameOf(get_env_reply.SerializeAsString())),
            kDocumentedGetEnvReply);
  ToolRequest ignore;
  ignore.mutable_ignore_output()->set_path("/o");
  EXPECT_EQ(absl::BytesToHexString(FrameOf(ignore.SerializeAsString())),
            kDocumentedIgnoreOutput);
}

TEST(FrameTest, TheAddonsOwnEncoderWritesTheSameBytes) {
  vt_client::Bytes message;
  vt_client::PutBytes(1, vt_client::SliceOf("FOO"), &message);
  vt_client::PutNumber(2, 1, &message);
  vt_client::Bytes frame;
  ASSERT_TRUE(vt_client::MakeFrame(2, vt_client::Request::kGetEnv,
                                   message.slice(), &frame));
  EXPECT_EQ(
      absl::BytesToHexString(absl::string_view(frame.data(), frame.size())),
      kDocumentedGetEnv);
}

TEST(FrameTest, TheAddonsOwnDecoderReadsWhatProtobufWrites) {
  ToolReply reply;
  reply.set_id(uint64_t{1} << 63 | 5);
  reply.set_error(std::string(300, 'e'));
  reply.mutable_env()->set_value("v");
  const std::string bytes = reply.SerializeAsString();
  vt_client::FieldReader fields({bytes.data(), bytes.size()});
  ASSERT_TRUE(fields.Next());
  EXPECT_EQ(fields.field(), 1U);
  EXPECT_EQ(fields.number(), reply.id());
  ASSERT_TRUE(fields.Next());
  EXPECT_EQ(fields.bytes().size, 300U);
  ASSERT_TRUE(fields.Next());
  EXPECT_EQ(fields.field(), 4U);
  EXPECT_EQ(fields.bytes().size, 3U);
  EXPECT_FALSE(fields.Next());
  EXPECT_FALSE(fields.is_broken());
  for (size_t cut : {size_t{1}, size_t{5}, size_t{12}, bytes.size() - 1}) {
    vt_client::FieldReader broken({bytes.data(), cut});
    while (broken.Next()) {
    }
    EXPECT_TRUE(broken.is_broken()) << cut;
  }
}

TEST(FrameTest, TheAddonKnowsUtf8) {
  for (const char* good :
       {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xef\xbf\xbd",
        "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    EXPECT_TRUE(vt_client::IsUtf8(vt_client::SliceOf(good))) << good;
  }
  for (const char* bad :
       {"\x80", "\xff", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82",
        "\xe2\x82g"}) {
    EXPECT_FALSE(vt_client::IsUtf8(vt_client::SliceOf(bad)))
        << absl::CHexEscape(bad);
  }
}

}  // namespace
}  // namespace vt::ipc
