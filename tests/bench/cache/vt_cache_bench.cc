// SPDX-License-Identifier: Apache-2.0
//
// vt_cache_bench DIRECTORY [RESULTS]: stores many results, and prints as it
// goes what a store, a hit and a miss cost and how much memory is in use; then
// collects garbage down to half of the size, and once more to nothing.

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "daemon/cache/action_cache.h"

namespace vt {
namespace {

using vtask::storage::v1::Observation;

constexpr int kInputs = 30;
constexpr size_t kOutputBytes = 2000;
constexpr int kSamples = 500;

double ResidentMiB() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return static_cast<double>(resident) * 4096 / (1 << 20);
}

struct Times {
  std::vector<double> us;
  void Add(absl::Duration d) { us.push_back(absl::ToDoubleMicroseconds(d)); }
  double At(double part) {
    std::sort(us.begin(), us.end());
    return us.empty() ? 0
                      : us[static_cast<size_t>(
                            part * static_cast<double>(us.size() - 1))];
  }
};

class Bench {
 public:
  explicit Bench(const std::string& directory)
      : root_(directory + "/workspace"),
        directory_(directory + "/cache") {
    std::filesystem::create_directories(root_ + "/src");
    for (int i = 0; i < kInputs; ++i) {
      std::ofstream(absl::StrCat(root_, "/src/", i)) << "input " << i;
    }
    auto cache = cache::ActionCache::Open(directory_);
    if (!cache.ok()) {
      std::fprintf(stderr, "%s\n", cache.status().ToString().c_str());
      std::exit(1);
    }
    cache_ = *std::move(cache);
  }

  cache::ActionKey KeyOf(int i) const {
    cache::ActionKey key;
    key.root = root_;
    key.env = env_;
    key.position = absl::StrCat("packages/", i);
    key.description.set_program("tool");
    key.description.add_args(absl::StrCat(i));
    return key;
  }

  absl::Duration Store(int i) {
    std::string noise(kOutputBytes, '\0');
    for (char& c : noise) {
      c = static_cast<char>(random_());
    }
    std::ofstream(root_ + "/out", std::ios::binary) << noise;
    cache::FinishedAction finished;
    for (int n = 0; n < kInputs; ++n) {
      Observation* observation = finished.path_set.add_observations();
      observation->set_kind(Observation::CONTENT);
      observation->set_path(absl::StrCat("src/", n));
    }
    // A path set of its own, as tasks have.
    Observation* own = finished.path_set.add_observations();
    own->set_kind(Observation::EXISTENCE);
    own->set_path(absl::StrCat("missing/", i));
    finished.outputs = {"out"};
    finished.own_changes = {"out"};
    finished.started = absl::Now() + absl::Seconds(1);
    finished.started_file_clock_ns = absl::ToUnixNanos(finished.started);
    finished.duration = absl::Seconds(1);
    const absl::Time before = absl::Now();
    const auto why = cache_->Store(KeyOf(i), finished);
    const absl::Duration took = absl::Now() - before;
    if (why.has_value()) {
      std::fprintf(stderr, "not stored: %s\n", why->ShortDebugString().c_str());
      std::exit(1);
    }
    return took;
  }

  absl::Duration Look(int i, bool expected) {
    const cache::ActionKey key = KeyOf(i);
    const absl::Time before = absl::Now();
    const bool hit = cache_->Lookup(key).hit.has_value();
    const absl::Duration took = absl::Now() - before;
    if (hit != expected) {
      std::fprintf(stderr, "%d is %s\n", i, hit ? "a hit" : "a miss");
      std::exit(1);
    }
    return took;
  }

  void Sweep(uint64_t max_bytes) {
    cache::SweepRequest request;
    request.limits = {max_bytes, absl::InfiniteDuration()};
    double peak = 0;
    request.pace = [&](const cache::Progress& progress) {
      if (progress.done % 1024 == 0) {
        peak = std::max(peak, ResidentMiB());
      }
      return true;
    };
    const absl::Time before = absl::Now();
    const auto report = cache_->Sweep(request);
    if (!report.ok()) {
      std::fprintf(stderr, "%s\n", report.status().ToString().c_str());
      std::exit(1);
    }
    std::printf(
        "sweep to %.1f MiB: %.2f s, %lu of %lu results left, %.1f MiB by its "
        "count, peak %.0f MiB resident\n",
        static_cast<double>(max_bytes) / (1 << 20),
        absl::ToDoubleSeconds(absl::Now() - before), report->results,
        report->results_before, static_cast<double>(report->bytes) / (1 << 20),
        peak);
  }

  // On disk, apart from the workspace.
  void PrintSize() const {
    uint64_t blobs = 0;
    uint64_t database = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(directory_)) {
      if (entry.is_regular_file()) {
        const bool is_db =
            entry.path().string().find("/db/") != std::string::npos;
        (is_db ? database : blobs) += entry.file_size();
      }
    }
    std::printf("on disk: %.1f MiB of blobs, %.1f MiB of database\n",
                static_cast<double>(blobs) / (1 << 20),
                static_cast<double>(database) / (1 << 20));
  }

  uint64_t Bytes() {
    const auto size = cache_->Measure("", nullptr);
    return size.ok() ? size->bytes() : 0;
  }

  void Run(int results) {
    std::printf("%8s %27s %27s %18s %9s\n%8s %8s %9s %8s %8s %9s %8s %9s %8s\n",
                "results", "store us (p50 p90 p99)", "hit us (p50 p90 p99)",
                "miss us (p50 p99)", "MiB", "", "", "", "", "", "", "", "", "");
    const int step = std::max(results / 10, 1);
    Times store;
    for (int i = 0; i < results; ++i) {
      store.Add(Store(i));
      if ((i + 1) % step == 0) {
        Times hit;
        Times miss;
        for (int n = 0; n < kSamples; ++n) {
          hit.Add(Look(static_cast<int>(random_() % static_cast<unsigned>(i)),
                       /*expected=*/true));
          miss.Add(Look(results + n, /*expected=*/false));
        }
        std::printf(
            "%8d %8.0f %9.0f %8.0f %8.0f %9.0f %8.0f %9.0f %8.0f %9.0f\n",
            i + 1, store.At(.5), store.At(.9), store.At(.99), hit.At(.5),
            hit.At(.9), hit.At(.99), miss.At(.5), miss.At(.99), ResidentMiB());
        std::fflush(stdout);
        store = Times();
      }
    }
    PrintSize();
    cache_->SaveHits();
    Sweep(Bytes() / 2);
    PrintSize();
    Look(results - 1, /*expected=*/true);
    Sweep(0);
    PrintSize();
  }

 private:
  const std::string root_;
  const std::string directory_;
  const std::shared_ptr<const base::EnvMap> env_ =
      std::make_shared<const base::EnvMap>();
  std::unique_ptr<cache::ActionCache> cache_;
  std::mt19937 random_{1};
};

}  // namespace
}  // namespace vt

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: vt_cache_bench DIRECTORY [RESULTS]\n");
    return 2;
  }
  vt::Bench(argv[1]).Run(argc > 2 ? std::atoi(argv[2]) : 100'000);
  return 0;
}
