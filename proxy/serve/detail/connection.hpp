#pragma once

#include <memory>
#include <string>

#include "core/http/h1_server.hpp"
#include "core/http/h2_abuse.hpp"
#include "core/tls/tls_stream.hpp"
#include "proxy/serve/admission.hpp"
#include "proxy/serve/connection.hpp"
#include "proxy/serve/detail/streams.hpp"
#include "proxy/serve/detail/transaction.hpp"
#include "proxy/serve/hello.hpp"
#include "proxy/serve/request_facts.hpp"

namespace gatehouse::serve::detail {

/// One client connection: what is known of it from one request to the next, which is all there is
/// of it while it waits for one. Mostly it lives in the frame of serve(). A connection on which
/// nothing comes for a while has its coroutines end and rests: it belongs to its own stream then,
/// which wakes it to begin them anew, or to end.
class Connection final : public net::Sleeper, private http::ServerConnection {
 public:
  Connection(Worker& worker, std::unique_ptr<net::Stream> stream, Arrival arrival);
  ~Connection() override;

  /// Serves `connection` until it is over or rests. A task of the worker's clients.
  static awaitable<void> serve(std::unique_ptr<Connection> connection);

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

  enum class Left : std::uint8_t { over, resting, to_h2 };
  awaitable<Left> serve_h1(std::string& preface);
  void begin_serving(http::ServerConnection& requests);

  // connection_h2.cpp
  struct Http2;
  std::unique_ptr<Http2> make_http2();
  awaitable<Left> serve_h2(std::string early);
  void calm_down(http::H2Abuse abuse);

  // While it rests: connection_resting.cpp.
  static void lay_to_rest(std::unique_ptr<Connection> connection);
  void wake(std::unique_ptr<net::Sleeper> self, Woken why) override;
  void drain() override;
  bool make_way() override;

  bool tls() const { return facts_.tls != nullptr; }
  Entrance entrance() const;

  Worker& worker_;
  std::unique_ptr<net::Stream> stream_;
  std::shared_ptr<const Door> door_;
  LiveConnections::Place place_;
  tls::CertificateHandle served_;
  ConnectionFacts facts_;
  std::shared_ptr<const http::H1ServerSettings> settings_;  // of the snapshot it began with
  http::H1Rest rest_;
  std::unique_ptr<Http2> http2_;  // once it speaks that
  bool begun_ = false;
};

/// What there is of a connection that speaks HTTP/2, from one request to the next.
struct Connection::Http2 {
  Http2(Connection& of, const http::H2ServerWorker& means, const http::H2ServerSettings& settings);
  Streams streams;
  http::H2ServerConnection connection;
};

}  // namespace gatehouse::serve::detail
