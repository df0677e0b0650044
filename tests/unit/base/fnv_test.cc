// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/fnv.h"

#include <gtest/gtest.h>

namespace vt::base {
namespace {

// From the reference's test vectors.
TEST(Fnv1a64Test, GivesTheReferencesValues) {
  EXPECT_EQ(Fnv1a64(""), 0xcbf29ce484222325U);
  EXPECT_EQ(Fnv1a64("a"), 0xaf63dc4c8601ec8cU);
  EXPECT_EQ(Fnv1a64("foobar"), 0x85944171f73967e8U);
}

}  // namespace
}  // namespace vt::base
