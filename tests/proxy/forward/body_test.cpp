// Bodies and trailers both ways, and who waits for whom.

#include "tests/proxy/forward/pair.hpp"

namespace body_test {

using namespace gatehouse;
using namespace gatehouse::test;

// --- back-pressure

TEST_CASE("a server is read no faster than its client takes the answer") {
  Pair pair;
  const std::size_t whole = 64 * 1024 * 1024;
  pair.client->stop_reading();
  pair.client->send(get);
  pair.request();
  RawSocket& server = pair.at_server();
  server.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(whole) + "\r\n\r\n" +
              std::string(whole, 'x'));
  pair.bench.settle();
  CHECK(server.sent() < whole / 2);  // what the kernel's buffers on the way hold
  pair.client->read_again();
  pair.bench.until([&] { return whole_message(pair.client->received); });
  CHECK(body_of(pair.client->received).size() == whole);
}

TEST_CASE("a client is read no faster than the server takes the request") {
  Pair pair;
  const std::size_t whole = 64 * 1024 * 1024;
  pair.client->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(whole) +
                    "\r\n\r\n");
  RawSocket& server = pair.at_server();
  server.stop_reading();
  pair.client->send(std::string(whole, 'x'));
  pair.bench.settle();
  CHECK(pair.client->sent() < whole / 2);
  server.read_again();
  CHECK(body_of(pair.request()).size() == whole);
  server.send(ok);
  CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
  pair.bench.settle();
  CHECK(pair.bench.pool()->idle() == 1);
}

TEST_CASE("a server that takes nothing of a request for too long makes a 504") {
  Pair pair;
  const std::size_t whole = 64 * 1024 * 1024;
  pair.client->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(whole) +
                    "\r\n\r\n");
  pair.at_server().stop_reading();
  pair.client->send(std::string(whole, 'x'));
  pair.bench.settle();
  pair.bench.advance(61s);
  pair.bench.until([&] { return !pair.bench.outcomes.empty(); });
  CHECK(pair.bench.outcomes[0].status == 504);
}

// --- bodies

TEST_CASE("a body without a length goes on in chunks, with its trailers") {
  Pair pair;
  pair.client->send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n");
  RawSocket& server = pair.at_server();
  pair.bench.until([&] { return server.received.find("abc") != std::string::npos; });
  pair.client->send("2\r\nde\r\n0\r\nX-Sum: 7\r\nAuthorization: stolen\r\n\r\n");
  pair.bench.until([&] {
    return server.received.ends_with("\r\n\r\n") &&
           server.received.find("0\r\n", 60) != std::string::npos;
  });
  CHECK(field_of(server.received, "Transfer-Encoding") == "chunked");
  CHECK(field_of(server.received, "Content-Length").empty());
  CHECK(server.received.find("X-Sum: 7\r\n") != std::string::npos);
  CHECK(server.received.find("stolen") == std::string::npos);
  CHECK(server.received.find(";x=1") == std::string::npos);
  server.send(ok);
  CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
}

TEST_CASE("trailers of an answer reach only clients that asked for them") {
  Pair pair;
  const std::string trailed =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n"
      "Set-Cookie: a=b\r\n\r\n";
  SUBCASE("asked") {
    pair.client->send("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    CHECK(field_of(pair.request(), "TE") == "trailers");
    pair.at_server().send(trailed);
    const std::string answer = pair.answer();
    CHECK(answer.find("X-Sum: 7\r\n") != std::string::npos);
    CHECK(answer.find("Set-Cookie") == std::string::npos);
  }
  SUBCASE("not asked") {
    pair.client->send(get);
    CHECK(field_of(pair.request(), "TE").empty());
    pair.at_server().send(trailed);
    CHECK(pair.answer().ends_with("0\r\n\r\n"));
  }
}

TEST_CASE("a client that waits for 100 Continue is told to go on once a server is there") {
  Pair pair;
  pair.client->send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  pair.bench.until([&] { return pair.client->received == "HTTP/1.1 100 Continue\r\n\r\n"; });
  CHECK(pair.server.connections.size() == 1);
  pair.client->received.clear();
  pair.client->send("hello");
  const std::string request = pair.request();
  CHECK(field_of(request, "Expect").empty());
  CHECK(body_of(request) == "hello");
  pair.at_server().send("HTTP/1.1 100 Continue\r\n\r\n" + ok);
  CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
}

TEST_CASE("without a server a client that waits for 100 Continue gets the final answer at once") {
  Pair pair;
  pair.server.stop_listening();
  pair.client->send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  const std::string answer = pair.answer();
  CHECK(answer.starts_with("HTTP/1.1 502 "));
  CHECK(field_of(answer, "Connection") == "close");
}

TEST_CASE("an answer that comes before the body's end is passed on and ends both connections") {
  Pair pair;
  pair.client->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst");
  RawSocket& server = pair.at_server();
  pair.bench.until([&] { return server.received.ends_with("first"); });
  server.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
  const std::string answer = pair.answer();
  CHECK(answer.starts_with("HTTP/1.1 413 "));
  CHECK(field_of(answer, "Connection") == "close");
  pair.bench.until([&] { return server.ended(); });
  CHECK(pair.bench.pool()->idle() == 0);
}

TEST_CASE("a server that answers and breaks off while it is sent a body is still heard") {
  Pair pair;
  pair.client->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\nfirst");
  RawSocket& server = pair.at_server();
  pair.bench.until([&] { return server.received.ends_with("first"); });
  server.send("HTTP/1.1 400 Bad\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad");
  server.move();
  server.close();  // with octets of ours unread: the kernel sends a RST after the answer
  pair.client->send(std::string(2'000'000, 'x'));
  CHECK(pair.answer().starts_with("HTTP/1.1 400 "));
}

TEST_CASE("a body over the limit is a 413 and the server is not left with half of it") {
  Pair pair;
  pair.bench.body_limit = 10;
  auto client = pair.bench.connect();
  client->send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "8\r\nabcdefgh\r\n");
  RawSocket& server = pair.at_server();
  pair.bench.until([&] { return server.received.find("abcdefgh") != std::string::npos; });
  client->send("8\r\nabcdefgh\r\n0\r\n\r\n");
  pair.bench.until([&] { return whole_message(client->received); });
  CHECK(client->received.starts_with("HTTP/1.1 413 "));
  pair.bench.until([&] { return server.ended(); });
  CHECK_FALSE(server.received.ends_with("0\r\n\r\n"));
}

TEST_CASE("a client that breaks off its upload leaves the server with a broken request") {
  Pair pair;
  pair.client->send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  RawSocket& server = pair.at_server();
  pair.bench.until([&] { return server.received.find("abc") != std::string::npos; });
  SUBCASE("by a RST") { pair.client->reset(); }
  SUBCASE("by a FIN") { pair.client->finish(); }
  SUBCASE("by a chunk that is none") { pair.client->send("zz\r\n"); }
  pair.bench.until([&] { return server.ended(); });
  CHECK(server.received.find("0\r\n\r\n") == std::string::npos);
  pair.bench.until([&] { return pair.bench.outcomes.size() == 1; });
  CHECK(pair.bench.pool()->idle() == 0);
}

}  // namespace body_test
