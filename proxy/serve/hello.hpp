#pragma once

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/tls/server_context.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {

struct Door;

/// Decides on one connection's ClientHello, all at once: a CA's probe, the site by its name, the
/// certificate, or that the handshake has to wait for one, or for its turn. Lives as long as the
/// handshake; on the worker.
class SiteJudge final : public tls::HelloJudge {
 public:
  /// Where the connection came in: asked only when the client names no server.
  using LocalAddress = std::function<asio::ip::address()>;
  SiteJudge(Worker& worker, const Door& door, LocalAddress local);

  tls::HelloAnswer judge(const tls::Hello& hello) noexcept override;

  /// The suspended handshake waits for its turn among the worker's, not for a certificate.
  bool postponed() const { return postponed_; }
  /// It has come: good for the next judgement.
  void turn_came() { has_turn_ = true; }
  /// The name whose certificate the suspended handshake waits for.
  const std::string& wanted() const { return wanted_; }
  /// What was obtained for it, for the case that the index has dropped it again already.
  void bring(tls::CertificateHandle certificates) { brought_ = std::move(certificates); }
  /// What was served.
  const tls::CertificateHandle& served() const { return served_; }

 private:
  tls::HelloAnswer probe(const tls::Hello& hello);
  tls::HelloAnswer decide(const tls::Hello& hello);
  /// The certificates at hand for `host`, one of `site`'s.
  tls::CertificateHandle at_hand(const Endpoint& endpoint, const Site& site, std::string_view host);

  Worker& worker_;
  const Door& door_;
  LocalAddress local_;
  bool has_turn_ = false;
  bool postponed_ = false;
  std::string wanted_;
  tls::CertificateHandle brought_;
  tls::CertificateHandle served_;
};

/// TLS alerts that say why there is no handshake (RFC 8446 §6.2).
enum class Alert : std::uint8_t {
  internal_error = 80,
  unrecognized_name = 112,
  no_application_protocol = 120,
};

}  // namespace gatehouse::serve
