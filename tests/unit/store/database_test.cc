// SPDX-License-Identifier: Apache-2.0

#include "daemon/store/database.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::store {
namespace {

using test::IsOk;
using test::IsOkAndHolds;
using test::StatusIs;
using testing::_;
using testing::HasSubstr;

class DatabaseTest : public testing::Test {
 protected:
  std::string Directory() const { return (dir_.path() / "db").string(); }
  std::unique_ptr<Database> Open() const {
    absl::StatusOr<std::unique_ptr<Database>> database =
        Database::Open(Directory());
    EXPECT_THAT(database, IsOk());
    return database.ok() ? *std::move(database) : nullptr;
  }
  static void Put(Database* database, Table table, absl::string_view key,
                  std::string value) {
    Batch batch;
    batch.Put(table, key, std::move(value));
    EXPECT_THAT(database->Write(batch), IsOk());
  }

  test::TempDir dir_;
};

TEST_F(DatabaseTest, KeepsWhatWasWrittenOverAReopen) {
  std::unique_ptr<Database> database = Open();
  Put(database.get(), Table::kWeak, "k", "v");
  database.reset();
  database = Open();
  EXPECT_THAT(database->Get(Table::kWeak, "k"), IsOkAndHolds("v"));
  EXPECT_EQ(database->notice(), "");
}

TEST_F(DatabaseTest, TablesAreSeparate) {
  std::unique_ptr<Database> database = Open();
  Put(database.get(), Table::kWeak, "k", "v");
  EXPECT_THAT(database->Get(Table::kFiles, "k"),
              StatusIs(absl::StatusCode::kNotFound, _));
}

TEST_F(DatabaseTest, KeysAndValuesAreBytes) {
  std::unique_ptr<Database> database = Open();
  const std::string odd("\0\xff/\n", 4);
  Put(database.get(), Table::kFiles, odd, odd);
  EXPECT_THAT(database->Get(Table::kFiles, odd), IsOkAndHolds(odd));
}

TEST_F(DatabaseTest, ScanVisitsAPrefixInOrderUntilToldToStop) {
  std::unique_ptr<Database> database = Open();
  for (const char* key : {"b2", "a1", "b1", "b3", "c1"}) {
    Put(database.get(), Table::kFiles, key, key);
  }
  std::string seen;
  const auto visit = [&](absl::string_view key, absl::string_view value) {
    EXPECT_EQ(key, value);
    seen += std::string(key) + " ";
    return key != "b2";
  };
  EXPECT_THAT(database->Scan(Table::kFiles, "b", visit), IsOk());
  EXPECT_EQ(seen, "b1 b2 ");
}

TEST_F(DatabaseTest, ASecondOpenIsUnavailable) {
  std::unique_ptr<Database> database = Open();
  EXPECT_THAT(Database::Open(Directory()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("lock")));
}

TEST_F(DatabaseTest, ANewerFormatIsRefused) {
  std::unique_ptr<Database> database = Open();
  Put(database.get(), Table::kMeta, "format", "2");
  database.reset();
  EXPECT_THAT(Database::Open(Directory()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("newer vtask")));
}

TEST_F(DatabaseTest, AnOlderFormatIsDroppedWithANotice) {
  std::unique_ptr<Database> database = Open();
  Put(database.get(), Table::kMeta, "format", "0");
  Put(database.get(), Table::kResults, "k", "v");
  database.reset();
  database = Open();
  EXPECT_THAT(database->notice(), HasSubstr("older format"));
  EXPECT_THAT(database->Get(Table::kResults, "k"),
              StatusIs(absl::StatusCode::kNotFound, _));
  database.reset();
  database = Open();
  EXPECT_EQ(database->notice(), "");
}

TEST_F(DatabaseTest, ClearLeavesOnlyTheFormat) {
  std::unique_ptr<Database> database = Open();
  Put(database.get(), Table::kMeta, "root:/x", "id");
  Put(database.get(), Table::kFiles, "k", "v");
  EXPECT_THAT(database->Clear(), IsOk());
  EXPECT_THAT(database->Get(Table::kMeta, "root:/x"),
              StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(database->Get(Table::kFiles, "k"),
              StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(database->Get(Table::kMeta, "format"), IsOkAndHolds("1"));
}

TEST_F(DatabaseTest, GivesMuchThatIsInMemoryBackToTheDisk) {
  const auto tables = [this] {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(Directory())) {
      count += entry.path().extension() == ".sst" ? 1 : 0;
    }
    return count;
  };
  const std::unique_ptr<Database> database = Open();
  for (const Table table : {Table::kWeak, Table::kPathSets, Table::kResults,
                            Table::kPositions, Table::kFiles, Table::kUsage}) {
    Put(database.get(), table, "little", "v");
  }
  EXPECT_THAT(database->GiveBack(), IsOk());
  EXPECT_EQ(tables(), 0);
  for (const Table table : {Table::kWeak, Table::kPathSets, Table::kResults}) {
    Put(database.get(), table, "much", std::string(2 << 20, 'x'));
  }
  EXPECT_THAT(database->GiveBack(), IsOk());
  EXPECT_GT(tables(), 0);
  EXPECT_THAT(database->Get(Table::kWeak, "little"), IsOkAndHolds("v"));
  EXPECT_THAT(database->Get(Table::kResults, "much"),
              IsOkAndHolds(std::string(2 << 20, 'x')));
}

TEST_F(DatabaseTest, ADamagedDatabaseIsDataLoss) {
  Open().reset();
  std::ofstream(Directory() + "/CURRENT") << "nonsense";
  EXPECT_THAT(Database::Open(Directory()),
              StatusIs(absl::StatusCode::kDataLoss, _));
}

// The state after any number of whole batches, never half of one.
TEST_F(DatabaseTest, AKilledProcessLeavesWholeBatches) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    absl::StatusOr<std::unique_ptr<Database>> database =
        Database::Open(Directory());
    for (int i = 0;; ++i) {
      Batch batch;
      batch.Put(Table::kWeak, "n", std::to_string(i));
      batch.Put(Table::kResults, "n", std::to_string(i));
      if (!database.ok() || !(*database)->Write(batch).ok() ||
          (i == 200 && ::write(ready[1], "x", 1) != 1)) {
        ::_exit(1);
      }
    }
  }
  char byte = 0;
  ::close(ready[1]);
  EXPECT_EQ(::read(ready[0], &byte, 1), 1);
  ::close(ready[0]);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);

  std::unique_ptr<Database> database = Open();
  const absl::StatusOr<std::string> weak = database->Get(Table::kWeak, "n");
  ASSERT_THAT(weak, IsOk());
  EXPECT_THAT(database->Get(Table::kResults, "n"), IsOkAndHolds(*weak));
  EXPECT_GE(std::stoi(*weak), 200);
}

}  // namespace
}  // namespace vt::store
