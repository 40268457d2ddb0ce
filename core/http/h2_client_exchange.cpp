#include "core/http/h2_client_exchange.hpp"

#include "core/base/bytes.hpp"
#include "core/tls/digest.hpp"

namespace gatehouse::http {

H2ClientExchange::H2ClientExchange(H2ClientConnection& connection)
    : H2Stream(connection, connection.stream().side(), H2Pace()) {
  ++connection.begun_;
}

H2ClientExchange::~H2ClientExchange() {
  if (client() != nullptr) client()->ended_exchange();
}

H2ClientConnection* H2ClientExchange::client() const {
  return static_cast<H2ClientConnection*>(connection());
}

// --- the request --------------------------------------------------------------------------------

Started<void> H2ClientExchange::start_head(const RequestHead& head) {
  if (failed()) return failure();
  if (id() != 0) return Error(Fault::bad_message, Side::self, "a second head");
  if (client() == nullptr || !client()->takes_requests()) {
    return Error(Fault::refused, peer(), "connection takes no more requests");
  }
  if (head.websocket && !client()->takes_websockets()) {
    return Error(Fault::denied, Side::self, "server takes no WebSockets over HTTP/2");
  }
  asked_ = {.head = head.method == "HEAD", .websocket = head.websocket};
  websocket_key_ = head.fields.find("sec-websocket-key").value_or(std::string_view());
  const bool counted = head.length.kind == BodyLength::Kind::counted;
  const bool bodiless = !head.websocket && (head.length.kind == BodyLength::Kind::none ||
                                            (counted && head.length.bytes == 0));
  if (counted && !bodiless) left_ = head.length.bytes;
  H2ClientConnection& to = *client();
  const auto lines = to.lines().request(head, to.settings_.scheme);
  const std::int32_t id = to.session().submit_request(lines, bodiless ? End::last : End::more);
  if (id == 0) return Error(Fault::refused, peer(), "no stream is left");
  for (const Field& line : lines) bytes_sent_ += line.name.size() + line.value.size();
  to.enter(*this, id);
  to.watch_liveness();
  if (bodiless) nothing_to_send();
  if (bodiless || head.websocket) H2Stream::flush();
  return Result<void>();
}

Started<void> H2ClientExchange::start_body(std::string_view bytes, End end) {
  if (id() == 0) return Error(Fault::bad_message, Side::self, "a body without a head");
  if (sending_finished()) {
    if (bytes.empty()) return Result<void>();
    return Error(Fault::bad_message, Side::self, "body after the end of the request");
  }
  if (left_ && (bytes.size() > *left_ || (end == End::last && bytes.size() < *left_))) {
    reset(H2Code::internal_error);
    return Error(Fault::bad_message, Side::self, "body differs from its announced length");
  }
  if (left_) *left_ -= bytes.size();
  auto sending = send(bytes, end, nullptr);
  if (!sending.done()) return await_sent(std::move(sending), bytes.size());
  if (*sending) bytes_sent_ += bytes.size();
  return sending;
}

awaitable<Result<void>> H2ClientExchange::await_sent(Started<void> sending, std::size_t bytes) {
  co_await sending.finish();
  if (*sending) bytes_sent_ += bytes;
  co_return std::move(*sending);
}

awaitable<Result<void>> H2ClientExchange::send_trailers(const Fields& trailers) {
  if (id() == 0) co_return Error(Fault::bad_message, Side::self, "trailers without a head");
  if (sending_finished()) co_return Result<void>();
  const std::string_view nothing_more;
  auto sent = co_await send(nothing_more, End::last, &trailers).whole();
  co_return sent;
}

Started<void> H2ClientExchange::start_flush() {
  H2Stream::flush();
  return Result<void>();
}

// --- the answer ---------------------------------------------------------------------------------

Fields* H2ClientExchange::begin_head() {
  answered_ = true;
  if (final_head_) return nullptr;
  heads_.emplace_back();
  collecting_ = true;
  return &heads_.back().fields;
}

void H2ClientExchange::head_ended(End end) {
  collecting_ = false;
  ResponseHead& head = heads_.back();
  const Refusal refusal = client()->block().response(asked_, end, head);
  const bool flood = head.status < 200 && ++informational_ > most_informational;
  if (refusal || flood) {
    heads_.pop_back();
    client()->session().reset(id(), H2Code::protocol_error);
    const std::string_view why = flood ? "too many interim answers" : refusal.reason;
    return closed(Error(Fault::bad_message, peer(), "answer's head: " + std::string(why)));
  }
  final_head_ = head.status >= 200;
  if (asked_.websocket && head.status == 200) switch_protocols(head);
  readable().notify();
}

/// RFC 8441 §5: what HTTP/1.1 says with 101 and a proof. A forwarder need not know the difference.
void H2ClientExchange::switch_protocols(ResponseHead& head) {
  head.status = 101;
  head.websocket = true;
  head.length = BodyLength::none();
  const std::string accept =
      base64(tls::sha1(websocket_key_ + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
  head.fields.remove("sec-websocket-accept");
  head.fields.add_copy("sec-websocket-accept", accept);
}

awaitable<Result<ResponseHead*>> H2ClientExchange::await_head() {
  while (heads_.size() <= (collecting_ ? 1U : 0U)) {
    if (failed()) co_return failure();
    if (readable().overdue()) co_return Error(Fault::timeout, peer(), "no answer in time");
    const bool goes_on = co_await readable().wait();
    if (!goes_on) co_return cancelled();
  }
  head_ = std::move(heads_.front());
  heads_.pop_front();
  co_return &head_;
}

ServerExchange::Raw H2ClientExchange::raw() {
  ServerExchange::Raw raw;
  if (head_.status != 101 || !head_.websocket) return raw;
  tunnel_.emplace(*this, peer());
  raw.stream = &*tunnel_;
  return raw;
}

}  // namespace gatehouse::http
