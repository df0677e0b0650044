// SPDX-License-Identifier: Apache-2.0
//
// What contents have to do with the workspace root: replacing it (so that
// digests are the same in every clone), and finding it in all its disguises.

#include "daemon/fingerprint/content.h"

#include <string.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"

#include "daemon/fingerprint/file_digests.h"

namespace vt::fingerprint {
namespace {

// Stands in for the root. Stored: never change. Random, so that no file has it.
constexpr char kPlaceholder[] =
    "\xf1\xb1\xee\x35\x98\x3d\x33\x8d\xcf\x3f\xbc\x2f\x31\x2e\xb9\x9e";
constexpr size_t kPlaceholderSize = 16;

size_t Find(absl::string_view text, absl::string_view what, size_t from) {
  if (from >= text.size()) {
    return absl::string_view::npos;
  }
  const void* found = ::memmem(text.data() + from, text.size() - from,
                               what.data(), what.size());
  return found == nullptr ? absl::string_view::npos
                          : static_cast<size_t>(
                                static_cast<const char*>(found) - text.data());
}

bool Has(absl::string_view text, absl::string_view what) {
  return Find(text, what, 0) != absl::string_view::npos;
}

// After the root, these go on with the same name: `/work/app2` is not in
// `/work/app`. When in doubt (a dot may end a sentence) it is not the root:
// then clones differ, which costs a hit and no more.
bool ContinuesName(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ||
         c == '.' || c == '-';
}

}  // namespace

ContentHasher::ContentHasher(const std::string& root)
    : root_(root),
      replaces_(root.size() >= kShortestRoot),
      contains_root_(!root.empty() && !replaces_) {}

void ContentHasher::Update(absl::string_view bytes) {
  if (!replaces_) {
    hasher_.Update(bytes);
    return;
  }
  if (pending_.empty()) {
    // The usual case, a file in one piece, is not copied.
    bytes.remove_prefix(Consume(bytes, /*is_last=*/false));
    pending_.assign(bytes.data(), bytes.size());
    return;
  }
  pending_.append(bytes.data(), bytes.size());
  pending_.erase(0, Consume(pending_, /*is_last=*/false));
}

size_t ContentHasher::Consume(absl::string_view bytes, bool is_last) {
  size_t done = 0;
  size_t from = 0;
  while (true) {
    const size_t at = Find(bytes, root_, from);
    if (at == absl::string_view::npos) {
      break;
    }
    const size_t end = at + root_.size();
    if (end == bytes.size() && !is_last) {
      // What follows decides.
      hasher_.Update(bytes.substr(done, at - done));
      return at;
    }
    if (end < bytes.size() && ContinuesName(bytes[end])) {
      from = at + 1;
      continue;
    }
    contains_root_ = true;
    hasher_.Update(bytes.substr(done, at - done));
    hasher_.Update(absl::string_view(kPlaceholder, kPlaceholderSize));
    done = end;
    from = end;
  }
  // The tail may be the beginning of an occurrence.
  size_t keep = is_last ? 0 : std::min(bytes.size() - done, root_.size() - 1);
  hasher_.Update(bytes.substr(done, bytes.size() - done - keep));
  return bytes.size() - keep;
}

base::Digest ContentHasher::Finish() {
  if (replaces_) {
    Consume(pending_, /*is_last=*/true);
    pending_.clear();
  }
  return hasher_.Finish();
}

base::Digest ContentDigestOf(const std::string& root, absl::string_view bytes,
                             const base::Digest& plain, bool* contains_root) {
  if (root.size() < kShortestRoot || Has(bytes, root)) {
    return FileDigests::ContentDigest(root, bytes, contains_root);
  }
  *contains_root = false;
  return plain;
}

base::Digest FileDigests::ContentDigest(const std::string& root,
                                        absl::string_view bytes,
                                        bool* contains_root) {
  ContentHasher hasher(root);
  hasher.Update(bytes);
  const base::Digest digest = hasher.Finish();
  if (contains_root != nullptr) {
    *contains_root = hasher.contains_root();
  }
  return digest;
}

namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Decodes UTF-8 at `text[at]` into `*code`; its length, or 0.
size_t DecodeUtf8(absl::string_view text, size_t at, uint32_t* code) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const uint32_t first = byte(at);
  const size_t length = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0) {
    return 0;
  }
  *code = length == 1 ? first : first & (0x7fU >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) {
      return 0;
    }
    *code = (*code << 6) | (byte(at + i) & 0x3f);
  }
  return length;
}

// Whether `text` has the root at `at`, each character as it is, JSON-escaped
// (also more than once) or percent-encoded.
class Disguise {
 public:
  Disguise(absl::string_view root, absl::string_view text)
      : root_(root),
        text_(text) {}

