#include "proxy/serve/failure_table.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace failure_table_test {

using namespace gatehouse;
using namespace gatehouse::serve;
using Retry = Remedy::Retry;

namespace {

/// A GET that failed on a new connection, with everything allowed that could save it.
Failure failure(Fault fault, Progress progress) {
  Failure out;
  out.fault = fault;
  out.progress = progress;
  out.idempotent = true;
  out.replayable = true;
  out.server_left = true;
  return out;
}

}  // namespace

TEST_CASE("a stream that its server refused unseen goes again, whatever its method") {
  Failure refused = failure(Fault::refused, Progress::request_sent);
  refused.idempotent = false;
  CHECK(remedy(refused).retry == Retry::fresh_connection);
  CHECK_FALSE(remedy(refused).server_failed);
  refused.retried_stale = true;
  CHECK(remedy(refused).retry == Retry::next_server);
  refused.server_left = false;
  CHECK(remedy(refused).retry == Retry::no);
  CHECK(remedy(refused).status == 502);
  refused.retried_stale = false;
  refused.replayable = false;
  CHECK(remedy(refused).retry == Retry::no);
}

TEST_CASE("the client's own failures are answered once and end its connection") {
  struct Row {
    Fault fault;
    int status;
  };
  for (const Row& row : std::vector<Row>{{Fault::bad_message, 400},
                                         {Fault::timeout, 408},
                                         {Fault::limit, 413},
                                         {Fault::closed, 0}}) {
    for (const Progress progress :
         {Progress::connecting, Progress::request_sent, Progress::answering, Progress::forwarded}) {
      Failure failed = failure(row.fault, progress);
      failed.side = Side::client;
      failed.connection_reused = true;
      const Remedy what = remedy(failed);
      CHECK(what.status == row.status);
      CHECK(what.retry == Retry::no);
      CHECK(what.end_client);
      CHECK_FALSE(what.server_failed);
    }
  }
}

TEST_CASE("a server that cannot be reached is replaced by the next one, whatever the method") {
  for (const bool idempotent : {true, false}) {
    for (const Fault fault : {Fault::refused, Fault::timeout, Fault::not_found, Fault::denied}) {
      Failure failed = failure(fault, Progress::connecting);
      failed.idempotent = idempotent;
      CHECK(remedy(failed).retry == Retry::next_server);
      CHECK(remedy(failed).server_failed);
    }
  }
}

TEST_CASE("without another server an unreachable one shows as 502, a slow one as 504") {
  Failure refused = failure(Fault::refused, Progress::connecting);
  refused.server_left = false;
  CHECK(remedy(refused).retry == Retry::no);
  CHECK(remedy(refused).status == 502);
  Failure slow = failure(Fault::timeout, Progress::connecting);
  slow.server_left = false;
  CHECK(remedy(slow).status == 504);
  Failure unknown = failure(Fault::not_found, Progress::connecting);
  unknown.server_left = false;
  CHECK(remedy(unknown).status == 502);
}

TEST_CASE("our own shortage of descriptors shows as 503 and is not held against the server") {
  Failure failed = failure(Fault::io, Progress::connecting);
  failed.side = Side::self;
  failed.server_left = false;
  CHECK(remedy(failed).status == 503);
  CHECK_FALSE(remedy(failed).server_failed);
}

TEST_CASE("an idempotent request goes once more when an idle connection had been closed") {
  Failure failed = failure(Fault::closed, Progress::request_sent);
  failed.connection_reused = true;
  CHECK(remedy(failed).retry == Retry::fresh_connection);
  CHECK_FALSE(remedy(failed).server_failed);

  SUBCASE("only once") {
    failed.retried_stale = true;
    failed.server_left = false;
    CHECK(remedy(failed).retry == Retry::no);
    CHECK(remedy(failed).status == 502);
  }
  SUBCASE("then on another server") {
    failed.retried_stale = true;
    CHECK(remedy(failed).retry == Retry::next_server);
  }
  SUBCASE("not when its body is gone") {
    failed.replayable = false;
    CHECK(remedy(failed).retry == Retry::no);
    CHECK(remedy(failed).status == 502);
  }
  SUBCASE("not when its method is not idempotent and octets were sent") {
    failed.idempotent = false;
    CHECK(remedy(failed).retry == Retry::no);
    CHECK(remedy(failed).status == 502);
  }
  SUBCASE("but any method when not one octet was sent") {
    failed.idempotent = false;
    failed.nothing_written = true;
    CHECK(remedy(failed).retry == Retry::fresh_connection);
  }
  SUBCASE("even when no other server may be tried") {
    failed.server_left = false;
    CHECK(remedy(failed).retry == Retry::fresh_connection);
  }
}

