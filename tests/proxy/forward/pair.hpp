#pragma once

#include <string>
#include <utility>

#include "tests/proxy/forward/bench.hpp"

namespace gatehouse::test {

inline const std::string get = "GET /a%2Fb?x=1&y=%20 HTTP/1.1\r\nHost: shop.example\r\n\r\n";
inline const std::string small_post =
    "POST /order HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello";
inline const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// One client, one server, and the steps that most tests of forwarding share.
struct Pair {
  Bench bench;
  RawServer server;
  std::shared_ptr<RawSocket> client;

  Pair() {
    bench.serve_by({&server});
    client = bench.connect();
  }
  /// The `index`-th connection to the server, once it has come.
  RawSocket& at_server(std::size_t index = 0) {
    bench.until([&] { return server.connections.size() > index; });
    return *server.connections[index];
  }
  /// Waits for a whole request on that connection and takes it.
  std::string request(std::size_t index = 0) {
    RawSocket& connection = at_server(index);
    bench.until([&] { return whole_message(connection.received); });
    return std::exchange(connection.received, {});
  }
  std::string answer() {
    bench.until([&] { return whole_message(client->received); });
    return std::exchange(client->received, {});
  }
  std::string ask(const std::string& request_text, const std::string& answer_text,
                  std::size_t index = 0) {
    client->send(request_text);
    request(index);
    server.connections[index]->send(answer_text);
    return answer();
  }
};

inline std::string body_of(const std::string& message) {
  return message.substr(message.find("\r\n\r\n") + 4);
}

}  // namespace gatehouse::test
