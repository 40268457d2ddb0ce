#include "proxy/serve/handlers/buffered_request.hpp"

#include "proxy/serve/failure_table.hpp"
#include "proxy/serve/forward.hpp"
#include "proxy/serve/handlers/status.hpp"

namespace gatehouse::serve {

using Kind = http::BodyLength::Kind;

awaitable<Result<void>> BufferedRequest::fill(std::uint64_t most) {
  if (request().length.kind == Kind::none) co_return Result<void>();
  held_ = true;
  while (!whole_ && body_.size() < most) {
    auto piece = co_await inner().read_body();
    if (!piece) co_return piece.error();
    body_ += piece->bytes;
    whole_ = piece->last;
    if (!piece->last || piece->trailers == nullptr) continue;
    for (const http::Field& line : *piece->trailers) trailers_.add_copy(line.name, line.value);
  }
  tell_length();
  co_return Result<void>();
}

/// Trailers need a body without a length: in HTTP/1.1 they follow the last chunk.
void BufferedRequest::tell_length() {
  http::BodyLength& length = request().length;
  if (whole_ && trailers_.empty() && length.kind == Kind::streamed) {
    length = http::BodyLength::counted(body_.size());
  }
}

Started<http::BodyPiece> BufferedRequest::start_read_body() {
  if (!held_) return inner().start_read_body();
  held_ = false;
  http::BodyPiece piece;
  piece.bytes = body_;
  piece.last = whole_;
  if (whole_ && !trailers_.empty()) piece.trailers = &trailers_;
  return Result<http::BodyPiece>(piece);
}

awaitable<void> forward_buffered(Visit& visit) {
  BufferedRequest buffered(visit.exchange);
  const auto filled = co_await buffered.fill(visit.settings().buffer_request);
  if (filled) {
    co_await forward(visit.worker, buffered, visit.route, visit.facts);
    co_return;
  }
  Failure failure;
  failure.fault = filled.error().fault();
  failure.side = filled.error().side();
  const Remedy what = remedy(failure);
  visit.facts.error = filled.error().detail();
  if (what.status == 0) {
    visit.exchange.abort();
    co_return;
  }
  visit.exchange.close_after();
  co_await send_status(visit.exchange, visit.facts, what.status);
}

}  // namespace gatehouse::serve