TEST_CASE("a new connection that closes without an answer is held against the server") {
  Failure failed = failure(Fault::closed, Progress::request_sent);
  CHECK(remedy(failed).retry == Retry::next_server);
  CHECK(remedy(failed).server_failed);
  SUBCASE("a method that is not idempotent goes nowhere else") { failed.idempotent = false; }
  SUBCASE("nor a body that is gone") { failed.replayable = false; }
  SUBCASE("nor anything where retry_on does not name it") { failed.retry_on.connect = false; }
  SUBCASE("nor where no attempt is left") { failed.server_left = false; }
  CHECK(remedy(failed).retry ==
        (failed.idempotent && failed.replayable && failed.retry_on.connect && failed.server_left
             ? Retry::next_server
             : Retry::no));
  CHECK(remedy(failed).status == 502);
}

TEST_CASE("what retry_on names is asked of another server, where the request may be repeated") {
  struct Row {
    const char* what;
    Fault fault;
    Progress progress;
    int answer;
    backend::RetryOn named;
  };
  backend::RetryOn timeout;
  timeout.timeout = true;
  backend::RetryOn bad;
  bad.status_502 = true;
  backend::RetryOn busy;
  busy.status_503 = true;
  backend::RetryOn late;
  late.status_504 = true;
  for (const Row& row : std::vector<Row>{
           {"silence", Fault::timeout, Progress::request_sent, 0, timeout},
           {"garbage", Fault::bad_message, Progress::answering, 0, bad},
           {"half a head", Fault::closed, Progress::answering, 0, bad},
           {"a 502", Fault::refused, Progress::answering, 502, bad},
           {"a 503", Fault::refused, Progress::answering, 503, busy},
           {"a 504", Fault::refused, Progress::answering, 504, late},
       }) {
    CAPTURE(row.what);
    Failure failed = failure(row.fault, row.progress);
    failed.answer = row.answer;
    CHECK(remedy(failed).retry == Retry::no);
    failed.retry_on = row.named;
    CHECK(remedy(failed).retry == Retry::next_server);
    CHECK(remedy(failed).counts);
    Failure post = failed;
    post.idempotent = false;
    CHECK(remedy(post).retry == Retry::no);
    Failure gone = failed;
    gone.replayable = false;
    CHECK(remedy(gone).retry == Retry::no);
    Failure last = failed;
    last.server_left = false;
    CHECK(remedy(last).retry == Retry::no);
    if (row.answer != 0) CHECK(remedy(last).status == row.answer);
  }
}

TEST_CASE("where no server is left, or all are busy, nothing is asked again") {
  Failure failed = failure(Fault::limit, Progress::connecting);
  failed.side = Side::self;
  CHECK(remedy(failed).retry == Retry::no);
  CHECK(remedy(failed).status == 503);
  CHECK_FALSE(remedy(failed).counts);
}

TEST_CASE("a server that does not answer in time may be at work, so nobody else is asked") {
  Failure failed = failure(Fault::timeout, Progress::request_sent);
  failed.connection_reused = true;
  CHECK(remedy(failed).retry == Retry::no);
  CHECK(remedy(failed).status == 504);
}

TEST_CASE("an answer that breaks the protocol, or breaks off, is a 502") {
  for (const Fault fault : {Fault::bad_message, Fault::closed, Fault::limit}) {
    Failure failed = failure(fault, Progress::answering);
    failed.connection_reused = true;
    CHECK(remedy(failed).retry == Retry::no);
    CHECK(remedy(failed).status == 502);
  }
}

TEST_CASE("once the client has seen a part of the answer, all that is left is to cut it") {
  for (const Fault fault : {Fault::timeout, Fault::closed, Fault::bad_message, Fault::limit}) {
    Failure failed = failure(fault, Progress::forwarded);
    failed.connection_reused = true;
    failed.nothing_written = true;
    const Remedy what = remedy(failed);
    CHECK(what.retry == Retry::no);
    CHECK(what.status == 0);
    CHECK(what.end_client);
  }
}

TEST_CASE("methods are idempotent by RFC 9110 and in capitals only") {
  for (const char* method : {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}) {
    CHECK(is_idempotent(method));
  }
  for (const char* method : {"POST", "PATCH", "CONNECT", "get", "", "PURGE"}) {
    CHECK_FALSE(is_idempotent(method));
  }
}

}  // namespace failure_table_test
