// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/resolve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace vt::track {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ResolverTest : public testing::Test {
 protected:
  ResolverTest()
      : root_(std::filesystem::canonical(temp_.path()).string()),
        resolver_(root_) {
    std::filesystem::create_directories(root_ + "/d/e");
    std::ofstream(root_ + "/d/f") << "1";
  }

  Resolved Resolve(const std::string& name, bool follow = true) {
    Resolved out;
    resolver_.Resolve(name[0] == '/' ? name : absl::StrCat(root_, "/", name),
                      follow, Task(::getpid()), &out);
    return out;
  }
  void Link(const std::string& target, const std::string& name) {
    std::filesystem::create_symlink(target, root_ + "/" + name);
  }
  std::string Path(const std::string& name) { return root_ + "/" + name; }

  test::TempDir temp_;
  const std::string root_;
  Resolver resolver_;
};

TEST_F(ResolverTest, PlainNameIsItself) {
  for (int i = 0; i < 2; ++i) {  // the second is answered from memory
    const Resolved at = Resolve("d/f");
    EXPECT_TRUE(at.found());
    EXPECT_EQ(at.path, Path("d/f"));
    EXPECT_THAT(at.links, IsEmpty());
  }
}

TEST_F(ResolverTest, DotsAndSlashesVanish) {
  EXPECT_EQ(Resolve("./d//e/.././f").path, Path("d/f"));
  EXPECT_EQ(Resolve("d/e/").path, Path("d/e"));
  EXPECT_EQ(Resolve("/").path, "/");
  EXPECT_EQ(Resolve("/../..").path, "/");
}

TEST_F(ResolverTest, LinksAreFollowedAndReported) {
  Link("d", "l");
  Link("l/f", "m");
  const Resolved at = Resolve("m");
  EXPECT_EQ(at.path, Path("d/f"));
  EXPECT_THAT(at.links, ElementsAre(Path("m"), Path("l")));
}

TEST_F(ResolverTest, LastLinkIsFollowedOnlyIfAsked) {
  Link("d", "l");
  EXPECT_EQ(Resolve("l", false).path, Path("l"));
  EXPECT_THAT(Resolve("l", false).links, IsEmpty());
  EXPECT_EQ(Resolve("l/", false).path, Path("d"));
}

TEST_F(ResolverTest, DotDotBehindALinkIsTheTargetsParent) {
  Link("d/e", "l");
  EXPECT_EQ(Resolve("l/../f").path, Path("d/f"));
}

TEST_F(ResolverTest, MissingLastComponentHasNoFirst) {
  const Resolved at = Resolve("d/x");
  EXPECT_EQ(at.kind, Resolved::Kind::kMissing);
  EXPECT_EQ(at.path, Path("d/x"));
  EXPECT_EQ(at.first_missing, "");
}

TEST_F(ResolverTest, MissingDirectoryIsNamed) {
  const Resolved at = Resolve("d/x/y/z");
  EXPECT_EQ(at.kind, Resolved::Kind::kMissing);
  EXPECT_EQ(at.path, Path("d/x/y/z"));
  EXPECT_EQ(at.first_missing, Path("d/x"));
  EXPECT_FALSE(at.blocked_by_file);
}

TEST_F(ResolverTest, FileAsDirectoryIsNamed) {
  const Resolved at = Resolve("d/f/y");
  EXPECT_EQ(at.kind, Resolved::Kind::kMissing);
  EXPECT_EQ(at.first_missing, Path("d/f"));
  EXPECT_TRUE(at.blocked_by_file);
}

TEST_F(ResolverTest, DanglingLinkIsAMissingTarget) {
  Link("nowhere", "l");
  const Resolved at = Resolve("l");
  EXPECT_EQ(at.kind, Resolved::Kind::kMissing);
  EXPECT_EQ(at.path, Path("nowhere"));
  EXPECT_THAT(at.links, ElementsAre(Path("l")));
}

TEST_F(ResolverTest, LoopEnds) {
  Link("b", "a");
  Link("a", "b");
  EXPECT_EQ(Resolve("a").kind, Resolved::Kind::kHidden);
  EXPECT_EQ(Resolve("a/x").kind, Resolved::Kind::kHidden);
}

TEST_F(ResolverTest, DescriptorsOfTheTaskAreFollowed) {
  base::UniqueFd fd(::open(Path("d/f").c_str(), O_RDONLY | O_CLOEXEC));
  for (const char* form :
       {"/proc/self/fd/", "/dev/fd/", "/proc/thread-self/fd/"}) {
    const Resolved at = Resolve(absl::StrCat(form, fd.get()));
    EXPECT_TRUE(at.found()) << form;
    EXPECT_EQ(at.path, Path("d/f")) << form;
    EXPECT_THAT(at.links, IsEmpty()) << form;
  }
}

TEST_F(ResolverTest, DirectoryBehindADescriptorIsWalked) {
  base::UniqueFd fd(::open(Path("d").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(Resolve(absl::StrCat("/proc/self/fd/", fd.get(), "/f")).path,
            Path("d/f"));
  EXPECT_EQ(Resolve("/proc/self/cwd").path,
            std::filesystem::current_path().string());
}

TEST_F(ResolverTest, DirectoryBehindADescriptorMayBeTooDeepForAName) {
  const std::string name(200, 'x');
  base::UniqueFd fd(::open(root_.c_str(), O_RDONLY | O_CLOEXEC));
  for (int i = 0; i < 25; ++i) {
    ASSERT_EQ(::mkdirat(fd.get(), name.c_str(), 0755), 0);
    fd.Reset(::openat(fd.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(fd.is_valid());
  }
  for (const char* rest : {"", "/f", "/../f"}) {
    const Resolved at = Resolve(absl::StrCat("/proc/self/fd/", fd.get(), rest));
    EXPECT_EQ(at.kind, Resolved::Kind::kHidden) << rest;
    EXPECT_TRUE(at.is_too_deep) << rest;
  }
  EXPECT_FALSE(Resolve("d/f").is_too_deep);
}

TEST_F(ResolverTest, PipesAndDeletedFilesAreNoFiles) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  base::UniqueFd reader(ends[0]);
  base::UniqueFd writer(ends[1]);
  EXPECT_EQ(Resolve(absl::StrCat("/proc/self/fd/", ends[0])).kind,
            Resolved::Kind::kNoFile);
  base::UniqueFd fd(::open(Path("d/f").c_str(), O_RDONLY | O_CLOEXEC));
  ::unlink(Path("d/f").c_str());
  EXPECT_EQ(Resolve(absl::StrCat("/proc/self/fd/", fd.get())).kind,
            Resolved::Kind::kNoFile);
}

TEST_F(ResolverTest, KernelFilesAreNoFiles) {
  for (const char* name : {"/proc/cpuinfo", "/sys/kernel", "/dev/null",
                           "/proc/no-such-thing", "/proc/self", "/dev/x/y"}) {
    EXPECT_EQ(Resolve(name).kind, Resolved::Kind::kNoFile) << name;
  }
  EXPECT_EQ(Resolve("/dev/tty").kind, Resolved::Kind::kTerminal);
}

TEST_F(ResolverTest, ForgetsWhenToldTo) {
  EXPECT_EQ(Resolve("d/f").path, Path("d/f"));
  std::filesystem::rename(Path("d"), Path("real"));
  Link("real", "d");
  resolver_.Forget();
  const Resolved at = Resolve("d/f");
  EXPECT_EQ(at.path, Path("real/f"));
  EXPECT_THAT(at.links, ElementsAre(Path("d")));
}

}  // namespace
}  // namespace vt::track
