#include "core/tls/detail/session.hpp"

#include <new>

#include "core/tls/detail/wiped_memory.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {

using net::IoState;
using net::Want;

void FreeSsl::operator()(ssl_st* ssl) const {
  const WipedMemory wiped;
  SSL_free(ssl);
}

Session::Session(ssl_ctx_st* context, std::unique_ptr<net::Stream> under)
    : wire_(std::make_unique<Wire>(std::move(under))), ssl_(SSL_new(context)) {
  if (!ssl_ || !wire_->attach(ssl_.get())) throw std::bad_alloc();
}

Session::Next Session::shake() {
  const WipedMemory wiped(WipedMemory::From::asked);  // where a ticket is made or read
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return Next::done;
  const int code = SSL_get_error(ssl_.get(), result);
  if (code == SSL_ERROR_WANT_READ) return Next::read;
  if (code == SSL_ERROR_WANT_CLIENT_HELLO_CB) return Next::suspended;
  explain(code);
  return Next::failed;
}

void Session::explain(int code) {
  const Side side = wire_->under().side();
  if (wire_->last_read() == IoState::failed) {
    problem_ = wire_->under().error();
    if (problem_.fault() == Fault::none) problem_ = Error(Fault::io, side, "read failed");
  } else if (wire_->last_read() == IoState::end) {
    problem_ = Error(Fault::closed, side, "closed during the TLS handshake");
  } else {
    const unsigned long last = ERR_peek_last_error();
    const int reason = ERR_GET_LIB(last) == ERR_LIB_SSL ? ERR_GET_REASON(last) : 0;
    plain_http_ = reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST;
    if (plain_http_) {
      problem_ = Error(Fault::bad_message, side, "plain HTTP on a TLS port");
    } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
      turned_ = ServerHandshake::Turned::away;
      problem_ = Error(Fault::denied, side, "no certificate of the client");
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
      const bool old = SSL_get_verify_result(ssl_.get()) == X509_V_ERR_CRL_HAS_EXPIRED;
      turned_ = old ? ServerHandshake::Turned::away_by_old_list : ServerHandshake::Turned::away;
      problem_ = Error(Fault::denied, side,
                       std::string("certificate verify failed: ") +
                           X509_verify_cert_error_string(SSL_get_verify_result(ssl_.get())));
    } else {
      const bool words = code == SSL_ERROR_SSL && last != 0;
      problem_ = Error(Fault::bad_message, side, words ? openssl_problem() : "broken off");
    }
  }
  problem_ = std::move(problem_).within("TLS handshake");
  ERR_clear_error();
}

SessionFacts Session::facts() const {
  SessionFacts out;
  out.version = SSL_get_version(ssl_.get());
  out.cipher = SSL_get_cipher_name(ssl_.get());
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  out.alpn = text(protocol, size);
  out.resumed = SSL_session_reused(ssl_.get()) == 1;
  return out;
}

awaitable<Result<void>> flush(Wire& wire) {
  for (;;) {
    const IoState state = wire.flush();
    if (state == IoState::done) co_return Result<void>();
    if (state == IoState::failed) co_return wire.under().error();
    if (state == IoState::end) {
      co_return Error(Fault::closed, wire.under().side(), "write to an ended stream");
    }
    const Want want = state == IoState::want_read ? Want::read : Want::write;
    auto ready = co_await wire.under().wait(want);
    if (!ready) co_return ready.error();
  }
}

}  // namespace gatehouse::tls::detail
