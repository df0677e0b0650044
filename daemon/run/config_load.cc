// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/config_load.h"

#include <csignal>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"

#include "daemon/base/status.h"
#include "daemon/loop/fd_watch.h"
#include "daemon/report/texts.h"
#include "daemon/run/config_step.h"
#include "daemon/watch/computation.h"
#include "daemon/workspace/sources.h"

namespace vt::run {
namespace {

using SharedWorkspace = std::shared_ptr<const workspace::Workspace>;
using vtask::v1::ActionFinished;
using vtask::v1::ActionOutput;

// Longer than any configuration needs, shorter than patience. VT_CONFIG_TIMEOUT
// in seconds overrides it.
absl::Duration Deadline(const base::EnvMap& env) {
  const auto found = env.find("VT_CONFIG_TIMEOUT");
  double seconds = 0;
  return found != env.end() && absl::SimpleAtod(found->second, &seconds) &&
                 seconds > 0
             ? absl::Seconds(seconds)
             : absl::Seconds(60);
}

class ConfigLoadImpl final : public ConfigLoad, private ActionHost {
 public:
  ConfigLoadImpl(Engine* engine, const plan::CallerFacts& caller,
                 const CallerContext& context, Hooks hooks)
      : engine_(engine),
        cwd_(caller.cwd),
        context_(context),
        hooks_(std::move(hooks)),
        watcher_(context.verify_by_stat || context.enclosing.id != 0
                     ? nullptr
                     : engine->options.watcher) {
    input_.env = caller.env;
    input_.loader = engine->options.config_loader;
  }

  void Begin() {
    if (watcher_ != nullptr && watcher_->Sync()) {
      if (const KnownRoot* known = engine_->known.workspaces.FindRoot(cwd_)) {
        rests_on_.leases = {known->lease};
        input_.root = known->root;
        // Posted: nobody is told from inside Start.
        engine_->loop->Post([this] { UseKnownOrScan(); });
        return;
      }
    }
    FindRoot();
  }

  void Cancel(int signal) override {
    cancelled_ = true;
    if (action_ != nullptr) {
      action_->Cancel(signal);
    }
  }

 private:
  void FindRoot() {
    struct Found {
      std::string root;
      watch::LeasePtr lease;
    };
    engine_->workers->Run(
        [cwd = cwd_, watcher = watcher_]() -> absl::StatusOr<Found> {
          watch::Computation computation(watcher);
          Found found;
          VT_ASSIGN_OR_RETURN(found.root, workspace::RootOf(cwd));
          found.lease = computation.Finish(found.root);
          return found;
        },
        [this](absl::StatusOr<Found> found) {
          if (!found.ok() || cancelled_) {
            Finish(found.status());
            return;
          }
          input_.root = found->root;
          rests_on_.leases = {found->lease};
          if (watcher_ != nullptr && found->lease != nullptr) {
            engine_->known.workspaces.KeepRoot(cwd_,
                                               {found->root, found->lease});
          }
          UseKnownOrScan();
        });
  }

  void UseKnownOrScan() {
    const KnownWorkspace* known =
        watcher_ == nullptr
            ? nullptr
            : engine_->known.workspaces.Find(input_.root, input_.env);
    if (known == nullptr || cancelled_) {
      Scan();
      return;
    }
    is_known_ = true;
    rests_on_.Add(known->rests_on);
    settings_ = known->settings;
    Finish(known->workspace);
  }

  void Scan() {
    struct Scanned {
      settings::Settings settings;
      workspace::Sources sources;
      SharedWorkspace workspace;       // nothing is to be evaluated
      std::optional<plan::Step> step;  // something is
      std::vector<std::string> scripts;
      watch::LeasePtr lease;
    };
    engine_->workers->Run(
        [input = input_, file = engine_->options.settings,
         watcher = watcher_]() mutable -> absl::StatusOr<Scanned> {
          watch::Computation computation(watcher);
          Scanned scanned;
          VT_ASSIGN_OR_RETURN(scanned.settings, file->Refresh());
          VT_ASSIGN_OR_RETURN(scanned.sources, workspace::Scan(input.root));
          scanned.scripts = scanned.sources.Scripts();
          if (scanned.scripts.empty()) {
            VT_ASSIGN_OR_RETURN(
                scanned.workspace,
                workspace::Assemble(std::move(scanned.sources), {}));
            scanned.lease = computation.Finish(input.root);
            return scanned;
          }
          input.settings = scanned.settings;
          input.scripts = scanned.scripts;
          VT_ASSIGN_OR_RETURN(scanned.step, MakeConfigStep(input));
          scanned.lease = computation.Finish(input.root);
          return scanned;
        },
        [this](absl::StatusOr<Scanned> scanned) {
          if (scanned.ok()) {
            settings_ = scanned->settings;
            rests_on_.leases.push_back(std::move(scanned->lease));
          }
          if (cancelled_ || !scanned.ok() || !scanned->step.has_value()) {
            Finish(scanned.ok() ? absl::StatusOr<SharedWorkspace>(
                                      std::move(scanned->workspace))
                                : scanned.status());
            return;
          }
          sources_ = std::move(scanned->sources);
          input_.scripts = std::move(scanned->scripts);
          step_ = *std::move(scanned->step);
          Evaluate();
        });
  }

