#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/error.hpp"
#include "proxy/serve/backend/plan.hpp"

namespace gatehouse::serve {

/// How far an attempt to have a request answered had come when it failed.
enum class Progress : std::uint8_t {
  connecting,    // no connection to a server yet: nothing can have been processed
  request_sent,  // octets of the request may have arrived, none of an answer has come back
  answering,     // an answer has begun to come in; nothing of it went to the client
  forwarded,     // the client has seen a part of the answer
};

/// Everything that decides what becomes of a failed attempt.
struct Failure {
  Fault fault = Fault::none;
  Side side = Side::server;
  Progress progress = Progress::connecting;
  bool idempotent = false;         // by its method (RFC 9110 §9.2.2)
  bool replayable = false;         // no body, or all of it still at hand
  bool connection_reused = false;  // it had carried requests before
  bool nothing_written = false;    // not one octet of this request left us
  bool retried_stale = false;      // a reused connection had failed under this request before
  bool server_left = false;        // `retries` allows another attempt
  int answer = 0;                  // the server did answer: with this status, which retry_on names
  backend::RetryOn retry_on;
};

/// What to do about it.
struct Remedy {
  enum class Retry : std::uint8_t {
    no,
    next_server,       // on another server, where there is one
    fresh_connection,  // once more, on a connection that never carried a request
  };
  Retry retry = Retry::no;
  int status = 0;              // for the client, unless retried; 0: nobody to tell, or cut short
  bool end_client = false;     // the client's connection cannot carry another request
  bool server_failed = false;  // pass it over for a while
  bool counts = false;         // towards the server's ejection
};

/// The one place that decides what a client sees when forwarding fails, and whether the request is
/// sent again (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
Remedy remedy(const Failure& failure);

/// GET, HEAD, OPTIONS, TRACE, PUT, DELETE. Methods are case-sensitive.
bool is_idempotent(std::string_view method);

}  // namespace gatehouse::serve
