// Heads that are read, judged, rewritten for the next hop and written anew, by the functions that
// Gatehouse does it with.
#pragma once

#include <charconv>

#include "core/base/asio.hpp"
#include "core/base/recycling.hpp"
#include "core/http/h1.hpp"
#include "core/http/h1_buffers.hpp"
#include "core/http/header_rules.hpp"
#include "core/net/buffer_pool.hpp"
#include "proxy/serve/forwarded_fields.hpp"

using namespace gatehouse;

namespace {

http::RequestHead request;
http::ResponseHead response;
net::BufferPool blocks;
http::OutputBuffer out(blocks);
serve::Hop hop;

template <class Head>
std::size_t split(std::string_view octets, Head& head) {
  head.fields.clear();
  out.clear();
  return http::split_whole_head(octets, {}, head.fields);
}

void append_fields(const http::Fields& fields) {
  for (const http::Field& line : fields) out.append_field(line.name, line.value);
}

/// Behind the fields: the end of the head, and the body, which has to be there.
std::string_view with_body(const http::BodyLength& length, std::string_view body) {
  if (length.bytes != body.size()) return {};
  out.append("\r\n");
  out.append(body);
  return out.view();
}

}  // namespace

/// What the server is sent for these octets of a client, which are a request.
static std::string_view request_for_server(std::string_view octets, bool secure) {
  const std::size_t size = split(octets, request);
  const http::Scheme scheme = secure ? http::Scheme::https : http::Scheme::http;
  if (size == 0 || http::parse_request_head({octets.substr(0, size), true}, scheme, request)) {
    return {};
  }
  http::remove_hop_by_hop(request.fields, http::Direction::request);
  serve::remove_spoofable(request.fields, false);
  hop.scheme = secure ? "https" : "http";
  hop.authority = request.authority;
  serve::write_forwarded(request.fields, hop);
  out.append_all({request.method, " ", request.path, request.has_query ? "?" : "", request.query,
                  " HTTP/1.1\r\nHost: ", request.authority, "\r\n"});
  append_fields(request.fields);
  if (request.length.bytes > 0) out.append_length(request.length.bytes);
  return with_body(request.length, octets.substr(size));
}

/// The same the other way.
static std::string_view answer_for_client(std::string_view octets) {
  const std::size_t size = split(octets, response);
  if (size == 0 || !http::parse_response_head({octets.substr(0, size), true}, {},
                                              gatehouse::Side::server, response)) {
    return {};
  }
  http::remove_hop_by_hop(response.fields, http::Direction::response);
  std::array<char, 3> status;
  std::to_chars(status.data(), status.data() + status.size(), response.status);
  out.append_all({"HTTP/1.1 ", {status.data(), status.size()}, " ", response.reason, "\r\n"});
  append_fields(response.fields);
  out.append_length(response.length.bytes);
  return with_body(response.length, octets.substr(size));
}
