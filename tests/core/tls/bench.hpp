#pragma once

#include <boost/asio/detached.hpp>
#include <functional>
#include <optional>

#include "core/tls/certificate.hpp"
#include "core/tls/certificate_authority.hpp"
#include "core/tls/handles.hpp"
#include "core/tls/tls_stream.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/result.hpp"
#include "tests/support/scripted_stream.hpp"

namespace gatehouse::tls::test {

using gatehouse::test::FakeClock;
using gatehouse::test::Script;
using gatehouse::test::ScriptedStream;

/// A certificate of a root that lives as long as the test program.
const CertificateAuthority& test_root();
CertificatePointer certificate_for(const std::string& host, KeyType type = KeyType::p256);
CertificateHandle certificates_for(const std::string& host);

/// Who moves the records of a server's end: tests of streams run with each.
struct WithSsl {
  static constexpr bool lean = false;
};
struct Lean {
  static constexpr bool lean = true;
};

/// A server's end of one connection, judged by `answer`.
class ServerEnd final : public HelloJudge {
 public:
  explicit ServerEnd(const RecordLimits& limits = {});

  HelloAnswer judge(const Hello& hello) noexcept override;
  /// Answers with `certificates` under `policy`.
  void serve(std::shared_ptr<const ServerPolicy> policy, CertificateHandle certificates);
  /// Runs the handshake on, once started, as far as what was sent allows.
  void start();
  void settle();

  FakeClock clock;
  asio::io_context io{1};
  std::shared_ptr<Script> script = std::make_shared<Script>();
  std::unique_ptr<ServerHandshake> shake;
  std::optional<Result<ServerHandshake::Step>> step;
  std::function<HelloAnswer(const Hello&)> answer;
  Hello seen;  // without its name
  std::string seen_name;
  int asked = 0;

 private:
  awaitable<void> run();
};

/// A client of OpenSSL's own, on memory, as odd as a test wants it.
class RawClient {
 public:
  RawClient();
  void server_name(const char* name) { SSL_set_tlsext_host_name(ssl.get(), name); }
  void alpn(std::string_view list) {
    SSL_set_alpn_protos(ssl.get(), octets(list), static_cast<unsigned>(list.size()));
  }
  /// Steps both sides until nothing moves. True: the client's handshake is done.
  bool shake(ServerEnd& server);
  /// Moves octets both ways once.
  void exchange(ServerEnd& server);
  /// What the server's stream wrote, decrypted.
  std::string read(ServerEnd& server);
  void write(ServerEnd& server, std::string_view plain);
  std::string alpn_selected() const;
  /// "unrecognized name": the alert that ended the handshake; empty: none.
  std::string alert;
  std::string peer_key() const;

  SslContext context;
  SslHandle ssl;
};

}  // namespace gatehouse::tls::test
