#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "config/model.hpp"
#include "core/http/content_coding.hpp"
#include "core/http/encoder.hpp"
#include "core/net/buffer_pool.hpp"
#include "proxy/serve/handlers/wrapped_exchange.hpp"

namespace gatehouse::serve {

/// What of a worker compressing needs.
struct CompressMeans {
  http::Encoders& encoders;
  net::BufferPool& buffers;
};

/// A route's `compress`: puts the answer into the content coding that the client likes best of
/// those the route offers, where the answer is text that nobody encoded yet. Nothing is held back
/// that the source flushed. Make it before the request is changed for its server: what the client
/// accepts is read once, here.
class CompressedExchange final : public WrappedExchange {
 public:
  CompressedExchange(http::ServerExchange& inner, const CompressMeans& means,
                     std::span<const http::Coding> offered);

  Started<void> start_head(const http::ResponseHead& head) override;
  Started<void> start_body(std::string_view bytes, http::End end) override;
  awaitable<Result<void>> send_trailers(const http::Fields& trailers) override;
  Started<void> start_flush() override;

 private:
  awaitable<Result<void>> send_encoded_head(const http::ResponseHead& head);
  awaitable<Result<void>> send_varying_head(const http::ResponseHead& head);
  awaitable<Result<void>> send_not_modified(const http::ResponseHead& head);
  bool begin(const http::ResponseHead& head);
  awaitable<Result<void>> send_encoded(std::string_view bytes, http::End end);
  awaitable<Result<void>> flush_encoder();
  awaitable<Result<void>> encode(std::string_view bytes, http::Encoder::Until until);
  awaitable<Result<void>> pass_on(http::End end);

  CompressMeans means_;
  http::AcceptedCodings accepted_;
  http::Coding wanted_;
  bool transformable_;            // the request does not forbid it
  std::string_view none_match_;   // the client's If-None-Match, as it came
  http::Encoders::Loan encoder_;  // while a body is encoded
  net::BufferPool::Block block_;  // what came out of it and did not leave yet
  std::size_t held_ = 0;
  bool unflushed_ = false;       // the encoder has taken in what it did not give out yet
  std::size_t since_pause_ = 0;  // octets encoded since others had their turn
};

/// Answers shorter than this are not worth a coding, where their length is known.
inline constexpr std::uint64_t least_compressed_bytes = 1024;

/// Whether an answer with this head may be sent in a content coding, as far as the answer goes.
bool may_be_encoded(const http::ResponseHead& head);

/// The codings that a route's `compress` names.
std::vector<http::Coding> codings_of(const config::Route& route);

}  // namespace gatehouse::serve
