// SPDX-License-Identifier: Apache-2.0
//
// Prints every pair of every table of a closed RocksDB, as hexadecimal: "table
// key value". Knows nothing of vtask, as a stranger's reader would not.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: vt_cache_dump DATABASE\n");
    return 2;
  }
  std::vector<std::string> names;
  rocksdb::Status status =
      rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), argv[1], &names);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) {
    families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  if (status.ok()) {
    status = rocksdb::DB::OpenForReadOnly(rocksdb::DBOptions(), argv[1],
                                          families, &handles, &opened);
  }
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  const std::unique_ptr<rocksdb::DB> db(opened);
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    const std::unique_ptr<rocksdb::Iterator> it(
        db->NewIterator(rocksdb::ReadOptions(), handle));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      std::printf("%s %s %s\n", handle->GetName().c_str(),
                  it->key().ToString(/*hex=*/true).c_str(),
                  it->value().ToString(/*hex=*/true).c_str());
    }
    if (!it->status().ok()) {
      std::fprintf(stderr, "%s\n", it->status().ToString().c_str());
      return 1;
    }
  }
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  return 0;
}
