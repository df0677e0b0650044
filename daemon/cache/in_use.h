// SPDX-License-Identifier: Apache-2.0
//
// InUse: what garbage collection must leave although nothing in the database
// names it yet (a store under way), or it has been found a moment ago (a hit
// that is being restored).
//
// The order that makes it safe. A store pins a digest *before* it looks whether
// the blob is there; a lookup leases a result *before* it reads its record. The
// sweep announces itself, then reads what is live, then removes: each removal
// asks here under the lock, and what was pinned or leased at any time since the
// announcement stays. What was committed earlier, the sweep has read.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"

#include "daemon/base/digest.h"

namespace vt::cache {

// A result that must stay while this lives. Immutable.
class Lease {
 public:
  virtual ~Lease() = default;
};

// Thread-safe.
class InUse {
 public:
  InUse();

  // The lease may outlive this object.
  std::shared_ptr<const Lease> LeaseResult(const base::Digest& strong) const;

  // What one store is about to name: blobs, records. Thread-safe.
  class Pins {
   public:
    explicit Pins(const InUse* in_use) : in_use_(in_use) {}
    Pins(const Pins&) = delete;
    Pins& operator=(const Pins&) = delete;
    ~Pins();
    void Add(const base::Digest& digest);
    // Bytes that the store has added to the disk.
    void NoteWritten(uint64_t bytes) { written_ += bytes; }
    uint64_t written() const { return written_; }

   private:
    const InUse* const in_use_;
    std::vector<base::Digest> added_;
    std::atomic<uint64_t> written_ = 0;
  };

  // From here on until it is destroyed, whatever is pinned or leased stays
  // known. One at a time.
  class Sweeping {
   public:
    explicit Sweeping(const InUse* in_use);
    Sweeping(const Sweeping&) = delete;
    Sweeping& operator=(const Sweeping&) = delete;
    ~Sweeping();
    bool Has(const base::Digest& digest) const;
    // Calls `remove`, under the lock, unless `digest` is in use. It must be
    // quick, and not call in here.
    bool Unless(const base::Digest& digest,
                absl::FunctionRef<void()> remove) const;

   private:
    const InUse* const in_use_;
  };

 private:
  struct Table;
  class ResultLease;
  std::shared_ptr<const Table> table_;  // const: what is in it is guarded
};

}  // namespace vt::cache
