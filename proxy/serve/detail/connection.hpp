#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "core/http/h1_server.hpp"
#include "core/tls/tls_stream.hpp"
#include "proxy/serve/admission.hpp"
#include "proxy/serve/connection.hpp"
#include "proxy/serve/hello.hpp"
#include "proxy/serve/request_facts.hpp"

namespace gatehouse::serve::detail {

/// One client connection. Lives in the frame of serve_connection().
class Connection {
 public:
  Connection(Worker& worker, std::unique_ptr<net::Stream> stream, Arrival arrival);
  awaitable<void> run();

 private:
  // Everything before the first request: connection_opening.cpp.
  awaitable<bool> begin();
  awaitable<bool> introduce(const Snapshot& snapshot);
  awaitable<bool> shake_hands(config::Duration patience);
  awaitable<bool> hand_shaken(tls::ServerHandshake& handshake, SiteJudge& judge, net::Stream& under,
                              Steady deadline);
  awaitable<bool> bring_certificate(tls::ServerHandshake& handshake, SiteJudge& judge);

  awaitable<void> serve_requests();
  awaitable<void> answer(http::ServerExchange& exchange);
  awaitable<void> send(http::ServerExchange& exchange, const Admission& admission);
  void begin_request(const http::RequestHead& request, const Snapshot& snapshot);
  void end_request(const http::RequestHead& request);
  void refused_head(const http::Refusal& refusal);
  Entrance entrance() const;

  Worker& worker_;
  std::unique_ptr<net::Stream> stream_;
  Arrival arrival_;
  LiveConnections::Place place_;
  tls::SessionFacts session_;
  tls::CertificateHandle served_;
  bool tls_ = false;
  RequestFacts facts_;
  std::array<char, 32> id_;
  std::string path_room_;
};

}  // namespace gatehouse::serve::detail
