// SPDX-License-Identifier: Apache-2.0
//
// vt_preload_bench: what a call costs natively, signed and notified, and what
// attaching does. Prints a table; the fake daemon's answer is cheaper than the
// real one's, which reads names and keeps them.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "tests/integration/track/preload/fake_daemon.h"

namespace vt::test {
namespace {

double Now() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e9 +
         static_cast<double>(now.tv_nsec);
}

// Least of five rounds, in ns for each call.
template <typename Body>
double Measure(int count, Body body) {
  double best = 1e18;
  for (int round = 0; round < 5; ++round) {
    const double start = Now();
    for (int i = 0; i < count; ++i) {
      body(i);
    }
    best = std::min(best, (Now() - start) / count);
  }
  return best;
}

void Child(int count) {
  struct stat status;
  for (int i = 0; i < 40; ++i) {
    ::access("/etc/passwd", F_OK);
  }
  std::vector<std::string> names;
  names.reserve(2000);
  for (int i = 0; i < 2000; ++i) {
    names.push_back("/etc/a-name-of-middling-length/" + std::to_string(i));
  }
  const double stat_one =
      Measure(count, [&](int) { ::stat("/etc/passwd", &status); });
  const double stat_relative =
      Measure(count, [&](int) { ::stat("passwd", &status); });
  const double open_close =
      Measure(count, [&](int) { ::close(::open("/etc/passwd", O_RDONLY)); });
  const double many = Measure(count, [&](int i) {
    ::stat(names[static_cast<size_t>(i) % names.size()].c_str(), &status);
  });
  std::printf(
      "stat %4.0f  relative %4.0f  open+close %4.0f  2000 missing %4.0f\n",
      stat_one, stat_relative, open_close, many);
}

// Time of each of the first calls, one line.
void FirstCalls() {
  constexpr int kCalls = 20;
  struct stat status;
  double times[kCalls];
  for (double& time : times) {
    const double start = Now();
    ::stat("/etc/passwd", &status);
    time = Now() - start;
  }
  for (const double time : times) {
    std::printf("%.1f ", time / 1000);
  }
  std::printf("\n");
}

std::string RunChild(const char* argument, const char* preload, int error) {
  char self[4096];
  const ssize_t size = ::readlink("/proc/self/exe", self, sizeof self - 1);
  FakeOptions options;
  options.argv = {std::string(self, static_cast<size_t>(size)), argument};
  options.cwd = "/etc";
  options.preload = preload;
  options.hello_error = error;
  return RunUnderFakeDaemon(options).output;
}

int Main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "first") == 0) {
    FirstCalls();
    return 0;
  }
  if (argc == 2) {
    Child(std::atoi(argv[1]));
    return 0;
  }
  if (::chdir("/etc") != 0) {
    return 1;
  }
  std::printf("ns a call\n native:   ");
  std::fflush(stdout);
  Child(100000);
  std::printf(" signed:   %s", RunChild("100000", VT_PRELOAD, 0).c_str());
  std::printf(" refused:  %s", RunChild("5000", VT_PRELOAD, 1).c_str());
  std::printf(" no preload: %s", RunChild("5000", "", 0).c_str());
  std::printf("first calls of three processes, µs\n");
  for (int i = 0; i < 3; ++i) {
    std::printf(" %s", RunChild("first", VT_PRELOAD, 0).c_str());
  }
  return 0;
}

}  // namespace
}  // namespace vt::test

int main(int argc, char** argv) { return vt::test::Main(argc, argv); }
