// SPDX-License-Identifier: Apache-2.0
//
// Staging: directories that a restore makes are filled under a temporary name,
// and get their own when all is in them. They appear whole, or not at all; and
// what is in them needs no temporary name of its own, which is a fifth of what
// a file costs.

#pragma once

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"

#include "daemon/cache/places.h"
#include "daemon/cache/staging_record.h"

namespace vt::cache {

// Add, Commit and destruction by one thread, At by several in between. All but
// At are blocking.
class Staging {
 public:
  // `places`, which is open, on `root`; all outlive this.
  Staging(const std::string& root, Places* places, StagingRecord* record)
      : root_(root),
        places_(places),
        record_(record) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  // Removes what was not committed.
  ~Staging();

  // The directory `path` will now be made beside its place, as `temporary`. It
  // is not below another one.
  void Add(const std::string& path, const std::string& temporary);

  // Where relative `path` is for now: `path`, or below a temporary name.
  std::string At(const std::string& path) const;

  // Gives all their names. ALREADY_EXISTS: something has come there. Those from
  // that one on are removed with this.
  absl::Status Commit();

 private:
  const std::string& root_;
  Places* const places_;
  StagingRecord* const record_;
  uint64_t begun_ = 0;
  absl::flat_hash_map<std::string, std::string> temporaries_;  // by path
};

// Gives `temporary`, in `directory`, its `name`: 0 or errno. With
// `may_replace` also in the place of what stands there, else EEXIST.
int RenameTemporary(int directory, const std::string& temporary,
                    const std::string& name, bool may_replace);

}  // namespace vt::cache
