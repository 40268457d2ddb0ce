#include <doctest/doctest.h>

#include <boost/asio/detached.hpp>

#include "core/http/h1_client.hpp"
#include "tests/core/http/bench.hpp"

namespace h1_client_test {

using namespace gatehouse;
using namespace gatehouse::http;
using namespace gatehouse::test;

namespace {

/// What one exchange brought.
struct Answer {
  int status = 0;
  int interim = 0;
  std::string fields;
  std::string body;
  std::string trailers;
  BodyLength length;
  Error error;
  bool ended = false;
};

struct Question {
  std::string method = "GET";
  std::string body;
  BodyLength length;
  bool websocket = false;
};

/// A client connection whose server is a script.
class ClientBench {
 public:
  ClientBench()
      : pool(32 * 1024),
        server(std::make_shared<Script>()),
        connection(std::make_unique<ScriptedStream>(server, clock, Side::server), pool) {}

  /// Asks; `reply` is what the server sends, and then its end where `ends`.
  Answer ask(const Question& question, std::string_view reply, bool ends = false) {
    server->send(reply);
    if (ends) server->end();
    Answer answer;
    asio::co_spawn(io, exchange(question, answer), asio::detached);
    io.restart();
    io.poll();
    return answer;
  }

  FakeClock clock;
  asio::io_context io;
  net::BufferPool pool;
  std::shared_ptr<Script> server;
  H1ClientConnection connection;

