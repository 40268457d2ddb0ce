#pragma once

#include <string>

#include "core/http/byte_ranges.hpp"
#include "proxy/serve/handlers/visit.hpp"

namespace gatehouse::serve {

/// A route's `files`: answers GET and HEAD with what lies below its root, or with a status of our
/// own. Conditions and ranges as RFC 9110 §13 and §14 have them. What the disk has to be asked for
/// is read on other threads. True: always answered.
awaitable<bool> answer_files(Visit& visit);

/// The frame of a multipart/byteranges body (RFC 9110 §14.6): what stands between the octets of the
/// file.
class RangeParts {
 public:
  RangeParts(std::string boundary, std::string_view type, std::uint64_t size)
      : boundary_(std::move(boundary)), type_(type), size_(size) {}

  std::string content_type() const { return "multipart/byteranges; boundary=" + boundary_; }
  /// Stands before the octets of a range.
  std::string head(const http::ByteRange& range) const;
  /// Stands behind the last.
  std::string tail() const { return "\r\n--" + boundary_ + "--\r\n"; }
  /// Of the whole body.
  std::uint64_t length(const std::vector<http::ByteRange>& ranges) const;

 private:
  std::string boundary_;
  std::string type_;
  std::uint64_t size_;
};

/// "bytes 0-99/1000"
std::string content_range(const http::ByteRange& range, std::uint64_t size);

}  // namespace gatehouse::serve
