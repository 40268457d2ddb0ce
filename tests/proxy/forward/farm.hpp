#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/proxy/forward/pair.hpp"

namespace gatehouse::test {

/// One client and several servers that answer whatever comes, each in its own way.
struct Farm {
  Bench bench;
  std::vector<std::unique_ptr<RawServer>> servers;
  std::vector<std::string> answers;  // by server; "": closes, "-": keeps silent
  std::vector<int> asked;            // requests that came to each
  std::shared_ptr<RawSocket> client;

  explicit Farm(std::size_t count) : answers(count, ok), asked(count) {
    for (std::size_t i = 0; i < count; ++i) servers.push_back(std::make_unique<RawServer>());
  }
  /// The config as it stands in bench.backend, with all servers. Edit a copy of the servers in
  /// bench.backend afterwards and call bench.publish() for more.
  void open() {
    std::vector<RawServer*> all;
    for (const auto& server : servers) all.push_back(server.get());
    bench.serve_by(all);
    client = bench.connect();
  }
  void serve() {
    for (std::size_t i = 0; i < servers.size(); ++i) {
      for (const auto& connection : servers[i]->connections) {
        if (!whole_message(connection->received)) continue;
        ++asked[i];
        connection->received.clear();
        if (answers[i].empty()) connection->reset();
        if (answers[i] != "-") connection->send(answers[i]);
      }
    }
  }
  std::string ask(const std::string& request = get) {
    client->received.clear();
    client->send(request);
    bench.until([&] {
      serve();
      return whole_message(client->received);
    });
    bench.settle();
    return client->received;
  }
  void ask_times(int times) {
    for (int i = 0; i < times; ++i) ask();
  }
  /// Which server had the last request of those since `asked` was emptied.
  int only_asked() const {
    int found = -1;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      if (asked[i] > 0) found = found == -1 ? static_cast<int>(i) : -2;
    }
    return found;
  }
  void count_anew() { asked.assign(asked.size(), 0); }
};

}  // namespace gatehouse::test
