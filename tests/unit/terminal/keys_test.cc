// SPDX-License-Identifier: Apache-2.0

#include "daemon/terminal/keys.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>

namespace vt::terminal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Names(const std::vector<Key>& keys) {
  std::vector<std::string> names;
  for (const Key& key : keys) {
    names.push_back(key.kind == Key::Kind::kText
                        ? key.text
                        : absl::StrCat("<", static_cast<int>(key.kind), ">"));
  }
  return names;
}
std::string Name(Key::Kind kind) {
  return absl::StrCat("<", static_cast<int>(kind), ">");
}

TEST(KeyReaderTest, TextComesAsCharacters) {
  KeyReader reader;
  EXPECT_THAT(Names(reader.Read("aü漢👍")), ElementsAre("a", "ü", "漢", "👍"));
}

TEST(KeyReaderTest, ACharacterMayComeInPieces) {
  KeyReader reader;
  EXPECT_THAT(Names(reader.Read("\xe6\xbc")), IsEmpty());
  EXPECT_THAT(Names(reader.Read("\xa2")), ElementsAre("漢"));
}

TEST(KeyReaderTest, BytesThatAreNoTextAreDropped) {
  KeyReader reader;
  EXPECT_THAT(Names(reader.Read("\xff\xe6z\x80\xc0\x80y\x01")),
              ElementsAre("z", "y"));
}

TEST(KeyReaderTest, ASequenceMayComeInPieces) {
  KeyReader reader;
  EXPECT_THAT(Names(reader.Read("\x1b")), IsEmpty());
  EXPECT_TRUE(reader.is_waiting());
  EXPECT_THAT(Names(reader.Read("[")), IsEmpty());
  EXPECT_FALSE(reader.is_waiting());
  EXPECT_THAT(Names(reader.Read("Bx")),
              ElementsAre(Name(Key::Kind::kDown), "x"));
}

TEST(KeyReaderTest, AnEscapeThatNothingFollowsIsTheKey) {
  KeyReader reader;
  EXPECT_THAT(Names(reader.Read("\x1b")), IsEmpty());
  EXPECT_THAT(Names(reader.GiveUp()), ElementsAre(Name(Key::Kind::kEscape)));
  EXPECT_THAT(Names(reader.GiveUp()), IsEmpty());
  EXPECT_THAT(Names(reader.Read("[")), ElementsAre("["));
}

TEST(KeyReaderTest, TwoEscapesAreOneKeyAndABegin) {
  KeyReader reader;
  EXPECT_THAT(Names(reader.Read("\x1b\x1b[A")),
              ElementsAre(Name(Key::Kind::kEscape), Name(Key::Kind::kUp)));
}

TEST(KeyReaderTest, SequencesThatNobodyKnowsArePassedOver) {
  KeyReader reader;
  EXPECT_THAT(Names(reader.Read("\x1b[1;5C\x1b[200~\x1bOP\x1bx\x1b[?1;2cq")),
              ElementsAre("q"));
}

TEST(KeyReaderTest, KeysThatHaveAMeaning) {
  KeyReader reader;
  EXPECT_THAT(
      Names(reader.Read("\r\n\x7f\b\x03\x04\x15\x17\x10\x0e\x1b[5~\x1b[6~")),
      ElementsAre(Name(Key::Kind::kEnter), Name(Key::Kind::kEnter),
                  Name(Key::Kind::kBackspace), Name(Key::Kind::kBackspace),
                  Name(Key::Kind::kInterrupt), Name(Key::Kind::kEndOfInput),
                  Name(Key::Kind::kClear), Name(Key::Kind::kDeleteWord),
                  Name(Key::Kind::kUp), Name(Key::Kind::kDown),
                  Name(Key::Kind::kPageUp), Name(Key::Kind::kPageDown)));
}

}  // namespace
}  // namespace vt::terminal
