#pragma once

#include "core/http/exchange.hpp"

namespace gatehouse::serve {

/// An exchange around another one: passes everything on as it is. What changes every answer of a
/// route derives from it and overrides the calls it is about, most often send_head(). Lives in
/// run_handlers()'s frame, the exchange it wraps around it.
class WrappedExchange : public http::ServerExchange {
 public:
  explicit WrappedExchange(http::ServerExchange& inner) : inner_(inner) {}

  http::RequestHead& request() override { return inner_.request(); }
  Started<http::BodyPiece> start_read_body() override { return inner_.start_read_body(); }
  void limit_body(std::uint64_t bytes) override { inner_.limit_body(bytes); }
  bool body_finished() const override { return inner_.body_finished(); }
  bool body_at_hand() const override { return inner_.body_at_hand(); }
  bool client_gone() override { return inner_.client_gone(); }

  awaitable<Result<void>> send_informational(const http::ResponseHead& head) override {
    return inner_.send_informational(head);
  }
  Started<void> start_head(const http::ResponseHead& head) override {
    return inner_.start_head(head);
  }
  Started<void> start_body(std::string_view bytes, http::End end) override {
    return inner_.start_body(bytes, end);
  }
  awaitable<Result<void>> send_trailers(const http::Fields& trailers) override {
    return inner_.send_trailers(trailers);
  }
  Started<void> start_flush() override { return inner_.start_flush(); }
  void abort() override { inner_.abort(); }
  void close_after() override { inner_.close_after(); }
  awaitable<Result<Raw>> upgrade(const http::ResponseHead& head) override {
    return inner_.upgrade(head);
  }
  void forget_head() override { inner_.forget_head(); }

  bool head_sent() const override { return inner_.head_sent(); }
  std::uint64_t body_bytes_in() const override { return inner_.body_bytes_in(); }
  std::uint64_t body_bytes_out() const override { return inner_.body_bytes_out(); }

 protected:
  http::ServerExchange& inner() const { return inner_; }

 private:
  http::ServerExchange& inner_;
};

}  // namespace gatehouse::serve
