#include "proxy/serve/failure_table.hpp"
#include "core/base/contains.hpp"

#include <algorithm>
#include <array>

namespace gatehouse::serve {
namespace {

using Retry = Remedy::Retry;

/// The client itself failed: nobody is asked again.
Remedy client_failed(Fault fault) {
  Remedy answer;
  answer.end_client = true;  // where its next message begins is not known any more
  switch (fault) {
    case Fault::bad_message:
      answer.status = 400;
      break;
    case Fault::limit:
      answer.status = 413;
      break;
    case Fault::timeout:
      answer.status = 408;
      break;
    case Fault::none:
    case Fault::refused:
    case Fault::closed:
    case Fault::denied:
    case Fault::not_found:
    case Fault::io:
      break;  // gone
  }
  return answer;
}

int status_for(Fault fault, Side side) {
  switch (fault) {
    case Fault::timeout:
      return 504;
    case Fault::io:
    case Fault::none:
      return side == Side::self ? 503 : 502;  // out of descriptors or memory: try later
    case Fault::limit:
      return side == Side::self ? 503 : 502;
    case Fault::denied:
    case Fault::refused:
    case Fault::closed:
    case Fault::bad_message:
    case Fault::not_found:
      return 502;
  }
  return 502;
}

/// Whether an attempt that a server may have acted upon can be repeated, and the config wants it.
/// Only silence on a connection that ended says that the request has probably not even been read;
/// whatever else a server does, it may have done the work.
bool may_repeat(const Failure& failure) {
  if (!failure.replayable || !failure.server_left) return false;
  if (failure.answer != 0) return failure.idempotent && failure.retry_on.covers(failure.answer);
  switch (failure.fault) {
    case Fault::closed:
      if (failure.progress == Progress::answering) {
        return failure.idempotent && failure.retry_on.status_502;
      }
      return (failure.idempotent || failure.nothing_written) && failure.retry_on.connect;
    case Fault::timeout:
      return failure.idempotent && failure.retry_on.timeout;
    case Fault::bad_message:
      return failure.idempotent && failure.retry_on.status_502;
    case Fault::none:
    case Fault::refused:
    case Fault::limit:
    case Fault::denied:
    case Fault::not_found:
    case Fault::io:
      return false;
  }
  return false;
}

/// The server closed an idle connection just as we took it: nobody's fault.
bool stale(const Failure& failure) {
  return failure.connection_reused && !failure.retried_stale && failure.fault == Fault::closed &&
         failure.replayable && (failure.idempotent || failure.nothing_written);
}

}  // namespace

Remedy remedy(const Failure& failure) {
  if (failure.side == Side::client) return client_failed(failure.fault);

  Remedy answer;
  answer.status = status_for(failure.fault, failure.side);
  const bool by_server = failure.side == Side::server;
  switch (failure.progress) {
    case Progress::connecting:
      answer.server_failed = by_server;
      answer.counts = by_server;
      if (failure.fault == Fault::limit) return answer;  // nobody is left, or all are busy
      if (failure.server_left && failure.replayable && failure.retry_on.connect) {
        answer.retry = Retry::next_server;
      }
      return answer;

    case Progress::request_sent:
      if (failure.fault == Fault::refused && failure.replayable) {
        // A stream that the server has surely not looked at (RFC 9113 §8.7): any method goes again.
        if (!failure.retried_stale) {
          answer.retry = Retry::fresh_connection;
        } else if (failure.server_left) {
          answer.retry = Retry::next_server;
        }
        return answer;
      }
      if (stale(failure)) {
        answer.retry = Retry::fresh_connection;
        return answer;
      }
      // One that closes on a new connection has likely crashed; one that is slow may be busy.
      answer.server_failed = failure.fault == Fault::closed && by_server;
      answer.counts = by_server;
      if (may_repeat(failure)) answer.retry = Retry::next_server;
      return answer;

    case Progress::answering:
      if (failure.answer != 0) answer.status = failure.answer;
      answer.counts = by_server;
      if (may_repeat(failure)) answer.retry = Retry::next_server;
      return answer;

    case Progress::forwarded:
      answer.status = 0;  // it has a status already: all we can do is to let it see the cut
      answer.end_client = true;
      answer.counts = by_server;
      return answer;
  }
  return answer;
}

bool is_idempotent(std::string_view method) {
  static constexpr std::array<std::string_view, 6> methods = {"GET",   "HEAD", "OPTIONS",
                                                              "TRACE", "PUT",  "DELETE"};
  return contains(methods, method);
}

}  // namespace gatehouse::serve