  bool MatchesAt(size_t at) const {
    size_t in_root = 0;
    while (in_root < root_.size()) {
      if (at >= text_.size() || !Step(&in_root, &at)) {
        return false;
      }
    }
    return true;
  }

 private:
  bool Step(size_t* in_root, size_t* at) const {
    const char wanted = root_[*in_root];
    if (text_[*at] == wanted) {
      ++*in_root;
      ++*at;
      return true;
    }
    if (text_[*at] == '%' && *at + 2 < text_.size()) {
      const int high = HexValue(text_[*at + 1]);
      const int low = HexValue(text_[*at + 2]);
      if (high >= 0 && low >= 0 &&
          static_cast<char>(high * 16 + low) == wanted) {
        ++*in_root;
        *at += 3;
        return true;
      }
    }
    if (text_[*at] != '\\') {
      return false;
    }
    size_t next = *at;
    while (next < text_.size() && text_[next] == '\\') {
      ++next;
    }
    if (next < text_.size() && text_[next] == wanted && wanted != 'u') {
      ++*in_root;
      *at = next + 1;
      return true;
    }
    return StepUnicode(in_root, next, at);
  }

  // `\uXXXX`, in surrogate pairs above U+FFFF; `next` is at the `u`.
  bool StepUnicode(size_t* in_root, size_t next, size_t* at) const {
    uint32_t code = 0;
    const size_t length = DecodeUtf8(root_, *in_root, &code);
    if (length == 0) {
      return false;
    }
    std::string escaped;
    if (code < 0x10000) {
      escaped = absl::StrFormat("u%04x", code);
    } else {
      code -= 0x10000;
      escaped = absl::StrFormat("u%04x\\u%04x", 0xd800 + (code >> 10),
                                0xdc00 + (code & 0x3ff));
    }
    if (absl::AsciiStrToLower(text_.substr(next, escaped.size())) != escaped) {
      return false;
    }
    *in_root += length;
    *at = next + escaped.size();
    return true;
  }

  absl::string_view root_;
  absl::string_view text_;
};

// The longest run of letters and digits: no encoding here changes it, so text
// without it needs no closer look.
absl::string_view PlainPart(absl::string_view root) {
  absl::string_view best;
  size_t start = 0;
  for (size_t i = 0; i <= root.size(); ++i) {
    if (i < root.size() &&
        absl::ascii_isalnum(static_cast<unsigned char>(root[i]))) {
      continue;
    }
    if (i - start > best.size()) {
      best = root.substr(start, i - start);
    }
    start = i + 1;
  }
  return best;
}

// What base64 makes of the root at each of the three alignments, less the
// characters that also depend on the neighbours.
std::vector<std::string> Base64Forms(absl::string_view root) {
  std::vector<std::string> forms;
  for (size_t shift = 0; shift < 3; ++shift) {
    const std::string padded = std::string(shift, '\0') + std::string(root);
    const size_t first = (shift * 8 + 5) / 6;
    const size_t last = padded.size() * 8 / 6;
    if (last <= first) {
      continue;
    }
    std::string standard = absl::Base64Escape(padded);
    std::string web = absl::WebSafeBase64Escape(padded);
    forms.push_back(standard.substr(first, last - first));
    web = web.substr(first, last - first);
    if (web != forms.back()) {
      forms.push_back(std::move(web));
    }
  }
  return forms;
}

}  // namespace

bool NamesRoot(const std::string& root, absl::string_view bytes) {
  if (bytes.empty()) {
    return false;
  }
  if (root.size() < kShortestRoot) {
    return true;
  }
  const absl::string_view plain = PlainPart(root);
  if (plain.empty() || Has(bytes, plain)) {
    const Disguise disguise(root, bytes);
    // Any disguise of a slash begins with one of these.
    for (size_t at = 0; at < bytes.size(); ++at) {
      const char c = bytes[at];
      if ((c == '/' || c == '\\' || c == '%') && disguise.MatchesAt(at)) {
        return true;
      }
    }
  }
  for (const std::string& form : Base64Forms(root)) {
    if (Has(bytes, form)) {
      return true;
    }
  }
  return false;
}

void RootFinder::Update(absl::string_view bytes) {
  if (found_) {
    return;
  }
  // The longest disguise of a character is `\u002f`.
  const size_t longest = 6 * root_.size() + 8;
  window_.append(bytes.data(), bytes.size());
  found_ = NamesRoot(root_, window_);
  if (window_.size() > longest) {
    window_.erase(0, window_.size() - longest);
  }
}

}  // namespace vt::fingerprint
