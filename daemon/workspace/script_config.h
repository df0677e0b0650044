// SPDX-License-Identifier: Apache-2.0
//
// Looks at the text of a vite.config file without running it.

#pragma once

#include "absl/strings/string_view.h"

namespace vt::workspace {

// Whether JavaScript or TypeScript `source` seems to set a `run` property of
// the configuration object.
//
// A heuristic on tokens; comments, strings, templates and regular expressions
// are skipped. It answers true for a property `run` (`run:`, `run(`, `run,`,
// `run}`, also quoted) of an object literal that is not inside another object
// or array literal: `{ run: … }`, `defineConfig({ run })`, `() => ({ run: …
// })`. Not for `plugins: [{ run() {} }]`, `import { run }`, types,
// destructuring or members of classes. `config.run = …` and computed keys are
// not seen.
bool SetsRun(absl::string_view source);

}  // namespace vt::workspace
