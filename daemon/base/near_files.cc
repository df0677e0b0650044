// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/near_files.h"

#include <fcntl.h>

#include <cstring>

namespace vt::base {
namespace {

thread_local NearFiles* of_thread = nullptr;

#ifdef O_PATH
constexpr int kFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;
#else
constexpr int kFlags = O_SEARCH | O_DIRECTORY | O_CLOEXEC;
#endif

bool IsName(const char* name) {
  return *name != '\0' && std::strcmp(name, ".") != 0 &&
         std::strcmp(name, "..") != 0;
}

}  // namespace

NearFiles::Place NearFiles::Find(const std::string& path) {
  const Place whole = {AT_FDCWD, path.c_str()};
  const size_t length = path.rfind('/') + 1;  // 0: there is none
  const char* const name = path.c_str() + length;
  // The root is as near as it gets.
  if (length < 2 || !IsName(name)) {
    return whole;
  }
  if (path.compare(0, length, directory_) != 0) {
    directory_.assign(path, 0, length);
    fd_ = UniqueFd();
    is_tried_ = false;
    return whole;
  }
  if (!is_tried_) {
    is_tried_ = true;
    fd_ = UniqueFd(::open(directory_.c_str(), kFlags));
  }
  return fd_.is_valid() ? Place{fd_.get(), name} : whole;
}

NearScope::NearScope() : outer_(of_thread) {
  if (outer_ == nullptr) {
    of_thread = &files_;
  }
}

NearScope::~NearScope() { of_thread = outer_; }

NearFiles::Place FindNear(const std::string& path) {
  return of_thread != nullptr ? of_thread->Find(path)
                              : NearFiles::Place{AT_FDCWD, path.c_str()};
}

}  // namespace vt::base
