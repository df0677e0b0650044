// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/script_config.h"

#include <gtest/gtest.h>

namespace vt::workspace {
namespace {

// A workspace with the packages `mine` and `@me/mine`.
bool Ask(absl::string_view source) {
  return MayHaveRun(source, [](absl::string_view name) {
    return name == "mine" || name == "@me/mine";
  });
}

class MayHaveRunTest : public testing::TestWithParam<const char*> {};
class CannotHaveRunTest : public testing::TestWithParam<const char*> {};

TEST_P(MayHaveRunTest, IsEvaluated) { EXPECT_TRUE(Ask(GetParam())); }
TEST_P(CannotHaveRunTest, IsNotEvaluated) { EXPECT_FALSE(Ask(GetParam())); }

INSTANTIATE_TEST_SUITE_P(
    Run, MayHaveRunTest,
    testing::Values("export default { run: { tasks: {} } }",
                    "export default defineConfig(() => ({ run: {} }))",
                    "module.exports = { 'run': {} };", "exports.run = {};",
                    "const run = {}; export default { run }",
                    "export default { a: /[}/]'/, run: {} }",
                    "export default { a: `x ${ {b: 1} } '`, run: {} }",
                    "export default { ['ru' + 'n']: {}, [`run`]: {} }",
                    "export default { 'r\\u0075n': {} }",
                    "export default { [`${'run'}`]: {} }",
                    // What follows could be a regular expression or a division.
                    "if (a) /'/.test(b); export default { run: 1 } //'",
                    "export default { // x\n run: {} } satisfies UserConfig"));

INSTANTIATE_TEST_SUITE_P(
    Imports, MayHaveRunTest,
    testing::Values("import a from './a'; export default a",
                    "import '../a'; export default {}",
                    "import a from '/a'; export default a",
                    "import a from '#a'; export default a",
                    "import a from 'file:///a'; export default a",
                    "import a from 'mine'; export default a",
                    "import {\n a,\n b\n} from \"@me/mine/config\"; "
                    "export default a",
                    "export { default } from './a'", "export * from './a'",
                    "module.exports = require('./a')",
                    "export default (await import('./a')).default",
                    "export default (await import(name)).default",
                    "const r = require; module.exports = r('./a')",
                    "const r = createRequire(import.meta.url); "
                    "export default r('./a')",
                    "export default { a: `${require('./a')}` }"));

INSTANTIATE_TEST_SUITE_P(NoExport, MayHaveRunTest,
                         testing::Values("", "throw new Error('boom')",
                                         "export const a = 1"));

INSTANTIATE_TEST_SUITE_P(
    Table, CannotHaveRunTest,
    testing::Values(
        "export default {}", "module.exports = {}",
        "const a = {}; export { a as default }",
        "import { defineConfig } from 'vite'\n"
        "import vue from '@vitejs/plugin-vue'\n"
        "import fs from 'node:fs'\nimport path from 'path'\n"
        "export default defineConfig({ plugins: [vue()] })",
        "import a from 'mine-too'; import '@me/mine2/x'; export default a",
        "// run it\nexport default { /* run: {} */ }",
        "export default { a: '{ run: {} }', b: \"npm run x\", c: `run:` }",
        "export default { prerun: 1, running: 2, rerun: 3 }",
        "export default { a: Array.from('./a'), b: x / 2, c: /run\\/'/ }",
        "export default { a: `${b}/${c}`, d: require.resolve('./a') }",
        "export default { a: await import('b'), c: require('d') }"));

}  // namespace
}  // namespace vt::workspace
