// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/blob_codec.h"

#include <lz4frame.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/status.h"
#include "daemon/fingerprint/sha256.h"

namespace vt::cache {
namespace {

// First byte of a blob file. Stored: never change.
constexpr char kRaw = 0;
constexpr char kLz4 = 1;

LZ4F_preferences_t Preferences(uint64_t size) {
  LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
  preferences.frameInfo.contentSize = size;
  return preferences;
}

bool GetsSmaller(absl::string_view piece) {
  return EncodeBlob(piece).front() == kLz4;
}

// Compresses what it gets, if that is worth it. Thread-compatible.
class Encoder {
 public:
  Encoder(uint64_t size, int to) : preferences_(Preferences(size)), to_(to) {}
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  ~Encoder() { LZ4F_freeCompressionContext(context_); }

  absl::Status Append(absl::string_view piece) {
    if (!has_begun_) {
      VT_RETURN_IF_ERROR(Begin(piece));
    }
    if (context_ == nullptr) {
      return base::WriteAll(to_, piece);
    }
    return Put(LZ4F_compressUpdate(context_, out_.data(), out_.size(),
                                   piece.data(), piece.size(), nullptr));
  }

  // ABORTED if the size was wrong.
  absl::Status End() {
    return context_ == nullptr ? absl::OkStatus()
                               : Put(LZ4F_compressEnd(context_, out_.data(),
                                                      out_.size(), nullptr));
  }

 private:
  absl::Status Begin(absl::string_view piece) {
    has_begun_ = true;
    const bool compresses =
        GetsSmaller(piece) && LZ4F_isError(LZ4F_createCompressionContext(
                                  &context_, LZ4F_VERSION)) == 0U;
    VT_RETURN_IF_ERROR(
        base::WriteAll(to_, absl::string_view(compresses ? &kLz4 : &kRaw, 1)));
    if (!compresses) {
      return absl::OkStatus();
    }
    out_.resize(LZ4F_compressBound(base::kPieceSize, &preferences_) +
                LZ4F_HEADER_SIZE_MAX);
    return Put(
        LZ4F_compressBegin(context_, out_.data(), out_.size(), &preferences_));
  }

  absl::Status Put(size_t size) {
    if (LZ4F_isError(size) != 0U) {
      return absl::AbortedError(LZ4F_getErrorName(size));
    }
    return base::WriteAll(to_, absl::string_view(out_.data(), size));
  }

  const LZ4F_preferences_t preferences_;
  const int to_;
  bool has_begun_ = false;
  LZ4F_cctx* context_ = nullptr;  // null: as it is
  std::string out_;
};

struct FreeDecoder {
  void operator()(LZ4F_dctx* context) const {
    LZ4F_freeDecompressionContext(context);
  }
};

// Decompresses a frame that comes in pieces. Thread-compatible.
class Decoder {
 public:
  explicit Decoder(const BlobSink& sink) : sink_(sink) {
    LZ4F_dctx* context = nullptr;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) ==
        0U) {
      context_.reset(context);
    }
  }

  absl::Status Append(absl::string_view in) {
    if (context_ == nullptr) {
      return absl::ResourceExhaustedError("no memory to decompress with");
    }
    if (out_ == nullptr) {
      VT_RETURN_IF_ERROR(Begin(&in));
    }
    // Also once more when all was taken: the output may not have been.
    while (hint_ != 0) {
      size_t out = out_size_;
      size_t taken = in.size();
      hint_ = LZ4F_decompress(context_.get(), out_.get(), &out, in.data(),
                              &taken, nullptr);
      if (LZ4F_isError(hint_) != 0U) {
        return absl::DataLossError("a damaged frame");
      }
      in.remove_prefix(taken);
      if (out > 0) {
        VT_RETURN_IF_ERROR(sink_(absl::string_view(out_.get(), out)));
      } else if (in.empty() || taken == 0) {
        break;
      }
    }
    return in.empty() ? absl::OkStatus()
                      : absl::DataLossError("more than a frame");
  }

  bool is_complete() const { return hint_ == 0; }

 private:
  // Makes room for what comes out: all of it, if that is little.
  absl::Status Begin(absl::string_view* in) {
    LZ4F_frameInfo_t info = {};
    size_t taken = in->size();
    if (LZ4F_isError(LZ4F_getFrameInfo(context_.get(), &info, in->data(),
                                       &taken)) != 0U) {
      return absl::DataLossError("a damaged frame");
    }
    in->remove_prefix(taken);
    const bool is_small =
        info.contentSize != 0 && info.contentSize < base::kPieceSize;
    out_size_ =
        is_small ? static_cast<size_t>(info.contentSize) : base::kPieceSize;
    out_ = std::make_unique_for_overwrite<char[]>(out_size_);
    return absl::OkStatus();
  }

  const BlobSink& sink_;
  std::unique_ptr<LZ4F_dctx, FreeDecoder> context_;
  std::unique_ptr<char[]> out_;
  size_t out_size_ = 0;
  size_t hint_ = 1;
};

}  // namespace

std::string EncodeBlob(absl::string_view bytes) {
  const LZ4F_preferences_t preferences = Preferences(bytes.size());
  std::string file;
  file.resize(1 + LZ4F_compressFrameBound(bytes.size(), &preferences));
  const size_t size =
      LZ4F_compressFrame(file.data() + 1, file.size() - 1, bytes.data(),
                         bytes.size(), &preferences);
  if (LZ4F_isError(size) != 0U || size >= bytes.size()) {
    return absl::StrCat(absl::string_view(&kRaw, 1), bytes);
  }
  file[0] = kLz4;
  file.resize(1 + size);
  return file;
}

absl::StatusOr<base::Digest> EncodeBlob(int from, uint64_t size, int to) {
  Encoder encoder(size, to);
  fingerprint::Sha256Hasher hasher;
  uint64_t seen = 0;
  VT_RETURN_IF_ERROR(base::ReadPieces(from, [&](absl::string_view piece) {
    seen += piece.size();
    hasher.Update(piece);
    return encoder.Append(piece);
  }));
  if (seen != size) {
    return absl::AbortedError("its size changes");
  }
  VT_RETURN_IF_ERROR(encoder.End());
  return hasher.Finish();
}

absl::Status DecodeBlob(int from, const BlobSink& sink) {
  Decoder decoder(sink);
  char format = kRaw;
  bool has_begun = false;
  VT_RETURN_IF_ERROR(base::ReadPieces(from, [&](absl::string_view piece) {
    if (!has_begun) {
      has_begun = true;
      format = piece.front();
      piece.remove_prefix(1);
    }
    switch (format) {
      case kRaw:
        return piece.empty() ? absl::OkStatus() : sink(piece);
      case kLz4:
        return decoder.Append(piece);
      default:
        return absl::DataLossError("an unknown format");
    }
  }));
  const bool is_whole = has_begun && (format == kRaw || decoder.is_complete());
  return is_whole ? absl::OkStatus() : absl::DataLossError("it is cut off");
}

}  // namespace vt::cache
