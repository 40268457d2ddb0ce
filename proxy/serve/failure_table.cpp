#include "proxy/serve/failure_table.hpp"

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

bool may_try_again(const Failure& failure) {
  // A server that breaks the protocol or lets us wait may have done the work: only silence on a
  // connection that ended says that it has probably not even read the request.
  return failure.fault == Fault::closed && failure.replayable;
}

}  // namespace

Remedy remedy(const Failure& failure) {
  if (failure.side == Side::client) return client_failed(failure.fault);

  Remedy answer;
  answer.status = status_for(failure.fault, failure.side);
  switch (failure.progress) {
    case Progress::connecting:
      answer.server_failed = failure.side == Side::server;
      if (failure.server_left && failure.replayable) answer.retry = Retry::next_server;
      return answer;

    case Progress::request_sent:
      if (failure.connection_reused && !failure.retried_stale && may_try_again(failure) &&
          (failure.idempotent || failure.nothing_written)) {
        answer.retry = Retry::fresh_connection;  // the server closed an idle connection: no fault
        return answer;
      }
      // One that closes on a new connection has likely crashed; one that is slow may be busy.
      answer.server_failed = failure.fault == Fault::closed && failure.side == Side::server;
      if (failure.nothing_written && failure.server_left && may_try_again(failure)) {
        answer.retry = Retry::next_server;
      }
      return answer;

    case Progress::answering:
      return answer;

    case Progress::forwarded:
      answer.status = 0;  // it has a status already: all we can do is to let it see the cut
      answer.end_client = true;
      return answer;
  }
  return answer;
}

bool is_idempotent(std::string_view method) {
  static constexpr std::array<std::string_view, 6> methods = {"GET",   "HEAD", "OPTIONS",
                                                              "TRACE", "PUT",  "DELETE"};
  return std::find(methods.begin(), methods.end(), method) != methods.end();
}

}  // namespace gatehouse::serve
