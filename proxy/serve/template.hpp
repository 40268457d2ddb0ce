#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/http/message.hpp"

namespace gatehouse::serve {

struct RequestFacts;

/// A text with placeholders, taken apart once: {host} {path} {?query} {query} {scheme} {client_ip}
/// {request_id} {tls.sni} {tls.client_subject} {tls.client_issuer} {tls.client_serial}
/// {tls.client_fingerprint} {tls.client_san}. Braces that hold anything else stand for
/// themselves.
class Template {
 public:
  Template() = default;
  explicit Template(std::string_view text);

  /// Appends the text with this request's values to `out`.
  void write(std::string& out, const http::RequestHead& request, const RequestFacts& facts) const;
  std::string text(const http::RequestHead& request, const RequestFacts& facts) const;
  /// The whole text where it holds no placeholder, else null.
  const std::string* fixed() const;
  /// True when the text opens with {path}: a Location that does must not begin with "//".
  bool begins_with_path() const;

 private:
  enum class Kind {
    literal,
    host,
    path,
    query,
    question_query,
    scheme,
    client_ip,
    request_id,
    sni,
    client_subject,
    client_issuer,
    client_serial,
    client_fingerprint,
    client_san
  };
  struct Piece {
    Kind kind;
    std::string literal;
  };
  static Kind placeholder(std::string_view name);

  std::vector<Piece> pieces_;
};

}  // namespace gatehouse::serve
