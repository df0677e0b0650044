// SPDX-License-Identifier: Apache-2.0
//
// Renderer turns the RunEvents of one run into the bytes of a terminal: start
// lines, output in one of three log modes, summary (spec/runner.md 8). It sees
// nothing but events, so that editors could render the same.

#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "daemon/report/ansi.h"
#include "daemon/report/summary.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::report {

enum class LogMode { kInterleaved, kLabeled, kGrouped };

struct RenderOptions {
  LogMode log = LogMode::kInterleaved;
  bool colour_stdout = false;
  bool colour_stderr = false;
  std::string program = "vt";  // as called: "vt run:" in the summary
  int verbose = 0;
  // The compact summary at the end; a detailed one is asked for and always
  // shown.
  bool summary = true;
  // For the log of GitHub Actions: grouped output can be folded, failures
  // become annotations (daemon/report/github.h).
  bool github = false;
  // URL of the directory of docs/schema as it is installed; ends with a slash.
  std::string schemas;
};

// Whether a stream shows colours (R-OUT-4): FORCE_COLOR, NO_COLOR, terminal.
// Null values: the variable is not set.
bool WantsColour(const std::string* force_color, const std::string* no_color,
                 const std::string* term, bool is_terminal);

// What the start line says of an action, without the label; of one that is only
// planned (a dry run) with `is_planned`.
std::string StartLine(const vtask::v1::ActionStarted& started, bool is_planned,
                      bool colour);

// Thread-compatible.
class Renderer {
 public:
  using Emit = std::function<void(bool is_stderr, std::string bytes)>;

  Renderer(RenderOptions options, Emit emit);

  // Events of one run, in order.
  void Handle(const vtask::v1::RunEvent& event);

 private:
  // Output of one action that is not written yet, or needs memory.
  struct Stream {
    AnsiStripper stripper;
    std::string partial_line;  // labeled
  };
  struct Open {
    Stream out, err;
    std::string group;  // grouped
    std::string label;
    // For GitHub Actions.
    std::string command;
    std::string start_line;
  };

  void Start(const vtask::v1::ActionStarted& started);
  void Output(const vtask::v1::ActionOutput& output);
  void Finish(const vtask::v1::ActionFinished& finished);
  void Say(const vtask::v1::Notice& notice);
  std::string Label(const Open& open) const;
  std::string Block(const Open& open,
                    const vtask::v1::ActionFinished& finished) const;

  const RenderOptions options_;
  const Emit emit_;
  std::map<uint32_t, Open> open_;
  Summary summary_;
};

}  // namespace vt::report
