#pragma once

#include <string>

#include "proxy/serve/handlers/visit.hpp"
#include "proxy/serve/handlers/wrapped_exchange.hpp"

namespace gatehouse::serve {

/// A route's `buffer_request`: the beginning of a request's body, read before a server is dialled
/// for it, so that a slow client does not hold one. A body that fits whole is told with its length,
/// and can be sent again to another server; what is longer streams on behind its beginning.
class BufferedRequest final : public WrappedExchange {
 public:
  using WrappedExchange::WrappedExchange;

  /// Reads until `most` octets are here or the body is over. Before anything else reads.
  awaitable<Result<void>> fill(std::uint64_t most);

  Started<http::BodyPiece> start_read_body() override;
  bool body_at_hand() const override { return held_ || inner().body_at_hand(); }

 private:
  void tell_length();

  std::string body_;       // stays to the end of the exchange: the piece given out lies in it
  http::Fields trailers_;  // of a body that is here whole
  bool whole_ = false;
  bool held_ = false;  // not given out yet
};

/// forward() behind a BufferedRequest. A client that fails while its body is awaited is answered as
/// the failure table says, and no server hears of it.
awaitable<void> forward_buffered(Visit& visit);

}  // namespace gatehouse::serve
