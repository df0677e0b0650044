// SPDX-License-Identifier: Apache-2.0

#include "daemon/report/renderer.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "daemon/report/github.h"
#include "daemon/report/texts.h"

namespace vt::report {

using vtask::v1::ActionFinished;
using vtask::v1::ActionOutput;
using vtask::v1::ActionStarted;
using vtask::v1::Notice;
using vtask::v1::RunEvent;

namespace {

bool Failed(const ActionFinished& finished) {
  return finished.outcome() == ActionFinished::FAILED ||
         finished.outcome() == ActionFinished::SPAWN_FAILED;
}

}  // namespace

bool WantsColour(const std::string* force_color, const std::string* no_color,
                 const std::string* term, bool is_terminal) {
  if (force_color != nullptr && !force_color->empty()) {
    return *force_color != "0" && *force_color != "false";
  }
  if (no_color != nullptr && !no_color->empty()) {
    return false;
  }
  return is_terminal && (term == nullptr || *term != "dumb");
}

Renderer::Renderer(RenderOptions options, Emit emit)
    : options_(std::move(options)),
      emit_(std::move(emit)) {}

void Renderer::Handle(const RunEvent& event) {
  summary_.Add(event);
  switch (event.event_case()) {
    case RunEvent::kActionStarted:
      Start(event.action_started());
      break;
    case RunEvent::kActionOutput:
      Output(event.action_output());
      break;
    case RunEvent::kActionFinished:
      Finish(event.action_finished());
      break;
    case RunEvent::kNotice:
      Say(event.notice());
      break;
    case RunEvent::kRunFinished: {
      if (!options_.summary && options_.verbose == 0) {
        break;
      }
      std::string text = summary_.Render(options_.program, options_.verbose,
                                         options_.colour_stdout);
      if (!text.empty()) {
        emit_(/*is_stderr=*/false, std::move(text));
      }
      break;
    }
    default:
      break;
  }
}

std::string Renderer::Label(const Open& open) const {
  return absl::StrCat(Paint(absl::StrCat("[", open.label, "]"), Style::kDim,
                            options_.colour_stdout),
                      " ");
}

std::string StartLine(const ActionStarted& started, bool is_planned,
                      bool colour) {
  const vtask::v1::ActionRef& action = started.action();
  std::string line = Paint(absl::StrCat(action.cwd(), "$ ", action.command()),
                           Style::kCommand, colour);
  const auto status = [&](absl::string_view mark, Style style,
                          absl::string_view text) {
    absl::StrAppend(&line, " ", Paint(mark, style, colour), " ",
                    Paint(text, Style::kDim, colour));
  };
  switch (started.cache()) {
    case vtask::v1::HIT:
      status("◉", Style::kHit,
             is_planned ? "cache hit" : "cache hit, replaying");
      break;
    case vtask::v1::MISS:
      if (started.forced()) {
        status("○", Style::kMiss, is_planned ? "forced" : "forced, executing");
      } else if (const std::string reason = InlineReason(started);
                 !reason.empty()) {
        status("○", Style::kMiss,
               absl::StrCat("cache miss: ", reason,
                            is_planned ? "" : ", executing"));
      }
      break;
    case vtask::v1::DISABLED:
    case vtask::v1::BUILTIN:
      status("⊘", Style::kDisabled, "cache disabled");
      break;
    case vtask::v1::UNKNOWN:
      status("◌", Style::kMiss, "depends on earlier steps");
      break;
    default:
      break;
  }
  return line;
}

void Renderer::Start(const ActionStarted& started) {
  Open& open = open_[started.action().index()];
  open.label = started.action().label();
  if (options_.github) {
    open.command =
        absl::StrCat(started.action().cwd(), "$ ", started.action().command());
    open.start_line =
        StartLine(started, /*is_planned=*/false, /*colour=*/false);
  }
  const std::string label =
      options_.log == LogMode::kInterleaved ? "" : Label(open);
  emit_(/*is_stderr=*/false,
        absl::StrCat(
            label,
            StartLine(started, /*is_planned=*/false, options_.colour_stdout),
            "\n"));
}

void Renderer::Output(const ActionOutput& output) {
  const auto found = open_.find(output.action_index());
  if (found == open_.end()) {
    return;
  }
  Open& open = found->second;
  const bool is_stderr = output.stream() == ActionOutput::STDERR;
  Stream& stream = is_stderr ? open.err : open.out;
  // Grouped output all goes to stdout.
  const bool to_stderr = is_stderr && options_.log != LogMode::kGrouped;
  const bool colour =
      to_stderr ? options_.colour_stderr : options_.colour_stdout;
  std::string data =
      colour ? output.data() : stream.stripper.Strip(output.data());
  switch (options_.log) {
    case LogMode::kInterleaved:
      if (!data.empty()) {
        emit_(to_stderr, std::move(data));
      }
      return;
    case LogMode::kGrouped:
      open.group.append(data);
      return;
    case LogMode::kLabeled:
      break;
  }
  stream.partial_line.append(data);
  std::string lines;
  size_t begin = 0;
  for (size_t end = stream.partial_line.find('\n'); end != std::string::npos;
       end = stream.partial_line.find('\n', begin)) {
    absl::StrAppend(
        &lines, Label(open),
        absl::string_view(stream.partial_line).substr(begin, end + 1 - begin));
    begin = end + 1;
  }
  stream.partial_line.erase(0, begin);
  if (!lines.empty()) {
    emit_(to_stderr, std::move(lines));
  }
}

// What has failed is not folded: it is what one looks for.
std::string Renderer::Block(const Open& open,
                            const ActionFinished& finished) const {
  if (options_.github && !Failed(finished)) {
    return GithubGroup(absl::StrCat("[", open.label, "] ", open.start_line),
                       open.group);
  }
  return absl::StrCat("── [", open.label, "] ──\n", open.group);
}

void Renderer::Finish(const ActionFinished& finished) {
  const auto found = open_.find(finished.action_index());
  if (found == open_.end()) {
    return;
  }
  Open& open = found->second;
  std::string text;
  if (!finished.error().empty()) {
    absl::StrAppend(&text, Paint("✗", Style::kBad, options_.colour_stdout),
                    " Failed to spawn process: ", finished.error(), "\n");
  }
  if (options_.log == LogMode::kLabeled) {
    if (!open.err.partial_line.empty()) {
      emit_(/*is_stderr=*/true,
            absl::StrCat(Label(open), open.err.partial_line));
    }
    if (!open.out.partial_line.empty()) {
      absl::StrAppend(&text, Label(open), open.out.partial_line);
    }
  } else if (!open.group.empty()) {
    absl::StrAppend(&text, Block(open, finished));
  }
  absl::StrAppend(&text, "\n");
  if (options_.github && Failed(finished)) {
    absl::StrAppend(
        &text, GithubError(open.label,
                           absl::StrCat(open.command, ": ",
                                        finished.error().empty()
                                            ? absl::StrCat("exit code ",
                                                           finished.exit_code())
                                            : finished.error())));
  }
  emit_(/*is_stderr=*/false, std::move(text));
  open_.erase(found);
}

void Renderer::Say(const Notice& notice) {
  const bool colour = options_.colour_stderr;
  switch (notice.severity()) {
    case Notice::ERROR:
      emit_(/*is_stderr=*/true,
            absl::StrCat(Paint("error:", Style::kBad, colour), " ",
                         notice.text(), "\n"));
      break;
    case Notice::WARNING:
      emit_(/*is_stderr=*/true,
            absl::StrCat(Paint("warning:", Style::kBad, colour), " ",
                         notice.text(), "\n"));
      break;
    default:
      emit_(/*is_stderr=*/true, absl::StrCat(notice.text(), "\n"));
      break;
  }
}

}  // namespace vt::report
