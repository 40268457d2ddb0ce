#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/net/stream.hpp"
#include "core/tls/client_certificate.hpp"
#include "core/tls/server_context.hpp"

namespace gatehouse::tls {

/// What a finished handshake settled.
struct SessionFacts {
  std::string_view version;  // "TLSv1.3"; OpenSSL's own words, which stay
  std::string_view cipher;   // the same
  std::string alpn;          // empty: none
  std::string sni;
  std::shared_ptr<const std::string> policy_id;  // null: not the server's side
  /// What the client has proved to be, where the policy asks for it; null: nothing.
  std::shared_ptr<const ClientCertificate> client;
  bool resumed = false;
  bool challenge = false;  // it was a CA's tls-alpn-01 probe: close now
};

/// How far the keys of one connection are used.
struct RecordLimits {
  /// Records that one key seals. RFC 8446 §5.5: AES-GCM carries 2^24.5 full ones. TLS 1.3 goes on
  /// with a new key; TLS 1.2 has none, so there the stream is worn() from here on, and fails when a
  /// third more are sealed.
  std::uint64_t sealed_by_key = std::uint64_t{1} << 24;
  /// Handshake messages (KeyUpdate, tickets) taken from a peer that sends no data between them.
  std::uint32_t messages_without_data = 64;
};

/// TLS over another Stream: an `SSL` with a small BIO of our own that reads and writes that stream
/// directly, remembers short reads through it, and sends records in as few writes as can be.
/// The seam between handshake and records: ServerHandshake and connect_tls() shake hands,
/// TlsStream moves records after it.
///
/// A write that answered want_write is to be tried again with the same octets (more may follow
/// them; they may have moved): they are encrypted already. A peer that goes without close_notify
/// is a failure (Fault::closed), never an end.
class TlsStream : public net::Stream {
 public:
  using net::Stream::Stream;
  virtual const SessionFacts& facts() const = 0;
  /// Whether its records are made without an SSL.
  virtual bool lean() const { return false; }
};

/// The session of a stream that connect_tls() or ServerHandshake::finish() gave; null for others.
const SessionFacts* facts_of(const net::Stream& stream);

/// Shakes hands as a server. Own one per connection until done.
class ServerHandshake {
 public:
  /// `judge` outlives the handshake.
  static std::unique_ptr<ServerHandshake> make(std::unique_ptr<net::Stream> under,
                                               HelloJudge& judge, const RecordLimits& limits = {});
  virtual ~ServerHandshake() = default;

  enum class Step : std::uint8_t {
    done,       // take the stream with finish()
    suspended,  // the judge said `wait`: bring what it waits for, then call run() again
  };
  /// Runs until done, suspended or failed. The read deadline of the stream below applies. Errors:
  /// Side::client; the alert has been sent.
  virtual awaitable<Result<Step>> run() = 0;
  /// The name the suspended handshake waits for (valid while suspended).
  virtual const std::string& wanted_name() const = 0;
  /// Ends a suspended handshake with an alert (e.g. unrecognized_name when issuance was denied).
  virtual void refuse(std::uint8_t alert) = 0;
  virtual const SessionFacts& facts() const = 0;
  /// After a failed run(): the client spoke plain HTTP. No alert was sent; under() still takes a
  /// plain answer.
  virtual bool plain_http() const = 0;
  /// After a failed run(): it was for the client's certificate. In TLS 1.3 the client may have gone
  /// on already and hears of it late.
  enum class Turned : std::uint8_t { no, away, away_by_old_list };
  virtual Turned turned_away() const = 0;
  /// After Step::done: the stream that moves records. The handshake is empty then.
  virtual std::unique_ptr<net::Stream> finish() = 0;
  /// The stream below, while the handshake holds it (deadlines, close).
  virtual net::Stream& under() = 0;
};

/// How a client verifies and names itself. Shared, immutable.
class ClientPolicy {
 public:
  struct Settings {
    bool verify = true;
    std::string roots_file;  // PEM; empty: the system's store
    std::string roots_pem;   // the same as a text, in place of the file
    std::vector<std::string> alpn;
    std::shared_ptr<const Certificate> identity;  // shown to a server that asks; null: none
    RecordLimits limits;
  };
  /// Roots that are the system's are read later, by ready(): who never asks a server of the public
  /// Internet never pays for them.
  static Result<std::shared_ptr<const ClientPolicy>> make(const Settings& settings);
  virtual ~ClientPolicy() = default;
  /// Reads the system's roots where the policy goes by them and has not yet; the first handshake
  /// does it otherwise. Tens of milliseconds, once. Any thread.
  virtual Result<void> ready() const = 0;
};

/// Shakes hands as a client for `server_name` (a name: SNI and verification; an IP: verification
/// only). Errors name what failed: "certificate verify failed: self-signed certificate".
/// `alpn`: offered in place of the policy's; empty: the policy's.
awaitable<Result<std::unique_ptr<net::Stream>>> connect_tls(
    std::unique_ptr<net::Stream> under, std::shared_ptr<const ClientPolicy> policy,
    std::string server_name, std::vector<std::string> alpn = {});

}  // namespace gatehouse::tls
