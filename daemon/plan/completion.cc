// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/completion.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

#include "daemon/base/path.h"
#include "daemon/plan/cache_command.h"
#include "daemon/plan/command_line.h"
#include "daemon/plan/explain_command.h"
#include "daemon/plan/plan.h"

namespace vt::plan {
namespace {

using Candidate = Completion::Candidate;

// So many `package#task` are still a help; with more, the packages come first.
constexpr size_t kMaxTasks = 100;

struct CommandInfo {
  const char* name;
  const char* help;
  // What may follow, beside flags.
  std::vector<Candidate> arguments;
};

std::vector<Candidate> CacheVerbs() {
  std::vector<Candidate> verbs;
  for (const CacheCommandInfo& info : CacheCommandInfos()) {
    verbs.push_back({info.name, info.help});
  }
  return verbs;
}

const std::vector<CommandInfo>& Commands() {
  static const auto* const commands = new std::vector<CommandInfo>{
      {"run", "Run a task", {}},
      {"explain", "Say why a task would run, or why it did", {}},
      {"trace", "Run any command and show what it read and wrote", {}},
      {"report",
       "Say, in a task, what it really read and wrote",
       {{"ignore-input", "Reads at and below a path do not count"},
        {"ignore-output", "Writes at and below a path are not stored"},
        {"track-input", "A path counts as read"},
        {"track-output", "A path counts as written"},
        {"track-value", "The result depends on a value"},
        {"disable-cache", "Do not store this run"},
        {"get-env", "Print a variable of the caller"},
        {"get-envs", "Print the variables that match"}}},
      {"cache", "Look after the results of earlier runs", CacheVerbs()},
      {"daemon",
       "Control the daemon",
       {{"start", "Start it, if it does not run"},
        {"status", "Show what it is and does"},
        {"stop", "Let it finish what it runs, then end it"}}},
      {"doctor",
       "Check whether this machine has what vt needs",
       {{"--json", "One JSON object on one line"}}},
      {"completion",
       "Print the completion script of a shell",
       {{"bash", ""}, {"zsh", ""}, {"fish", ""}}},
      {"migrate",
       "Write vite-task.json from the files of another runner",
       {{"--dry-run", "Print what would be written, and write nothing"},
        {"--force", "Overwrite files that are there"},
        {"--from", "Read only turbo, nx or wireit"}}},
      {"help", "Show help", {}}};
  return *commands;
}

std::string OneLine(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"\n", " "}, {"\t", " "}, {"\r", " "}});
}

// The words as far as they are understood, and what is asked.
class Completer {
 public:
  Completer(const std::vector<std::string>& words,
            const workspace::Workspace* workspace, const std::string& cwd)
      : words_(words),
        word_(words.empty() ? "" : words.back()),
        workspace_(workspace),
        cwd_(cwd) {}

  Completion Answer();

 private:
  // A candidate that begins with what is typed.
  void Offer(const std::string& value, absl::string_view description = "") {
    if (absl::StartsWith(value, word_)) {
      out_.candidates.push_back({value, OneLine(description)});
    }
  }
  void OfferCommands();
  void OfferCacheFlags();
  void Explain();
  void Trace();
  // `first`: the first word behind `vt run`, or `vtr`.
  void Run(size_t first);
  void OfferFlags();
  // `prefix` stands before the value in the same word: "--log=".
  void OfferValue(const FlagInfo& flag, const std::string& prefix);
  void OfferFilters(const std::string& prefix);
  void OfferDirectory(const std::string& before, bool in_braces,
                      const workspace::Package& package);
  void OfferTasks(bool in_many_packages);
  void OfferTasksOfOthers(int current);

  const std::vector<std::string>& words_;
  const std::string word_;
  const workspace::Workspace* const workspace_;
  const std::string& cwd_;
  const std::vector<FlagInfo> flags_ = RunFlagInfos();
  Completion out_;
};

Completion Completer::Answer() {
  const absl::string_view program =
      words_.empty() ? "vt" : base::Basename(words_[0]);
  if (program == "vtr" || program == "vpr") {
    Run(1);
  } else if (words_.size() <= 2) {
    OfferCommands();
  } else if (words_[1] == "run") {
    Run(2);
  } else if (words_[1] == "explain") {
    Explain();
  } else {
    const std::string& command = words_[1];
    if (command == "help" && words_.size() == 3) {
      OfferCommands();
    }
    for (const CommandInfo& known : Commands()) {
      if (command != known.name) {
        continue;
      }
      const bool has_flags = command == "migrate";
      if (words_.size() == 3 || has_flags) {
        for (const Candidate& argument : known.arguments) {
          Offer(argument.value, argument.description);
        }
      }
    }
    if (command == "migrate" && words_[words_.size() - 2] == "--from") {
      out_.candidates.clear();
      for (const char* tool : {"turbo", "nx", "wireit"}) {
        Offer(tool);
      }
    }
    if (command == "cache" && words_.size() > 3) {
      OfferCacheFlags();
    }
    if (command == "daemon" && words_.size() == 4 && words_[2] == "stop") {
      Offer("--now", "Cancel what it runs");
    }
    if (command == "trace") {
      Trace();
    }
    out_.wants_files =
        out_.wants_files || (command == "report" && words_.size() > 3);
  }
  return std::move(out_);
}

