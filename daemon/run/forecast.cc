// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/forecast.h"

#include <vector>

namespace vt::run {
namespace {

// Walks a plan in its order. Thread-compatible.
class Forecaster {
 public:
  Forecaster(const std::string& root, cache::ActionCache* cache,
             Forecast* forecast)
      : root_(root),
        cache_(cache),
        forecast_(forecast) {}

  // `after_writer`: something before the plan may write. Returns whether
  // something in it may, or has.
  bool Visit(const plan::Plan& plan, bool after_writer) {
    std::vector<bool> writes(plan.tasks.size(), after_writer);
    bool any = after_writer;
    for (size_t t = 0; t < plan.tasks.size(); ++t) {
      bool writer = after_writer;
      for (const int dependency : plan.tasks[t].depends_on) {
        writer = writer || writes[static_cast<size_t>(dependency)];
      }
      for (const plan::Step& step : plan.tasks[t].steps) {
        writer = step.kind == plan::Step::Kind::kNested
                     ? Visit(*step.nested, writer)
                     : Step(step, writer) || writer;
      }
      writes[t] = writer;
      any = any || writer;
    }
    return any;
  }

 private:
  // Whether `step` may write.
  bool Step(const plan::Step& step, bool after_writer) {
    StepForecast& out = (*forecast_)[&step];
    if (step.kind == plan::Step::Kind::kEcho) {
      out.cache = vtask::v1::BUILTIN;
      return false;
    }
    if (!step.cached) {
      out.cache = vtask::v1::DISABLED;
      return true;
    }
    out.cache = vtask::v1::MISS;
    if (cache_ == nullptr) {
      return true;
    }
    const cache::ActionKey key{step.description, root_, step.tool_env.All(),
                               step.position, step.umask};
    out.found = cache_->Peek(key);
    out.details = cache_->Describe(key, out.found);
    out.has_baseline = out.found.hit.has_value() || !out.found.miss.first_run;
    if (step.refresh) {
      out.forced = out.found.hit.has_value();
      out.found.hit.reset();
    } else if (after_writer && out.has_baseline) {
      out.cache = vtask::v1::UNKNOWN;
    } else if (out.found.hit.has_value()) {
      out.cache = vtask::v1::HIT;
    }
    // What it wrote before is the best guess at what it writes.
    return !out.has_baseline || out.found.miss.partial ||
           !out.details.outputs.empty();
  }

  const std::string& root_;
  cache::ActionCache* const cache_;
  Forecast* const forecast_;
};

}  // namespace

Forecast MakeForecast(const std::string& root, const plan::Plan& plan,
                      cache::ActionCache* cache) {
  Forecast forecast;
  Forecaster(root, cache, &forecast).Visit(plan, /*after_writer=*/false);
  return forecast;
}

}  // namespace vt::run
