#include "proxy/serve/template.hpp"

#include "proxy/serve/request_facts.hpp"

namespace gatehouse::serve {
namespace {

/// An IPv6 literal stands in brackets wherever a host is part of a URL.
void append_host(std::string& out, std::string_view host) {
  const bool literal = host.find(':') != std::string_view::npos;
  if (literal) out += '[';
  out += host;
  if (literal) out += ']';
}

/// Nothing for a client that has shown no certificate.
void append_client(std::string& out, const RequestFacts& facts,
                   std::string tls::ClientCertificate::*field) {
  if (facts.tls && facts.tls->client) out += *facts.tls->client.*field;
}

}  // namespace

Template::Kind Template::placeholder(std::string_view name) {
  if (name == "host") return Kind::host;
  if (name == "path") return Kind::path;
  if (name == "query") return Kind::query;
  if (name == "?query") return Kind::question_query;
  if (name == "scheme") return Kind::scheme;
  if (name == "client_ip") return Kind::client_ip;
  if (name == "request_id") return Kind::request_id;
  if (name == "tls.sni") return Kind::sni;
  if (name == "tls.client_subject") return Kind::client_subject;
  if (name == "tls.client_issuer") return Kind::client_issuer;
  if (name == "tls.client_serial") return Kind::client_serial;
  if (name == "tls.client_fingerprint") return Kind::client_fingerprint;
  if (name == "tls.client_san") return Kind::client_san;
  return Kind::literal;
}

Template::Template(std::string_view text) {
  std::string literal;
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    const std::size_t close = text.find('}', open);
    if (open == std::string_view::npos || close == std::string_view::npos) break;
    const Kind kind = placeholder(text.substr(open + 1, close - open - 1));
    literal += text.substr(0, open);
    if (kind == Kind::literal) {
      literal += '{';
      text.remove_prefix(open + 1);
      continue;
    }
    if (!literal.empty()) pieces_.push_back({Kind::literal, std::move(literal)});
    literal.clear();
    pieces_.push_back({kind, {}});
    text.remove_prefix(close + 1);
  }
  literal += text;
  if (!literal.empty()) pieces_.push_back({Kind::literal, std::move(literal)});
}

void Template::write(std::string& out, const http::RequestHead& request,
                     const RequestFacts& facts) const {
  for (const Piece& piece : pieces_) {
    switch (piece.kind) {
      case Kind::literal:
        out += piece.literal;
        break;
      case Kind::host:
        append_host(out, request.host);
        break;
      case Kind::path:
        out += request.path;
        break;
      case Kind::query:
        out += request.query;
        break;
      case Kind::question_query:
        if (request.has_query) out.append("?").append(request.query);
        break;
      case Kind::scheme:
        out += facts.scheme();
        break;
      case Kind::client_ip:
        out += facts.client_ip.to_string();
        break;
      case Kind::request_id:
        out += facts.id;
        break;
      case Kind::sni:
        if (facts.tls) out += facts.tls->sni;
        break;
      case Kind::client_subject:
        append_client(out, facts, &tls::ClientCertificate::subject);
        break;
      case Kind::client_issuer:
        append_client(out, facts, &tls::ClientCertificate::issuer);
        break;
      case Kind::client_serial:
        append_client(out, facts, &tls::ClientCertificate::serial);
        break;
      case Kind::client_fingerprint:
        append_client(out, facts, &tls::ClientCertificate::fingerprint);
        break;
      case Kind::client_san:
        append_client(out, facts, &tls::ClientCertificate::san);
        break;
    }
  }
}

std::string Template::text(const http::RequestHead& request, const RequestFacts& facts) const {
  std::string out;
  write(out, request, facts);
  return out;
}

const std::string* Template::fixed() const {
  static const std::string nothing;
  if (pieces_.empty()) return &nothing;
  const bool literal = pieces_.size() == 1 && pieces_.front().kind == Kind::literal;
  return literal ? &pieces_.front().literal : nullptr;
}

bool Template::begins_with_path() const {
  return !pieces_.empty() && pieces_.front().kind == Kind::path;
}

}  // namespace gatehouse::serve
