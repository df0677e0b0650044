// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/preload_env.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace vt::track {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class PreloadEnvTest : public testing::Test {
 protected:
  // A lib/vtask as it is installed.
  std::string Install(const std::string& prefix) {
    const fs::path library = temp_.path() / prefix / "lib/vtask";
    fs::create_directories(library);
    fs::create_directories(temp_.path() / "run");
    std::ofstream(library / "vt_preload.so") << "x";
    fs::create_symlink(".", library / "before-libasan.so");
    return library.string();
  }
  std::string Runtime() const { return (temp_.path() / "run").string(); }

  test::TempDir temp_;
};

TEST_F(PreloadEnvTest, LibraryIsNamedThroughItsAlias) {
  const std::string library = Install("usr");
  EXPECT_EQ(FindPreload(library, Runtime()),
            library + "/before-libasan.so/vt_preload.so");
}

TEST_F(PreloadEnvTest, LibraryThatIsNotThereIsNotNamed) {
  EXPECT_EQ(FindPreload((temp_.path() / "none").string(), Runtime()), "");
  EXPECT_EQ(FindPreload("", Runtime()), "");
}

TEST_F(PreloadEnvTest, DirectoryThatTheLoaderWouldSplitIsLinked) {
  for (const char* prefix : {"my programs", "a:b", "price$"}) {
    const std::string library = Install(prefix);
    for (int again = 0; again < 2; ++again) {
      const std::string preload = FindPreload(library, Runtime());
      EXPECT_EQ(preload, Runtime() + "/lib/before-libasan.so/vt_preload.so");
      EXPECT_TRUE(fs::equivalent(preload, library + "/vt_preload.so"));
    }
    EXPECT_EQ(FindPreload(library, (temp_.path() / "a b").string()), "");
    EXPECT_EQ(FindPreload(library, ""), "");
  }
}

TEST_F(PreloadEnvTest, DirectoryOfTheLibraryIsFoundThroughLinks) {
  const std::string library = Install("my programs");
  EXPECT_EQ(PreloadDirectory(FindPreload(library, Runtime())),
            fs::canonical(library).string());
  EXPECT_EQ(PreloadDirectory(library +
                             "/before-libasan.so/multilib/$LIB/vt_preload.so"),
            fs::canonical(library).string());
}

TEST_F(PreloadEnvTest, OursComesBehindTheUsers) {
  std::vector<std::string> env = {"A=1", "LD_PRELOAD=/x/jemalloc.so"};
  AddPreload("/u/before-libasan.so/vt_preload.so", &env);
  EXPECT_THAT(env, ElementsAre("A=1",
                               "LD_PRELOAD=/x/jemalloc.so:"
                               "/u/before-libasan.so/vt_preload.so"));
}

TEST_F(PreloadEnvTest, OursIsAddedOnce) {
  std::vector<std::string> env = {"A=1"};
  AddPreload("/u/before-libasan.so/vt_preload.so", &env);
  AddPreload("/other/before-libasan.so/vt_preload.so", &env);
  EXPECT_THAT(env, ElementsAre("A=1",
                               "LD_PRELOAD=/other/before-libasan.so/"
                               "vt_preload.so"));
}

TEST_F(PreloadEnvTest, WithoutALibraryNothingIsAdded) {
  std::vector<std::string> env;
  AddPreload("", &env);
  EXPECT_THAT(env, IsEmpty());
}

TEST_F(PreloadEnvTest, OursIsTakenOutAndTheUsersStays) {
  EXPECT_EQ(WithoutPreload("/a.so:/b.so /c.so"), "/a.so:/b.so /c.so");
  EXPECT_EQ(WithoutPreload("/a.so:/x/before-libasan.so/vt_preload.so"),
            "/a.so");
  EXPECT_EQ(WithoutPreload("/x/before-libasan.so/multilib/$LIB/vt_preload.so"),
            "");
  EXPECT_EQ(WithoutPreload("/mine/vt_preload.so"), "/mine/vt_preload.so");
}

}  // namespace
}  // namespace vt::track
