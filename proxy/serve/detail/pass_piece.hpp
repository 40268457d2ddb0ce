#pragma once

#include "core/http/exchange.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::serve::detail {

/// The trailers that may be passed on.
inline http::Fields permitted_trailers(const http::Fields& trailers) {
  http::Fields out;
  for (const http::Field& line : trailers) {
    if (!http::is_forbidden_trailer(line.name)) out.add(line.name, line.value);
  }
  return out;
}

/// Passes a piece of a body on to the other side, with its trailers where it has any.
template <class Exchange>
awaitable<Result<void>> pass_piece(Exchange& to, http::BodyPiece piece) {
  if (!piece.last || piece.trailers == nullptr) {
    const http::End end = piece.last ? http::End::last : http::End::more;
    auto sent = co_await to.send_body(piece.bytes, end);
    co_return sent;
  }
  if (!piece.bytes.empty()) {
    auto sent = co_await to.send_body(piece.bytes, http::End::more);
    if (!sent) co_return sent.error();
  }
  const http::Fields trailers = permitted_trailers(*piece.trailers);
  auto sent = co_await to.send_trailers(trailers);
  co_return sent;
}

}  // namespace gatehouse::serve::detail