 private:
  awaitable<void> exchange(const Question& question, Answer& answer) {
    RequestHead head;
    head.method = question.method;
    head.path = "/x";
    head.authority = "a.example";
    head.length = question.length;
    head.websocket = question.websocket;
    auto sent = co_await connection.send_head(head);
    if (sent) sent = co_await connection.send_body(question.body, End::last);
    if (!sent) {
      answer.error = sent.error();
      co_return;
    }
    for (;;) {
      auto next = co_await connection.read_head();
      if (!next) {
        answer.error = next.error();
        co_return;
      }
      answer.status = (*next)->status;
      answer.length = (*next)->length;
      if (answer.status >= 200 || answer.status == 101) {
        for (const Field& line : (*next)->fields) {
          answer.fields += std::string(line.name) + "=" + std::string(line.value) + ";";
        }
        break;
      }
      ++answer.interim;
    }
    for (bool last = false; !last;) {
      auto piece = co_await connection.read_body();
      if (!piece) {
        answer.error = piece.error();
        co_return;
      }
      answer.body += piece->bytes;
      last = piece->last;
      if (piece->trailers == nullptr) continue;
      for (const Field& line : *piece->trailers) answer.trailers += std::string(line.name) + ";";
    }
    answer.ended = true;
  }
};

const std::string ok = "HTTP/1.1 200 OK\r\n";

}  // namespace

TEST_CASE("an answer that breaks the protocol is a fault of the server and ends the connection") {
  struct Row {
    std::string name, reply;
  };
  std::string flood;
  for (int i = 0; i < 21; ++i) flood += "HTTP/1.1 103 Early Hints\r\n\r\n";
  const std::vector<Row> rows = {
      {"Transfer-Encoding and Content-Length",
       ok + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"},
      {"Content-Length and Transfer-Encoding",
       ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"two equal Content-Length", ok + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"},
      {"two different Content-Length", ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"},
      {"a list as Content-Length", ok + "Content-Length: 3, 3\r\n\r\nabc"},
      {"a negative Content-Length", ok + "Content-Length: -3\r\n\r\nabc"},
      {"Transfer-Encoding in HTTP/1.0",
       "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"chunked twice", ok + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
      {"101 unasked",
       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
      {"obs-fold", ok + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n"},
      {"bare LF after the status line", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"},
      {"bare LF as the empty line", ok + "Content-Length: 0\r\n\n"},
      {"bare CR after the status line", "HTTP/1.1 200 OK\rX\r\nContent-Length: 0\r\n\r\n"},
      {"space before a colon", ok + "X : a\r\nContent-Length: 0\r\n\r\n"},
      {"an empty name", ok + ": a\r\nContent-Length: 0\r\n\r\n"},
      {"NUL in a value", ok + std::string("X: \0\r\n\r\n", 8)},
      {"a flood of interim answers", flood + ok + "Content-Length: 0\r\n\r\n"},
      {"a head over the limit", ok + "X: " + std::string(70 * 1024, 'x') + "\r\n\r\n"},
      {"600 fields",
       [] {
         std::string text = ok;
         for (int i = 0; i < 600; ++i) text += "X: a\r\n";
         return text + "\r\n";
       }()},
      {"status 99", "HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n"},
      {"status 099", "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"},
      {"status 1000", "HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n"},
      {"HTTP/2", "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n"},
      {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
      {"a bad chunk size", ok + "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n"},
      {"a chunk not ended", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n"},
      {"a trailer with a bare LF", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\n\r\n"},
  };
  for (const Row& row : rows) {
    for (const std::size_t step : {std::size_t{1}, row.reply.size()}) {
      CAPTURE(row.name);
      CAPTURE(step);
      ClientBench bench;
      bench.server->at_most(step);
      const Answer answer = bench.ask({}, row.reply);
      CHECK(answer.error.fault() == Fault::bad_message);
      CHECK(answer.error.side() == Side::server);
      CHECK_FALSE(answer.ended);
      CHECK_FALSE(bench.connection.reusable());
      CHECK(bench.connection.answered());
    }
  }
}

TEST_CASE("an answer is framed by what it says and by what it answers") {
  struct Row {
    std::string name, method, reply, body;
    bool reusable;
  };
  const std::vector<Row> rows = {
      {"counted", "GET", ok + "Content-Length: 3\r\n\r\nabc", "abc", true},
      {"counted, nothing", "GET", ok + "Content-Length: 0\r\n\r\n", "", true},
      {"chunked", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc",
       true},
      {"HEAD with a length", "HEAD", ok + "Content-Length: 3\r\n\r\n", "", true},
      {"HEAD chunked", "HEAD", ok + "Transfer-Encoding: chunked\r\n\r\n", "", true},
      {"HEAD without length", "HEAD", ok + "\r\n", "", true},
      {"204 with a length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", "",
       true},
      {"304 with a length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "",
       true},
      {"204 with body bytes", "GET", "HTTP/1.1 204 No Content\r\n\r\nabc", "", false},
      {"bytes past the answer", "GET", ok + "Content-Length: 3\r\n\r\nabcHTTP/1.1", "abc", false},
      {"close", "GET", ok + "Connection: close\r\nContent-Length: 3\r\n\r\nabc", "abc", false},
      {"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", false},
      {"HTTP/1.0 keep-alive", "GET",
       "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", "abc", true},
      {"no reason phrase", "GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", true},
      {"an empty reason phrase", "GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "", true},
      {"interim answers first", "GET",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok +
           "Content-Length: 3\r\n\r\nabc",
       "abc", true},
  };
  for (const Row& row : rows) {
    for (const std::size_t step : {std::size_t{1}, row.reply.size()}) {
      CAPTURE(row.name);
      CAPTURE(step);
      ClientBench bench;
      bench.server->at_most(step);
      Question question;
      question.method = row.method;
      const Answer answer = bench.ask(question, row.reply);
      CHECK(answer.ended);
      CHECK(answer.body == row.body);
      CHECK(answer.error.fault() == Fault::none);
      CHECK((bench.connection.reusable() && bench.connection.quiet()) == row.reusable);
    }
  }
}

TEST_CASE("until the connection ends: whole, and never to be used again") {
  for (const std::string& head : {ok + "\r\n", ok + "Transfer-Encoding: gzip\r\n\r\n"}) {
    ClientBench bench;
    const Answer answer = bench.ask({}, head + "abc", true);
    CHECK(answer.ended);
    CHECK(answer.body == "abc");
    CHECK_FALSE(bench.connection.reusable());
  }
}

TEST_CASE("a connection whose key has sealed all it may carries no further exchange") {
  ClientBench bench;
  const Answer answer = bench.ask({}, ok + "Content-Length: 3\r\n\r\nabc");
  CHECK(answer.body == "abc");
  CHECK(bench.connection.reusable());
  CHECK(bench.connection.quiet());
  bench.server->wear();
  CHECK_FALSE(bench.connection.reusable());
  CHECK_FALSE(bench.connection.quiet());
}

TEST_CASE("an answer cut at any octet is a fault, not an end") {
  const std::vector<std::string> replies = {
      ok + "Content-Length: 3\r\n\r\nabc",
      ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: v\r\n\r\n",
  };
  for (const std::string& reply : replies) {
    for (std::size_t cut = 0; cut < reply.size(); ++cut) {
      CAPTURE(cut);
      ClientBench ended;
      const Answer early = ended.ask({}, reply.substr(0, cut), true);
      CHECK(early.error.fault() == Fault::closed);
      CHECK(ended.connection.answered() == (cut > 0));
      CHECK_FALSE(ended.connection.reusable());
      ClientBench broken;
      broken.server->cut_reads_after(cut);
      CHECK(broken.ask({}, reply).error.fault() == Fault::closed);
      CHECK_FALSE(broken.connection.reusable());
    }
  }
}

TEST_CASE("a request that cannot be sent to any octet is a fault") {
  Question question;
  question.method = "POST";
  question.body = "abc";
  question.length = BodyLength::counted(3);
  ClientBench whole;
  whole.ask(question, ok + "Content-Length: 0\r\n\r\n");
  const std::size_t size = whole.server->written().size();
  for (std::size_t cut = 0; cut < size; ++cut) {
    CAPTURE(cut);
    ClientBench bench;
    bench.server->cut_writes_after(cut);
    const Answer answer = bench.ask(question, "");
    CHECK(answer.error.fault() == Fault::closed);
    CHECK(bench.connection.bytes_sent() == cut);
    CHECK_FALSE(bench.connection.reusable());
  }
}

TEST_CASE("requests are written with Host first and one framing") {
  struct Row {
    std::string name, method, body;
    BodyLength length;
    std::string written;
  };
  const std::string line = " /x HTTP/1.1\r\nHost: a.example\r\n";
  const std::vector<Row> rows = {
      {"GET", "GET", "", BodyLength::none(), "GET" + line + "\r\n"},
      {"POST without body", "POST", "", BodyLength::none(),
       "POST" + line + "Content-Length: 0\r\n\r\n"},
      {"counted", "PUT", "abc", BodyLength::counted(3),
       "PUT" + line + "Content-Length: 3\r\n\r\nabc"},
      {"streamed", "PUT", "abc", BodyLength::streamed(),
       "PUT" + line + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    ClientBench bench;
    Question question;
    question.method = row.method;
    question.body = row.body;
    question.length = row.length;
    const Answer answer = bench.ask(question, ok + "Content-Length: 0\r\n\r\n");
    CHECK(answer.ended);
    CHECK(bench.server->written() == row.written);
    CHECK(bench.server->writes().size() == 1);
    CHECK(bench.connection.reusable());
  }
}

TEST_CASE("a body that differs from its announced length is our own fault and is not sent whole") {
  ClientBench bench;
  Question question;
  question.method = "PUT";
  question.body = "abcd";
  question.length = BodyLength::counted(3);
  const Answer answer = bench.ask(question, ok + "Content-Length: 0\r\n\r\n");
  CHECK(answer.error.side() == Side::self);
  CHECK_FALSE(bench.connection.reusable());
}

TEST_CASE("a reused connection carries the next exchange") {
  ClientBench bench;
  for (int i = 0; i < 3; ++i) {
    const Answer answer = bench.ask({}, ok + "Content-Length: 1\r\n\r\n" + std::to_string(i));
    CHECK(answer.body == std::to_string(i));
    REQUIRE(bench.connection.reusable());
    CHECK(bench.connection.quiet());
  }
  CHECK(bench.connection.exchanges() == 3);
  SUBCASE("a server that ended it is noticed before the next") { bench.server->end(); }
  SUBCASE("a server that speaks unasked is noticed before the next") {
    bench.server->send("HTTP/1.1 408 Request Timeout\r\n\r\n");
  }
  CHECK_FALSE(bench.connection.quiet());
}

TEST_CASE("an answer with trailers keeps those that may pass") {
  ClientBench bench;
  const Answer answer = bench.ask({}, ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
                                           "X-Sum: 1\r\nContent-Length: 4\r\n\r\n");
  CHECK(answer.body == "a");
  CHECK(answer.trailers == "X-Sum;");
  CHECK(bench.connection.reusable());
}

TEST_CASE("a 101 that was asked for hands over the raw stream") {
  ClientBench bench;
  Question question;
  question.websocket = true;
  const Answer answer = bench.ask(
      question,
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n\r\n\x81");
  CHECK(answer.status == 101);
  CHECK(bench.server->written().find("Upgrade: websocket\r\nConnection: Upgrade\r\n") !=
        std::string::npos);
  CHECK_FALSE(bench.connection.reusable());
  const auto raw = bench.connection.raw();
  CHECK(raw.stream == &bench.connection.stream());
  CHECK(raw.early == "\x81");
}

TEST_CASE("a 101 without its Upgrade fields is refused") {
  ClientBench bench;
  Question question;
  question.websocket = true;
  const Answer answer =
      bench.ask(question, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n");
  CHECK(answer.error.fault() == Fault::bad_message);
}

TEST_CASE("a silent server runs into the caller's deadline") {
  ClientBench bench;
  bench.connection.stream().deadline(Want::read, bench.clock.steady());
  const Answer answer = bench.ask({}, "");
  CHECK(answer.error.fault() == Fault::timeout);
  CHECK(answer.error.side() == Side::server);
  CHECK_FALSE(bench.connection.answered());
  CHECK_FALSE(bench.connection.reusable());
}

}  // namespace h1_client_test