// Flags, then a command with its arguments.
void Completer::Trace() {
  const std::vector<TraceFlagInfo> flags = TraceFlagInfos();
  for (size_t i = 2; i + 1 < words_.size(); ++i) {
    const std::string& word = words_[i];
    if (word.size() < 2 || word[0] != '-' || word == "--") {
      out_.wants_files = true;
      return;
    }
    for (const TraceFlagInfo& flag : flags) {
      if (!flag.takes_value || (word != flag.name && word != "-o")) {
        continue;
      }
      if (++i + 1 < words_.size()) {
        break;
      }
      out_.wants_files = word != "--tier";
      for (const char* tier : {"1", "2", "3"}) {
        if (word == "--tier") {
          Offer(tier);
        }
      }
      return;
    }
  }
  out_.wants_files = !absl::StartsWith(word_, "-");
  for (const TraceFlagInfo& flag : flags) {
    if (absl::StartsWith(word_, "-")) {
      Offer(flag.name, flag.help);
    }
  }
}

void Completer::OfferCommands() {
  for (const CommandInfo& command : Commands()) {
    Offer(command.name, command.help);
  }
  if (absl::StartsWith(word_, "-")) {
    Offer("--help", "Show help");
    Offer("--version", "Show the version");
  }
}

void Completer::OfferCacheFlags() {
  if (words_[words_.size() - 2] == "--task") {
    OfferTasks(/*in_many_packages=*/true);
    return;
  }
  if (words_[words_.size() - 2] == "--package") {
    OfferFilters("");
    return;
  }
  for (const CacheCommandInfo& info : CacheCommandInfos()) {
    if (info.name == words_[2]) {
      for (const std::string& flag : info.flags) {
        Offer(flag);
      }
    }
  }
}

void Completer::Explain() {
  if (absl::StartsWith(word_, "-")) {
    for (const std::string& flag : ExplainFlagNames()) {
      Offer(flag);
    }
    return;
  }
  Run(2);
}

void Completer::Run(size_t first) {
  bool in_many_packages = false;
  const FlagInfo* waiting = nullptr;  // for its value
  for (size_t i = first; i + 1 < words_.size(); ++i) {
    const std::string& word = words_[i];
    if (waiting != nullptr) {
      waiting = nullptr;
      continue;
    }
    if (word == "--" || word.size() < 2 || word[0] != '-') {
      if (word != "--" || i + 2 < words_.size()) {
        out_.wants_files = true;  // arguments of the task
      } else {
        OfferTasks(in_many_packages);
      }
      return;
    }
    for (const FlagInfo& flag : flags_) {
      const bool is_long = absl::StrCat("--", flag.name) == word;
      // The last letter of "-rF" is the one that a value may follow.
      const bool is_short = word[1] != '-' && word.back() == flag.short_name;
      if ((is_long || is_short) && !flag.value.empty()) {
        waiting = &flag;
      }
    }
    in_many_packages =
        in_many_packages || word == "-r" || word == "--recursive" ||
        word == "-t" || word == "--transitive" || word == "-F" ||
        absl::StartsWith(word, "--filter") ||
        (word[1] != '-' && word.find_first_of("rtF") != std::string::npos);
  }
  if (waiting != nullptr) {
    OfferValue(*waiting, "");
    return;
  }
  if (absl::StartsWith(word_, "-")) {
    OfferFlags();
    return;
  }
  OfferTasks(in_many_packages);
}

void Completer::OfferFlags() {
  if (const size_t equals = word_.find('='); equals != std::string::npos) {
    for (const FlagInfo& flag : flags_) {
      if (absl::StrCat("--", flag.name) == word_.substr(0, equals)) {
        OfferValue(flag, word_.substr(0, equals + 1));
      }
    }
    return;
  }
  for (const FlagInfo& flag : flags_) {
    Offer(absl::StrCat("--", flag.name), flag.help);
  }
  if (word_ == "-") {
    for (const FlagInfo& flag : flags_) {
      if (flag.short_name != 0) {
        Offer(absl::StrCat("-", std::string(1, flag.short_name)), flag.help);
      }
    }
  }
}

