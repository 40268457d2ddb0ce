#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/http/h1_server.hpp"
#include "core/http/h2_server.hpp"
#include "core/net/crew.hpp"
#include "core/tls/tls_stream.hpp"
#include "proxy/serve/admission.hpp"
#include "proxy/serve/connection.hpp"
#include "proxy/serve/detail/transaction.hpp"
#include "proxy/serve/hello.hpp"
#include "proxy/serve/request_facts.hpp"

namespace gatehouse::serve::detail {

/// One client connection. Lives in the frame of serve_connection().
class Connection : private http::H2Road {
 public:
  Connection(Worker& worker, std::unique_ptr<net::Stream> stream, Arrival arrival);
  awaitable<void> run();

 private:
  // Everything before the first request: connection_opening.cpp.
  awaitable<bool> begin();
  awaitable<bool> introduce(const Snapshot& snapshot);
  awaitable<bool> shake_hands(Steady deadline);
  awaitable<bool> hand_shaken(tls::ServerHandshake& handshake, SiteJudge& judge, net::Stream& under,
                              Steady deadline);
  awaitable<void> say_why_not(const tls::ServerHandshake& handshake, net::Stream& under);
  awaitable<bool> bring_certificate(tls::ServerHandshake& handshake, SiteJudge& judge);

  // Connections whose TLS may not be ours: connection_passthrough.cpp.
  awaitable<bool> claim(const Snapshot& snapshot, const Endpoint& endpoint, Steady deadline);

  awaitable<void> serve_requests();
  awaitable<std::string> serve_h1();
  awaitable<void> serve_h2(std::string early);
  void begin_serving(http::ServerConnection& requests);
  void calm_down(http::H2Abuse abuse);
  Entrance entrance() const;

  // The streams of an HTTP/2 connection.
  struct Busy {
    explicit Busy(Connection& connection) : place(connection.place_), count(connection.busy_) {
      if (count++ == 0) place.state(LiveConnections::State::busy);
    }
    ~Busy() {
      if (--count == 0) place.state(LiveConnections::State::idle);
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    LiveConnections::Place& place;
    std::size_t& count;
  };
  void request(std::unique_ptr<http::ServerExchange> exchange) override;
  void refused(const http::Refusal& refusal) override;
  awaitable<void> carry(std::unique_ptr<http::ServerExchange> exchange);
  std::unique_ptr<Transaction> make_transaction();
  void rest(std::unique_ptr<Transaction> transaction);

  Worker& worker_;
  std::unique_ptr<net::Stream> stream_;
  Arrival arrival_;
  LiveConnections::Place place_;
  tls::SessionFacts session_;
  tls::CertificateHandle served_;
  bool tls_ = false;
  RequestFacts facts_;              // what is the same for all requests
  net::Crew* under_way_ = nullptr;  // HTTP/2: the transactions
  std::size_t busy_ = 0;            // so many
  std::vector<std::unique_ptr<Transaction>> rested_;
};

}  // namespace gatehouse::serve::detail
