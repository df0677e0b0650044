// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/content.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/fingerprint/file_digests.h"
#include "daemon/fingerprint/sink.h"

namespace vt::fingerprint {
namespace {

base::Digest DigestOf(const std::string& root, absl::string_view bytes) {
  return FileDigests::ContentDigest(root, bytes, nullptr);
}
bool Contains(const std::string& root, absl::string_view bytes) {
  bool contains = false;
  FileDigests::ContentDigest(root, bytes, &contains);
  return contains;
}

TEST(ContentTest, WithoutTheRootItIsPlainSha256) {
  EXPECT_EQ(DigestOf("/work/app", "abc"), Sha256("abc"));
  EXPECT_FALSE(Contains("/work/app", "abc"));
}

TEST(ContentTest, RootsAreInterchangeable) {
  EXPECT_EQ(DigestOf("/work/app", "x=/work/app/node_modules;/work/app"),
            DigestOf("/home/me/clone",
                     "x=/home/me/clone/node_modules;/home/me/clone"));
  EXPECT_TRUE(Contains("/work/app", "x=/work/app/y"));
}

TEST(ContentTest, ALongerNameIsNotTheRoot) {
  for (const char* longer :
       {"/work/app2", "/work/app-old", "/work/app.bak", "/work/app_x"}) {
    EXPECT_FALSE(Contains("/work/app", longer)) << longer;
    EXPECT_EQ(DigestOf("/work/app", longer), Sha256(longer));
  }
  EXPECT_TRUE(Contains("/work/app", "/work/app2 /work/app"));
}

TEST(ContentTest, ThePlaceholderIsTheDocumentedOne) {
  const std::string placeholder =
      absl::HexStringToBytes("f1b1ee35983d338dcf3fbc2f312eb99e");
  EXPECT_EQ(DigestOf("/work/app", "a/work/app/b"),
            Sha256(absl::StrCat("a", placeholder, "/b")));
}

TEST(ContentTest, PiecesOfAnySizeGiveTheSameDigest) {
  const std::string root = "/work/app";
  const std::string text =
      "/work/app/work/app2/work/work/app /work/app\n//work/ap/work/app";
  const base::Digest whole = DigestOf(root, text);
  for (size_t size = 1; size < text.size(); ++size) {
    ContentHasher hasher(root);
    for (size_t at = 0; at < text.size(); at += size) {
      hasher.Update(absl::string_view(text).substr(at, size));
    }
    EXPECT_EQ(hasher.Finish(), whole) << size;
    EXPECT_TRUE(hasher.contains_root());
  }
}

TEST(ContentTest, AShortRootIsNotReplacedAndAlwaysNamed) {
  EXPECT_EQ(DigestOf("/w", "cat /w/x"), Sha256("cat /w/x"));
  EXPECT_TRUE(Contains("/w", "nothing"));
  EXPECT_TRUE(NamesRoot("/", "nothing"));
  EXPECT_TRUE(NamesRoot("/w", "nothing"));
  EXPECT_FALSE(NamesRoot("/w", ""));
}

TEST(NamesRootTest, FindsEveryDisguise) {
  const std::string root = "/work/my app";
  for (const char* text :
       {"at /work/my app/x", R"("\/work\/my app")", R"(\\/work\\/my app)",
        "file:///work/my%20app/x", "%2Fwork%2Fmy%20app", "%2fwork%2fmy%20app",
        R"(\u002fwork\u002Fmy app)", "/work/my app."}) {
    EXPECT_TRUE(NamesRoot(root, text)) << text;
  }
  for (const char* text :
       {"", "/work/myapp", "/work", "my app", "/work/my", "work/my app"}) {
    EXPECT_FALSE(NamesRoot(root, text)) << text;
  }
}

TEST(NamesRootTest, FindsLettersThatJsonAndUrlsEscape) {
  const std::string root = "/work/caf\xc3\xa9-\xf0\x9f\x8c\xb2";
  EXPECT_TRUE(NamesRoot(root, root));
  EXPECT_TRUE(NamesRoot(root, "/work/caf\\u00e9-\\ud83c\\udf32/x"));
  EXPECT_TRUE(NamesRoot(root, "/work/caf\\u00E9-\\uD83C\\uDF32/x"));
  EXPECT_TRUE(NamesRoot(root, "/work/caf%C3%A9-%f0%9f%8c%b2"));
  EXPECT_FALSE(NamesRoot(root, "/work/caf\\u00e8-\\ud83c\\udf32/x"));
}

TEST(NamesRootTest, FindsBase64InAllAlignments) {
  const std::string root = "/work/app~?x>";
  for (const char* before : {"", "a", "ab", "abc", "{\"file\":\""}) {
    for (const char* after : {"", "/", "/x", "/xyz"}) {
      const std::string text = absl::StrCat(before, root, after);
      EXPECT_TRUE(NamesRoot(root, "data:" + absl::Base64Escape(text))) << text;
      EXPECT_TRUE(NamesRoot(root, absl::WebSafeBase64Escape(text))) << text;
    }
  }
  EXPECT_FALSE(NamesRoot(root, absl::Base64Escape("/work/other/directory")));
}

}  // namespace
}  // namespace vt::fingerprint