void Completer::OfferValue(const FlagInfo& flag, const std::string& prefix) {
  if (flag.name == "filter") {
    OfferFilters(prefix);
    return;
  }
  std::vector<std::string> values;
  if (flag.name == "log") {
    values = {"interleaved", "labeled", "grouped"};
  } else if (flag.name == "concurrency-limit") {
    values = {"1", "2", "4", "8", "50%", "100%"};
  } else if (flag.name == "fail-fast") {
    values = {"yes", "no"};
  }
  for (const std::string& value : values) {
    Offer(absl::StrCat(prefix, value));
  }
}

// Names of packages behind whatever stands before a name in a filter; or
// directories, if it begins like one.
void Completer::OfferFilters(const std::string& prefix) {
  out_.asked_workspace = true;
  if (workspace_ == nullptr) {
    return;
  }
  absl::string_view rest = absl::string_view(word_).substr(prefix.size());
  std::string before = prefix;
  for (const char* sign : {"!", "...", "^"}) {
    if (absl::ConsumePrefix(&rest, sign)) {
      before += sign;
    }
  }
  std::set<std::string> scopes;
  for (const workspace::Package& package : workspace_->packages) {
    if (absl::StartsWith(rest, ".") || absl::StartsWith(rest, "{")) {
      OfferDirectory(before, rest[0] == '{', package);
      continue;
    }
    if (package.name.empty()) {
      continue;
    }
    Offer(absl::StrCat(before, package.name),
          package.path.empty() ? "workspace root" : package.path);
    if (const size_t slash = package.name.find('/');
        package.name[0] == '@' && slash != std::string::npos) {
      scopes.insert(package.name.substr(0, slash));
    }
  }
  for (const std::string& scope : scopes) {
    Offer(absl::StrCat(before, scope, "/*"), "every package of the scope");
  }
}

// Of packages below the current directory.
void Completer::OfferDirectory(const std::string& before, bool in_braces,
                               const workspace::Package& package) {
  const std::optional<std::string> path =
      base::RelativeTo(package.directory, cwd_);
  if (!path.has_value()) {
    return;
  }
  const std::string shown = path->empty() ? "." : *path;
  Offer(in_braces       ? absl::StrCat(before, "{", shown, "}")
        : path->empty() ? absl::StrCat(before, ".")
                        : absl::StrCat(before, "./", shown),
        package.name);
}

void Completer::OfferTasks(bool in_many_packages) {
  out_.asked_workspace = true;
  if (workspace_ == nullptr) {
    return;
  }
  const int current = workspace_->PackageOf(cwd_);
  if (in_many_packages) {
    // The name alone counts: how many packages have it is what one can tell.
    std::map<std::string, int> names;
    for (const workspace::Package& package : workspace_->packages) {
      for (const auto& [name, task] : package.tasks) {
        ++names[name];
      }
    }
    for (const auto& [name, count] : names) {
      Offer(name,
            absl::StrCat("in ", count, " package", count == 1 ? "" : "s"));
    }
    return;
  }
  for (const auto& [name, task] :
       workspace_->packages[static_cast<size_t>(current)].tasks) {
    Offer(name, absl::StrJoin(task.commands, " && "));
  }
  // With nothing typed, the tasks at hand are what is wanted.
  if (!word_.empty() || out_.candidates.empty()) {
    OfferTasksOfOthers(current);
  }
}

void Completer::OfferTasksOfOthers(int current) {
  std::vector<Candidate> tasks;
  std::map<std::string, size_t> packages;  // "name#" and how many tasks
  for (size_t i = 0; i < workspace_->packages.size(); ++i) {
    const workspace::Package& package = workspace_->packages[i];
    const bool hash_typed = absl::StrContains(word_, '#');
    if (package.name.empty() ||
        (static_cast<int>(i) == current && !hash_typed)) {
      continue;
    }
    for (const auto& [name, task] : package.tasks) {
      std::string label = absl::StrCat(package.name, "#", name);
      if (absl::StartsWith(label, word_)) {
        ++packages[absl::StrCat(package.name, "#")];
        tasks.push_back(
            {std::move(label), OneLine(absl::StrJoin(task.commands, " && "))});
      }
    }
  }
  if (tasks.size() <= kMaxTasks || packages.size() <= 1) {
    std::move(tasks.begin(), tasks.end(), std::back_inserter(out_.candidates));
    return;
  }
  for (const auto& [name, count] : packages) {
    out_.candidates.push_back(
        {name, absl::StrCat(count, count == 1 ? " task" : " tasks")});
  }
  out_.no_space = true;
}

}  // namespace

Completion Complete(const std::vector<std::string>& words,
                    const workspace::Workspace* workspace,
                    const std::string& cwd) {
  return Completer(words, workspace, cwd).Answer();
}

}  // namespace vt::plan
