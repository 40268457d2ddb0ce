#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/tls/tls_stream.hpp"
#include "proxy/serve/live_connections.hpp"
#include "proxy/serve/path_edits.hpp"

namespace gatehouse::serve {

class Snapshot;
struct Site;
struct Route;

/// What is the same for all requests of a connection.
struct ConnectionFacts {
  asio::ip::address peer;  // other end of the connection, or the PROXY header's source
  std::uint16_t peer_port = 0;
  std::uint16_t listener_port = 0;  // the port the client used, as far as we see; 0 on unix sockets
  std::optional<asio::ip::address> told_local;  // the address it used, where a PROXY header told it
  const tls::SessionFacts* tls = nullptr;       // null: plain HTTP
  const LiveConnections::Place* place = nullptr;
};

/// What is known of one request besides the request: who asks, where it came in, where it goes and
/// how it went. Filled from the top down as the request walks the road; read by handlers, header
/// rules, the access log and the counters. Cleared between requests.
struct RequestFacts : ConnectionFacts {
  // --- the request
  std::string_view id;          // 32 hex digits, or what a trusted proxy gave it
  asio::ip::address client_ip;  // `peer`, or what trusted proxies say about it
  bool peer_trusted = false;    // `peer` is one of trusted_proxies
  Steady began;
  Wall began_wall;                     // set for a line of the access log only
  bool cleaned = false;                // clean_request() was here
  const Snapshot* snapshot = nullptr;  // held by the connection until the request is logged
  const Site* site = nullptr;          // null: no site for the host
  const Route* route = nullptr;        // null: no route in the site
  std::string_view user_agent;         // as the client sent them, for the log; the fields
  std::string_view referer;            // may be changed on the road
  std::optional<Target> asked;         // path and query as they came, once they are changed

  // --- how it went: written by whoever answers
  int status = 0;              // what the client was sent; 0: nothing
  std::uint64_t bytes_in = 0;  // of bodies
  std::uint64_t bytes_out = 0;
  std::string_view rejected;  // why we refused it ourselves: a label of gatehouse_rejected_total
  std::string error;          // for the log only, never shown to a client
  bool own_answer = false;    // a refusal or an error of our making

  // --- how it went, where it was forwarded: written by forward()
  std::string_view backend;          // name of the pool; lives in the snapshot
  std::string server;                // the server that answered, as written in the config
  unsigned attempts = 0;             // servers tried
  bool reused = false;               // over a connection that had carried requests before
  Steady::duration backend_time{0};  // from the first dial to the response head
  bool tunnel = false;               // switched protocols, or passed through
  bool passed_through = false;       // TLS that is not ours: no request was ever seen

  std::string own_words;  // what leave_head() copied

  /// Empties what belongs to the request and keeps the connection's part.
  void next_request();
  /// Copies what points into the request's head, which may go then.
  void leave_head();
  bool secure() const { return tls != nullptr; }
  std::string_view scheme() const { return secure() ? "https" : "http"; }
};

}  // namespace gatehouse::serve
