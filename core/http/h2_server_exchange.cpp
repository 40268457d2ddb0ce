#include "core/http/h2_server_exchange.hpp"

namespace gatehouse::http {

H2ServerExchange::H2ServerExchange(H2ServerConnection& connection, const H2ServerSettings& settings)
    : H2Stream(connection, Side::client,
               H2Pace{settings.read_idle, settings.write_idle, settings.min_rate}),
      body_limit_(settings.body_bytes == 0 ? std::numeric_limits<std::uint64_t>::max()
                                           : settings.body_bytes) {
  on_loss(H2Code::internal_error);
}

H2ServerConnection* H2ServerExchange::server() const {
  return static_cast<H2ServerConnection*>(connection());
}

awaitable<Result<BodyPiece>> H2ServerExchange::read_on() {
  if (head_.length.kind == BodyLength::Kind::counted && head_.length.bytes > body_limit_) {
    co_return Error(Fault::limit, Side::client, "announced body over the limit");
  }
  if (continue_wanted_ && !head_sent_ && !at_hand()) {
    ResponseHead head;
    head.status = 100;
    auto told = co_await send_informational(head);
    if (!told) co_return told.error();
  }
  auto piece = co_await read().whole();
  while (may_be_silent_ && !piece && piece.error().fault() == Fault::timeout) {
    piece = co_await read().whole();
  }
  if (!piece) co_return piece.error();
  bytes_in_ += piece->bytes.size();
  if (bytes_in_ > body_limit_) {
    co_return Error(Fault::limit, Side::client, "body over the limit");
  }
  co_return *piece;
}

awaitable<Result<void>> H2ServerExchange::send_informational(const ResponseHead& head) {
  if (head_sent_ || head.status == 101) co_return Result<void>();
  if (failed()) co_return failure();
  if (head.status == 100) continue_wanted_ = false;
  if (!server()->session().submit_informational(id(), server()->lines().informational(head))) {
    co_return Error(Fault::io, Side::self, "interim answer not sent");
  }
  H2Stream::flush();
  co_return Result<void>();
}

Result<void> H2ServerExchange::submit(std::span<const Field> lines, End end) {
  if (!server()->session().submit_head(id(), lines, end)) {
    reset(H2Code::internal_error);
    return Error(Fault::io, Side::self, "answer not sent");
  }
  head_sent_ = true;
  if (end == End::more) return Result<void>();
  nothing_to_send();
  H2Stream::flush();
  return Result<void>();
}

Started<void> H2ServerExchange::start_head(const ResponseHead& head) {
  if (head_sent_) return Error(Fault::bad_message, Side::self, "a second head");
  if (failed()) return failure();
  const bool asked_head = head_.method == "HEAD";
  const bool counted = head.length.kind == BodyLength::Kind::counted;
  const bool bodiless = asked_head || head.status == 204 || head.status == 304 ||
                        head.length.kind == BodyLength::Kind::none ||
                        (counted && head.length.bytes == 0);
  if (counted && !bodiless) left_ = head.length.bytes;
  const auto lines = server()->lines().response(head, server()->date());
  return submit(lines, bodiless ? End::last : End::more);
}

/// A wrong length must not reach the client as a complete answer (RFC 9113 §8.1.1).
Result<void> H2ServerExchange::length_kept(std::size_t bytes, End end) {
  if (!left_) return Result<void>();
  if (bytes > *left_ || (end == End::last && bytes < *left_)) {
    reset(H2Code::internal_error);
    return Error(Fault::bad_message, Side::self, "body differs from its announced length");
  }
  *left_ -= bytes;
  return Result<void>();
}

Started<void> H2ServerExchange::start_body(std::string_view bytes, End end) {
  if (!head_sent_) return Error(Fault::bad_message, Side::self, "a body without a head");
  if (sending_finished()) return Result<void>();
  auto kept = length_kept(bytes.size(), end);
  if (!kept) return kept;
  auto sending = send(bytes, end, nullptr);
  if (!sending.done()) return await_sent(std::move(sending), bytes.size());
  if (*sending) bytes_out_ += bytes.size();
  return sending;
}

awaitable<Result<void>> H2ServerExchange::await_sent(Started<void> sending, std::size_t bytes) {
  co_await sending.finish();
  if (*sending) bytes_out_ += bytes;
  co_return std::move(*sending);
}

awaitable<Result<void>> H2ServerExchange::send_trailers(const Fields& trailers) {
  if (!head_sent_) co_return Error(Fault::bad_message, Side::self, "trailers without a head");
  if (sending_finished()) co_return Result<void>();
  auto kept = length_kept(0, End::last);
  if (!kept) co_return kept;
  const std::string_view nothing_more;
  auto sent = co_await send(nothing_more, End::last, &trailers).whole();
  co_return sent;
}

Started<void> H2ServerExchange::start_flush() {
  if (failed() && !sending_finished()) return failure();
  H2Stream::flush();
  return Result<void>();
}

awaitable<Result<ServerExchange::Raw>> H2ServerExchange::upgrade(const ResponseHead& head) {
  Raw raw;
  if (!head_.websocket || head_sent_) co_return raw;
  if (failed()) co_return failure();
  auto submitted = submit(server()->lines().accepted(head, server()->date()), End::more);
  if (!submitted) co_return submitted.error();
  H2Stream::flush();
  on_loss(H2Code::cancel);
  tunnel_.emplace(*this, Side::client);
  raw.stream = &*tunnel_;
  co_return raw;
}

}  // namespace gatehouse::http
