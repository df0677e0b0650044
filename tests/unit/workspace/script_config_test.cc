// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/script_config.h"

#include <gtest/gtest.h>

namespace vt::workspace {
namespace {

class SetsRunTest : public testing::TestWithParam<const char*> {};
class SetsNoRunTest : public testing::TestWithParam<const char*> {};

TEST_P(SetsRunTest, IsSeen) { EXPECT_TRUE(SetsRun(GetParam())); }
TEST_P(SetsNoRunTest, IsNot) { EXPECT_FALSE(SetsRun(GetParam())); }

INSTANTIATE_TEST_SUITE_P(
    Table, SetsRunTest,
    testing::Values(
        "export default { run: { tasks: {} } }",
        "export default defineConfig({ plugins: [x()], run: {} })",
        "export default defineConfig(() => ({ run: {} }))",
        "export default defineConfig(async () => { return { run: {} } })",
        "module.exports = { 'run': {} };",
        "const run = {}; export default { run }",
        "export default { a: 1, run, b: 2 }",
        "const c: UserConfig = { run: {} }; export default c",
        "export default { a: /[}/]'/, run: {} }",
        "export default { a: `x ${ {b: 1} } '`, run: {} }",
        "export default { // run\n run: {} } satisfies UserConfig"));

INSTANTIATE_TEST_SUITE_P(
    Table, SetsNoRunTest,
    testing::Values(
        "", "export default {}", "import { run } from 'x'; export default {}",
        "export default { plugins: [{ name: 'x', run() {} }] }",
        "export default { test: { run: true } }",
        "export default { plugins: [inspect({ run: true })] }",
        "// { run: {} }\nexport default { /* run: {} */ }",
        "export default { a: '{ run: {} }', b: \"run:\", c: `run:` }",
        "const { run } = process; export default {}",
        "export default defineConfig(({ run, mode }) => ({ base: mode }))",
        "class A { run() {} }\nexport default { base: new A().run() }",
        "interface A { run: string }\nexport default {}",
        "export default { ...run, prerun: 1, running: 2 }", "export { run }"));

}  // namespace
}  // namespace vt::workspace
