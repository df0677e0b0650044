// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/exec_image.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "absl/strings/string_view.h"

#include "daemon/base/unique_fd.h"

namespace vt::track {
namespace {

#if defined(__x86_64__)
constexpr uint16_t kMachine = EM_X86_64;
#else
constexpr uint16_t kMachine = EM_AARCH64;
#endif

// The kernel's BINPRM_BUF_SIZE: how much of a "#!" line it looks at.
constexpr size_t kHeadSize = 256;
constexpr int kMaxProgramHeaders = 128;

std::string ScriptInterpreter(absl::string_view head) {
  head.remove_prefix(2);
  head = head.substr(0, head.find('\n'));
  const size_t start = head.find_first_not_of(" \t");
  if (start == absl::string_view::npos) {
    return "";
  }
  head.remove_prefix(start);
  return std::string(
      head.substr(0, head.find_first_of(absl::string_view(" \t\0", 3))));
}

bool ReadAt(int fd, void* out, size_t size, uint64_t offset) {
  return ::pread(fd, out, size, static_cast<off_t>(offset)) ==
         static_cast<ssize_t>(size);
}

std::string ElfInterpreter(int fd, const Elf64_Ehdr& header) {
  const int count = std::min<int>(header.e_phnum, kMaxProgramHeaders);
  for (int i = 0; i < count; ++i) {
    Elf64_Phdr segment;
    if (!ReadAt(fd, &segment, sizeof segment,
                header.e_phoff + static_cast<uint64_t>(i) * sizeof segment)) {
      return "";
    }
    if (segment.p_type == PT_INTERP && segment.p_filesz > 1 &&
        segment.p_filesz <= PATH_MAX) {
      std::string name(segment.p_filesz, '\0');
      if (!ReadAt(fd, name.data(), name.size(), segment.p_offset)) {
        return "";
      }
      name.resize(std::strlen(name.c_str()));
      return name;
    }
  }
  return "";
}

bool RaisesPrivileges(const std::string& path, const struct stat& status) {
  constexpr mode_t kSetGid = S_ISGID | S_IXGRP;  // alone: mandatory locking
  return (status.st_mode & S_ISUID) != 0 ||
         (status.st_mode & kSetGid) == kSetGid ||
         ::getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
}

}  // namespace

ExecImage ReadExecImage(const std::string& path, const struct stat& status) {
  ExecImage image;
  image.is_privileged = RaisesPrivileges(path, status);
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  char head[kHeadSize];
  const ssize_t size =
      fd.is_valid() ? ::pread(fd.get(), head, sizeof head, 0) : -1;
  if (size >= 2 && head[0] == '#' && head[1] == '!') {
    image.is_script = true;
    image.interpreter = ScriptInterpreter({head, static_cast<size_t>(size)});
    return image;
  }
  if (size < static_cast<ssize_t>(sizeof(Elf64_Ehdr)) ||
      std::memcmp(head, ELFMAG, SELFMAG) != 0) {
    return image;
  }
  Elf64_Ehdr header;
  std::memcpy(&header, head, sizeof header);
  image.is_foreign =
      head[EI_CLASS] != ELFCLASS64 || header.e_machine != kMachine;
  if (!image.is_foreign) {
    image.interpreter = ElfInterpreter(fd.get(), header);
  }
  return image;
}

}  // namespace vt::track