  void Evaluate() {
    context_.root = sources_.root;
    vtask::v1::ActionRef ref;
    ref.set_label("vite.config");
    action_ =
        Action::Create(engine_, this, &context_, &step_, {}, std::move(ref));
    end_.deadline = Deadline(input_.env);
    deadline_ =
        std::make_unique<loop::Timer>(engine_->loop, end_.deadline, [this] {
          end_.timed_out = true;
          action_->Cancel(SIGKILL);
        });
    action_->Start();
  }

  // ActionHost:
  void Emit(vtask::v1::RunEvent event) override {
    if (event.has_action_output()) {
      const ActionOutput& output = event.action_output();
      if (output.stream() == ActionOutput::STDOUT) {
        answer_ += output.data();
      } else if (!output.replayed() && hooks_.on_output != nullptr) {
        hooks_.on_output(output.data());
      }
    } else if (event.has_action_finished()) {
      const ActionFinished& finished = event.action_finished();
      end_.error = finished.error();
      if (!finished.stored() && finished.has_not_stored()) {
        not_stored_ = report::NotStoredText(finished.not_stored());
      }
    }
  }
  void Execute(vtask::v1::RunResponse::Execute /*execute*/) override {
    // A cached step is never the shim's.
  }
  void RestsOn(KnownHitPtr hit) override {
    rests_on_.hits.push_back(std::move(hit));
  }
  void ActionDone(uint32_t /*index*/, ActionOutcome outcome,
                  int exit_code) override {
    end_.failed = outcome != ActionOutcome::kSucceeded;
    end_.exit_code = exit_code;
    if (exit_code == kConfigNotReusable) {
      not_stored_ = "the variables that it reads could not be watched";
    }
    // Posted: the action is still on the stack.
    engine_->loop->Post([this] { OnEvaluated(); });
  }

  void OnEvaluated() {
    action_ = nullptr;
    deadline_ = nullptr;
    if (cancelled_) {
      Finish(SharedWorkspace());
      return;
    }
    struct Assembled {
      SharedWorkspace workspace;
      watch::LeasePtr lease;
    };
    engine_->workers->Run(
        [input = input_, answer = std::move(answer_), end = end_,
         sources = std::move(sources_),
         watcher = watcher_]() mutable -> absl::StatusOr<Assembled> {
          VT_ASSIGN_OR_RETURN(const workspace::EvaluatedConfigs configs,
                              ReadLoaderAnswer(input, answer, end));
          watch::Computation computation(watcher);
          Assembled assembled;
          VT_ASSIGN_OR_RETURN(assembled.workspace,
                              workspace::Assemble(std::move(sources), configs));
          assembled.lease = computation.Finish(input.root);
          return assembled;
        },
        [this](absl::StatusOr<Assembled> assembled) {
          if (!assembled.ok()) {
            Finish(assembled.status());
            return;
          }
          rests_on_.leases.push_back(std::move(assembled->lease));
          Finish(std::move(assembled->workspace));
        });
  }

  void Finish(absl::StatusOr<SharedWorkspace> workspace) {
    // Copies: the hook may destroy this object.
    const Hooks hooks = hooks_;
    if (cancelled_) {
      hooks.on_done(absl::CancelledError("interrupted"));
    } else if (!workspace.ok()) {
      hooks.on_done(workspace.status());
    } else {
      if (watcher_ != nullptr && !is_known_ && rests_on_.Holds()) {
        KnownWorkspace known;
        if (!input_.scripts.empty()) {
          known.env = EnvDigest(input_.env);
        }
        known.rests_on = rests_on_;
        known.rests_on.leases.erase(known.rests_on.leases.begin());  // the root
        known.workspace = *workspace;
        known.settings = settings_;
        engine_->known.workspaces.Keep(input_.root, std::move(known));
      }
      hooks.on_done(LoadedWorkspace{*std::move(workspace), settings_,
                                    not_stored_, std::move(rests_on_)});
    }
  }

  Engine* const engine_;
  const std::string cwd_;
  CallerContext context_;
  const Hooks hooks_;
  watch::Watcher* const watcher_;  // null: look at every file
  bool is_known_ = false;
  Basis rests_on_;
  ConfigStepInput input_;
  settings::Settings settings_;
  workspace::Sources sources_;
  plan::Step step_;
  std::unique_ptr<Action> action_;
  std::unique_ptr<loop::Timer> deadline_;
  std::string answer_;
  std::string not_stored_;
  ConfigProcessEnd end_;
  bool cancelled_ = false;
};

}  // namespace

std::unique_ptr<ConfigLoad> ConfigLoad::Start(Engine* engine,
                                              const plan::CallerFacts& caller,
                                              const CallerContext& context,
                                              Hooks hooks) {
  auto load = std::make_unique<ConfigLoadImpl>(engine, caller, context,
                                               std::move(hooks));
  load->Begin();
  return load;
}

}  // namespace vt::run
