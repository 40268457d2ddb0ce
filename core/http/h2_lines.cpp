#include <charconv>

#include "core/base/bytes.hpp"
#include "core/http/h2_fields.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::http {
namespace {

/// RFC 9113 §8.2.2, and what is written here.
constexpr FieldNames never_sent =
    written_by_us |
    FieldNames{FieldName::upgrade, FieldName::keep_alive, FieldName::proxy_connection};

}  // namespace

void H2Lines::status(int code) {
  lines_.clear();
  const auto [end, ec] = std::to_chars(status_.data(), status_.data() + status_.size(), code);
  lines_.push_back({":status", {status_.data(), static_cast<std::size_t>(end - status_.data())}});
}

void H2Lines::add_fields(const Fields& fields) {
  for (const Field& line : fields) {
    if (!never_sent.has(line.which)) lines_.push_back(line);
  }
}

void H2Lines::add_length(std::uint64_t bytes) {
  const auto [end, ec] = std::to_chars(digits_.data(), digits_.data() + digits_.size(), bytes);
  lines_.push_back(
      {"content-length", {digits_.data(), static_cast<std::size_t>(end - digits_.data())}});
}

std::span<const Field> H2Lines::response(const ResponseHead& head, std::string_view date) {
  status(head.status);
  add_fields(head.fields);
  if (!date.empty() && !head.fields.find(FieldName::date)) lines_.push_back({"date", date});
  if (head.status != 204 && head.length.kind == BodyLength::Kind::counted) {
    add_length(head.length.bytes);
  }
  return lines_;
}

std::span<const Field> H2Lines::informational(const ResponseHead& head) {
  status(head.status);
  add_fields(head.fields);
  return lines_;
}

std::span<const Field> H2Lines::accepted(const ResponseHead& head, std::string_view date) {
  status(200);
  add_fields(head.fields);
  std::erase_if(lines_, [](const Field& line) {
    return equal_ignoring_case(line.name, "sec-websocket-accept");
  });
  if (!head.fields.find(FieldName::date)) lines_.push_back({"date", date});
  return lines_;
}

std::span<const Field> H2Lines::request(const RequestHead& head, std::string_view scheme) {
  lines_.clear();
  target_ = head.path;
  if (head.has_query) target_.append("?").append(head.query);
  lines_.push_back({":method", head.websocket ? std::string_view("CONNECT") : head.method});
  if (head.websocket) lines_.push_back({":protocol", "websocket"});
  lines_.push_back({":scheme", scheme});
  lines_.push_back({":authority", head.authority});
  lines_.push_back({":path", target_});
  for (const Field& line : head.fields) {
    const bool never = never_sent.has(line.which) || line.which == FieldName::te ||
                       (head.websocket && equal_ignoring_case(line.name, "sec-websocket-key"));
    if (!never) lines_.push_back(line);
  }
  if (head.websocket) return lines_;
  if (head.length.kind == BodyLength::Kind::counted) add_length(head.length.bytes);
  if (head.accepts_trailers) lines_.push_back({"te", "trailers"});
  return lines_;
}

}  // namespace gatehouse::http
