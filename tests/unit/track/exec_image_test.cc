// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/exec_image.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace vt::track {
namespace {

class ExecImageTest : public testing::Test {
 protected:
  ExecImage ImageOf(const std::string& bytes, mode_t mode = 0755) {
    const std::string path = (temp_.path() / "program").string();
    std::ofstream(path) << bytes;
    ::chmod(path.c_str(), mode);
    return Read(path);
  }
  static ExecImage Read(const std::string& path) {
    struct stat status = {};
    ::stat(path.c_str(), &status);
    return ReadExecImage(path, status);
  }

  test::TempDir temp_;
};

TEST_F(ExecImageTest, ScriptNamesItsInterpreter) {
  const struct {
    const char* head;
    const char* interpreter;
  } cases[] = {{"#!/bin/sh\n", "/bin/sh"},
               {"#! \t/usr/bin/env node\nx", "/usr/bin/env"},
               {"#!./relative -a -b", "./relative"},
               {"#!\n", ""},
               {"#!   \n", ""},
               {"#!/no/newline", "/no/newline"}};
  for (const auto& c : cases) {
    const ExecImage image = ImageOf(c.head);
    EXPECT_TRUE(image.is_script) << c.head;
    EXPECT_EQ(image.interpreter, c.interpreter) << c.head;
  }
}

TEST_F(ExecImageTest, NativeProgramNamesItsLoader) {
  const ExecImage image = Read("/bin/sh");
  EXPECT_FALSE(image.is_script);
  EXPECT_FALSE(image.is_foreign);
  EXPECT_FALSE(image.is_privileged);
  EXPECT_THAT(image.interpreter, testing::HasSubstr("/ld-"));
}

TEST_F(ExecImageTest, OtherWordSizeIsForeign) {
  std::string head(
      "\x7f"
      "ELF\x01\x01\x01",
      7);
  head.resize(128);
  EXPECT_TRUE(ImageOf(head).is_foreign);
}

TEST_F(ExecImageTest, OtherMachineIsForeign) {
  std::string head(
      "\x7f"
      "ELF\x02\x01\x01",
      7);
  head.resize(128);
  head[18] = 0x15;  // PowerPC
  EXPECT_TRUE(ImageOf(head).is_foreign);
}

TEST_F(ExecImageTest, TruncatedAndWildHeadersAreHarmless) {
  EXPECT_EQ(ImageOf("").interpreter, "");
  EXPECT_EQ(ImageOf("\x7f"
                    "ELF")
                .interpreter,
            "");
  std::ifstream in("/proc/self/exe", std::ios::binary);
  std::string head(64, '\0');
  in.read(head.data(), 64);
  head[32] = head[33] = head[38] = '\x7f';  // e_phoff, far away
  head[56] = head[57] = '\x7f';             // e_phnum
  EXPECT_EQ(ImageOf(head).interpreter, "");
}

TEST_F(ExecImageTest, SetIdBitsArePrivileged) {
  EXPECT_TRUE(ImageOf("x", 04755).is_privileged);
  EXPECT_TRUE(ImageOf("x", 02755).is_privileged);
  EXPECT_FALSE(ImageOf("x", 02644).is_privileged);
  EXPECT_FALSE(ImageOf("x", 01755).is_privileged);
}

TEST_F(ExecImageTest, MissingFileIsEmpty) {
  const ExecImage image = Read("/no/such/program");
  EXPECT_EQ(image.interpreter, "");
  EXPECT_FALSE(image.is_foreign);
}

}  // namespace
}  // namespace vt::track
