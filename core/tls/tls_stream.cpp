#include "core/tls/tls_stream.hpp"

#include <algorithm>

#include "core/tls/detail/record_stream.hpp"
#include "core/tls/detail/session.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls {
namespace detail {
namespace {

using net::IoResult;
using net::IoState;

/// Moves records with the SSL that shook hands.
class SslRecords final : public RecordStream {
 public:
  SslRecords(Session session, SessionFacts facts, std::shared_ptr<const void> held,
             const RecordLimits& limits)
      : RecordStream(session.wire().under().side(), std::move(facts)),
        held_(std::move(held)),
        session_(std::move(session)),
        limits_(limits),
        renewable_(SSL_version(session_.ssl()) >= TLS1_3_VERSION) {
    SSL_set_ex_data(session_.ssl(), place(), this);
    SSL_set_info_callback(session_.ssl(), on_step);
  }

  IoResult try_read(std::span<char> into) override;
  IoResult try_write(std::string_view from) override;
  void shutdown_write() override;
  bool pending() const override;
  bool silent() override;
  bool known_silent() const override {
    return !read_over() && !broken() && !pending() && under().known_silent();
  }
  bool worn() const override { return !renewable_ && sealed_ >= limits_.sealed_by_key; }

 private:
  net::Stream& under() const override { return session_.wire().under(); }
  IoState after_read(int code);
  /// Where an SSL remembers its SslRecords; its app data belongs to the handshake.
  static int place() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
  }
  static void on_step(const SSL* ssl, int where, int value) noexcept;
  bool renew_key();

  std::shared_ptr<const void> held_;
  Session session_;
  RecordLimits limits_;
  bool renewable_;              // TLS 1.3
  std::uint64_t sealed_ = 0;    // records, by the key in use
  std::uint32_t messages_ = 0;  // handshake messages since the last data
};

/// Called within OpenSSL at each step of a handshake, so never for data. These states are passed
/// once for each message that may come after it.
void SslRecords::on_step(const SSL* ssl, int where, int) noexcept {
  if ((where & SSL_CB_LOOP) == 0) return;
  const OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);
  if (state != TLS_ST_SR_KEY_UPDATE && state != TLS_ST_CR_KEY_UPDATE &&
      state != TLS_ST_CR_SESSION_TICKET) {
    return;
  }
  // Each costs us a key and many fit into one read, which goes on as long as some come.
  auto* self = static_cast<SslRecords*>(SSL_get_ex_data(ssl, place()));
  if (++self->messages_ > self->limits_.messages_without_data) self->session_.wire().end_reading();
}

/// Before the key has sealed more than it should. False: there is no going on.
bool SslRecords::renew_key() {
  if (!renewable_) return sealed_ < limits_.sealed_by_key + limits_.sealed_by_key / 3;
  SSL* const ssl = session_.ssl();
  sealed_ = 0;
  // The second call sends the message at once.
  return SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1;
}

IoResult SslRecords::try_read(std::span<char> into) {
  if (read_over()) return read_end();
  if (broken()) return dead();
  SSL* const ssl = session_.ssl();
  std::size_t total = 0;
  IoState state = IoState::done;
  ERR_clear_error();
  while (total < into.size()) {
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl, into.data() + total, into.size() - total, &got);
    total += got;
    if (got > 0) messages_ = 0;
    if (result != 1) {
      state = after_read(SSL_get_error(ssl, result));
      break;
    }
    if (SSL_has_pending(ssl) == 0) break;
  }
  // A KeyUpdate or an alert may have been answered; what does not leave now goes with what is
  // written next.
  session_.wire().flush();
  // What was read before the end is delivered first.
  if (state == IoState::end || state == IoState::failed) end_reads(state);
  if (total > 0) return {IoState::done, total};
  return {state, 0};
}

IoState SslRecords::after_read(int code) {
  switch (code) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return session_.wire().last_read() == IoState::want_write ? IoState::want_write
                                                                : IoState::want_read;
    case SSL_ERROR_ZERO_RETURN:
      return IoState::end;
    default:
      break;
  }
  break_down();
  if (session_.wire().reading_ended()) {
    fail(Fault::limit, "TLS: too many handshake messages without data");
  } else if (session_.wire().last_read() == IoState::failed) {
    fail(under().error());
  } else if (session_.wire().last_read() == IoState::end) {
    fail_cut_short();
  } else {
    fail(Fault::bad_message, "TLS: " + openssl_problem());
  }
  ERR_clear_error();
  return IoState::failed;
}

IoResult SslRecords::try_write(std::string_view from) {
  if (!takes_writes()) return dead();
  Wire& wire = session_.wire();
  if (encrypted() > 0) return sent(wire.flush(), encrypted());
  if (from.empty()) return {IoState::done, 0};
  SSL* const ssl = session_.ssl();
  std::size_t total = 0;
  const std::size_t most = std::min(from.size(), most_at_once);
  ERR_clear_error();
  while (total < most) {
    if (sealed_ >= limits_.sealed_by_key && !renew_key()) {
      break_down();
      fail(Fault::limit, "TLS: the connection's key has sealed all it may");
      wire.flush();
      return dead();
    }
    std::size_t put = 0;
    if (SSL_write_ex(ssl, from.data() + total, most - total, &put) != 1) {
      // The wire takes everything, so this is no "not yet".
      break_down();
      fail(Fault::bad_message, "TLS: " + openssl_problem());
      wire.flush();
      return dead();
    }
    total += put;
    ++sealed_;  // SSL_MODE_ENABLE_PARTIAL_WRITE: each call seals one record
  }
  return sent(wire.flush(), total);
}

bool SslRecords::pending() const {
  if (read_over()) return true;  // the end itself is to be delivered
  return !broken() && (session_.wire().has_ahead() || SSL_has_pending(session_.ssl()) == 1);
}

/// Session tickets and key updates may come whenever the server likes (RFC 8446 §4.6), long after
/// the handshake: octets on the socket alone say nothing about the stream.
bool SslRecords::silent() {
  SSL* const ssl = session_.ssl();
  for (int peek = 0; peek < most_peeks; ++peek) {
    if (read_over() || broken()) return false;
    if (!pending() && under().silent()) return true;
    char octet = 0;
    std::size_t got = 0;
    ERR_clear_error();
    const int result = SSL_peek_ex(ssl, &octet, 1, &got);
    if (result == 1) return false;
    const IoState state = after_read(SSL_get_error(ssl, result));
    session_.wire().flush();
    if (state == IoState::end || state == IoState::failed) end_reads(state);
  }
  return false;  // too much of it, or half a record that may become anything
}

void SslRecords::shutdown_write() {
  if (shut()) return;
  shut_down();
  if (!broken()) {
    ERR_clear_error();
    SSL_shutdown(session_.ssl());
    ERR_clear_error();
    session_.wire().flush();
  }
  under().shutdown_write();
}

}  // namespace

std::unique_ptr<TlsStream> make_records(Session session, SessionFacts facts,
                                        std::shared_ptr<const void> held,
                                        const RecordLimits& limits) {
  return std::make_unique<SslRecords>(std::move(session), std::move(facts), std::move(held),
                                      limits);
}

}  // namespace detail

const SessionFacts* facts_of(const net::Stream& stream) {
  const auto* tls = dynamic_cast<const TlsStream*>(&stream);
  return tls != nullptr ? &tls->facts() : nullptr;
}

}  // namespace gatehouse::tls
