// SPDX-License-Identifier: Apache-2.0
//
// Single calls, told without a kernel. What real programs do is in
// tests/integration/track.

#include "daemon/track/decoder.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/track/not_stored.h"
#include "daemon/track/syscall_numbers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/track/fake_process.h"

namespace vt::track {
namespace {

using test::FakeProcess;
using testing::ElementsAre;
using testing::IsEmpty;

class DecoderTest : public testing::Test {
 protected:
  void Begin(const TrackerOptions& options) {
    decoder_ = std::make_unique<Decoder>(options);
    process_ = std::make_unique<FakeProcess>(decoder_.get(), /*signs=*/false);
  }
  void MakeDatagramSocket() {
    process_->Notify(__NR_socket, {AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0});
  }
  void Connect(const std::string& name) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    process_->Notify(__NR_connect,
                     {3, reinterpret_cast<uintptr_t>(&address),
                      offsetof(sockaddr_un, sun_path) + name.size() + 1});
  }
  std::vector<int> Reasons() {
    std::vector<int> reasons;
    for (const Flaw& flaw : decoder_->Finish().flaws) {
      reasons.push_back(flaw.reason);
    }
    return reasons;
  }

  test::TempDir temp_;
  TrackerOptions options_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<FakeProcess> process_;
};

TEST_F(DecoderTest, DatagramSocketWithoutAnAddressMayUseAnyService) {
  Begin(options_);
  MakeDatagramSocket();
  EXPECT_THAT(Reasons(), ElementsAre(kUsedService));
}

TEST_F(DecoderTest, ConnectedDatagramSocketIsKnownByItsAddress) {
  Begin(options_);
  MakeDatagramSocket();
  Connect("/dev/log");
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(DecoderTest, AddressOfOneSocketIsNotThatOfAnother) {
  Begin(options_);
  MakeDatagramSocket();
  MakeDatagramSocket();
  Connect("/dev/log");
  EXPECT_THAT(Reasons(), ElementsAre(kUsedService));
}

TEST_F(DecoderTest, UserMayAllowDatagrams) {
  options_.allowed_services = {"unix-datagram"};
  Begin(options_);
  MakeDatagramSocket();
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(DecoderTest, ChangesOfNestedActionsAskForTheRecordsFirst) {
  const std::string root = temp_.path().string();
  const std::string path = root + "/a";
  std::ofstream(path) << "old";
  options_.tier.can_sign = true;
  options_.preload = "/usr/lib/vtask/vt_preload.so";
  options_.signature = 1;
  options_.workspace_root = root;
  Begin(options_);
  FakeProcess signing(decoder_.get(), /*signs=*/true);
  signing.Read(path);
  const uint32_t epoch = signing.arena()->epoch();
  Resolved at;
  Resolver(root).Resolve(path, /*follow=*/false, Task(::getpid()), &at);
  NestedChange change;
  change.at = &at;
  change.change = Change::kRemove;
  decoder_->Handle(change);
  EXPECT_GT(signing.arena()->epoch(), epoch);
  EXPECT_FALSE(signing.arena()->may_sign());
  ::unlink(path.c_str());
  const AccessSet set = decoder_->Finish();
  EXPECT_THAT(set.flaws, IsEmpty());
  ASSERT_EQ(set.accesses.size(), 1U);
  EXPECT_EQ(set.accesses[0].observed, kContent);
  EXPECT_TRUE(set.accesses[0].is_deletion);
}

TEST_F(DecoderTest, ThreadOfANestedActionThatIsHeardAgainIsDoneWithItsChange) {
  constexpr pid_t kNested = 4321;
  const std::string root = temp_.path().string();
  std::ofstream(root + "/a") << "old";
  options_.tier.can_sign = true;
  options_.preload = "/usr/lib/vtask/vt_preload.so";
  options_.signature = 1;
  options_.workspace_root = root;
  Begin(options_);
  FakeProcess signing(decoder_.get(), /*signs=*/true);
  signing.Hello();
  const auto tell = [&](const char* name, enum Change change) {
    Resolved at;
    Resolver(root).Resolve(root + name, false, Task(::getpid()), &at);
    decoder_->Handle({&at, change, nullptr, false, kNested});
  };
  tell("/a", Change::kRemove);  // fails: it leaves no trace
  EXPECT_FALSE(signing.arena()->may_sign());
  tell("/b", Change::kCreate);
  std::ofstream(root + "/b") << "new";
  process_->Stat(root + "/c");
  EXPECT_TRUE(signing.arena()->may_sign());
}

}  // namespace
}  // namespace vt::track
