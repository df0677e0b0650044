// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/sink.h"

#include <functional>
#include <set>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vt::fingerprint {
namespace {

using vtask::storage::v1::WeakDescription;

TEST(SinkTest, Sha256IsTheStandardOne) {
  EXPECT_EQ(Sha256("").ToHex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abc").ToHex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(SinkTest, MovingAByteBetweenFieldsChangesTheDigest) {
  HashingSink a;
  a.Bytes("x", "ab");
  a.Bytes("x", "c");
  HashingSink b;
  b.Bytes("x", "a");
  b.Bytes("x", "bc");
  EXPECT_NE(a.Finish(), b.Finish());
}

TEST(SinkTest, TheTagCounts) {
  HashingSink a;
  a.Bytes("x", "1");
  HashingSink b;
  b.Bytes("y", "1");
  EXPECT_NE(a.Finish(), b.Finish());
}

TEST(SinkTest, NestedSinksDoNotDisturbEachOther) {
  HashingSink outer;
  outer.Bytes("a", "1");
  {
    HashingSink inner;
    inner.Bytes("b", "2");
    inner.Finish();
  }
  HashingSink plain;
  plain.Bytes("a", "1");
  EXPECT_EQ(outer.Finish(), plain.Finish());
}

TEST(SinkTest, ManyThreadsGetTheSameDigests) {
  const base::Digest wanted = Sha256("abc");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k) {
        EXPECT_EQ(Sha256("abc"), wanted);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(SinkTest, TextHasALineForEachField) {
  WeakDescription description;
  description.set_program("node");
  description.add_args("a\nb");
  TextSink sink;
  WalkWeak(description, &sink);
  EXPECT_THAT(sink.text(), testing::HasSubstr("program: node\n"));
  EXPECT_THAT(sink.text(), testing::HasSubstr("arg: a\\nb\n"));
}

// Every field of the description, one at a time.
TEST(SinkTest, EveryFieldOfTheDescriptionCounts) {
  const std::vector<std::function<void(WeakDescription*)>> changes = {
      [](WeakDescription*) {},
      [](WeakDescription* d) { d->set_program("x"); },
      [](WeakDescription* d) { d->add_args("x"); },
      [](WeakDescription* d) { d->add_args(""); },
      [](WeakDescription* d) { d->set_cwd("x"); },
      [](WeakDescription* d) { d->add_env()->set_name("x"); },
      [](WeakDescription* d) {
        d->add_env()->set_name("x");
        d->mutable_env(0)->set_present(true);
      },
      [](WeakDescription* d) {
        d->add_env()->set_name("x");
        d->mutable_env(0)->set_value_digest("x");
      },
      [](WeakDescription* d) { d->add_untracked_env("x"); },
      [](WeakDescription* d) { d->mutable_input()->set_automatic(true); },
      [](WeakDescription* d) {
        d->mutable_input()->add_globs()->set_pattern("x");
      },
      [](WeakDescription* d) {
        d->mutable_input()->add_globs()->set_pattern("x");
        d->mutable_input()->mutable_globs(0)->set_negative(true);
      },
      [](WeakDescription* d) { d->mutable_output()->set_automatic(true); },
      [](WeakDescription* d) {
        d->mutable_output()->add_globs()->set_pattern("x");
      },
      [](WeakDescription* d) { d->set_platform("x"); },
      [](WeakDescription* d) { d->set_track(true); },
      [](WeakDescription* d) { d->set_honor_opt_out(true); },
      [](WeakDescription* d) { d->set_share_root_only(true); },
      [](WeakDescription* d) { d->set_root("x"); },
      [](WeakDescription* d) { d->add_services("x"); },
      [](WeakDescription* d) { d->set_toolchain_executed(true); },
      [](WeakDescription* d) { d->set_strict_tracking(true); },
  };
  std::set<std::string> digests;
  for (const auto& change : changes) {
    WeakDescription description;
    change(&description);
    digests.insert(WeakFingerprint(description).ToHex());
  }
  EXPECT_EQ(digests.size(), changes.size());
  // A new field must be walked, and named above.
  EXPECT_EQ(WeakDescription::descriptor()->field_count(), 15);
}

}  // namespace
}  // namespace vt::fingerprint
