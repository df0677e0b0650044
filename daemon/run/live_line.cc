// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/live_line.h"

#include <utility>

#include "absl/time/clock.h"

namespace vt::run {
namespace {

// What ends sooner needs no line.
constexpr absl::Duration kSilence = absl::Seconds(1);
// The clock on it moves by seconds.
constexpr absl::Duration kClock = absl::Seconds(1);
// Changes that come together are shown together.
constexpr absl::Duration kTogether = absl::Milliseconds(100);

std::string Find(const base::EnvMap& env, const char* name) {
  const auto found = env.find(name);
  return found == env.end() ? "" : found->second;
}

}  // namespace

bool WantsLiveLine(const vtask::v1::RunStart& start, const base::EnvMap& env) {
  const std::string ci = Find(env, "CI");
  return start.can_interact() && !start.events_only() &&
         start.terminal().stdout_is_tty() && Find(env, "TERM") != "dumb" &&
         (ci.empty() || ci == "0" || ci == "false") &&
         Find(env, "GITHUB_ACTIONS") != "true";
}

LiveLine::LiveLine(loop::EventLoop* loop, int total, int columns, bool colour,
                   Send send, std::function<bool()> is_congested)
    : loop_(loop),
      colour_(colour),
      send_(std::move(send)),
      is_congested_(std::move(is_congested)),
      started_(absl::Now()),
      progress_(total, started_),
      columns_(columns) {
  ShowIn(kSilence);
}

void LiveLine::Add(const vtask::v1::RunEvent& event) {
  if (progress_.Add(event) && timer_ != nullptr && !is_soon_ &&
      absl::Now() - started_ >= kSilence) {
    is_soon_ = true;
    ShowIn(kTogether);
  }
}

void LiveLine::Resized(int columns) {
  columns_ = columns;
  if (!shown_.empty() && timer_ != nullptr) {
    Tick();
  }
}

void LiveLine::ShowIn(absl::Duration delay) {
  timer_ = std::make_unique<loop::Timer>(loop_, delay, [this] { Tick(); });
}

void LiveLine::Tick() {
  is_soon_ = false;
  std::string line = progress_.Line(absl::Now(), columns_, colour_);
  if (line != shown_ && !is_congested_()) {
    shown_ = std::move(line);
    vtask::v1::RunResponse response;
    response.set_status_line(shown_);
    send_(std::move(response));
  }
  ShowIn(kClock);
}

void LiveLine::End() {
  timer_ = nullptr;
  if (!shown_.empty()) {
    shown_.clear();
    vtask::v1::RunResponse response;
    response.set_status_line("");
    send_(std::move(response));
  }
}

}  // namespace vt::run
