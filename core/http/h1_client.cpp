#include "core/http/h1_client.hpp"

#include "core/base/bytes.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::http {
namespace {

using net::IoResult;
using net::IoState;
using net::Want;

constexpr unsigned most_informational = 20;  // a flood of them would hold the client for ever

/// RFC 9110 §8.6: methods that define a meaning for a body announce its absence.
bool announces_absence(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

}  // namespace

H1ClientConnection::H1ClientConnection(std::unique_ptr<net::Stream> stream, net::BufferPool& pool,
                                       HeadLimits limits)
    : stream_(std::move(stream)),
      reader_(*stream_, pool, Pace(), limits),
      writer_(*stream_, pool, Pace()) {}

// --- the request --------------------------------------------------------------------------------

void H1ClientConnection::begin_exchange(const RequestHead& head) {
  ++exchanges_;
  reader_.end_message();
  asked_ = {.head = head.method == "HEAD", .websocket = head.websocket};
  sent_before_ = writer_.bytes_written();
  informational_ = 0;
  answered_ = final_head_ = failed_ = false;
  keep_alive_ = !logs_in_connection(head.fields, FieldName::authorization);
}

Started<void> H1ClientConnection::start_head(const RequestHead& head) {
  begin_exchange(head);
  choose_framing(head);
  write_head(head);
  if (writer_.framing() == MessageWriter::Framing::none) return writer_.end(nullptr);
  return Result<void>();
}

void H1ClientConnection::choose_framing(const RequestHead& head) {
  using Framing = MessageWriter::Framing;
  const bool counted = head.length.kind == BodyLength::Kind::counted;
  if (head.length.kind == BodyLength::Kind::none || (counted && head.length.bytes == 0)) {
    writer_.begin_body(Framing::none, 0);
  } else if (counted) {
    writer_.begin_body(Framing::counted, head.length.bytes);
  } else {
    writer_.begin_body(Framing::chunked, 0);
  }
}

void H1ClientConnection::write_head(const RequestHead& head) {
  OutputBuffer& out = writer_.out();
  const std::string_view mark = head.has_query ? "?" : "";
  out.append_all({head.method, " ", head.path, mark, head.query,
                  " HTTP/1.1\r\nHost: ", head.authority, "\r\n"});
  for (const Field& line : head.fields) {
    if (!written_by_us.has(line.which)) out.append_field(line.name, line.value);
  }
  if (writer_.framing() == MessageWriter::Framing::chunked) {
    out.append_field("Transfer-Encoding", "chunked");
  } else if (head.length.kind == BodyLength::Kind::counted || announces_absence(head.method)) {
    out.append_length(head.length.bytes);
  }
  if (head.websocket) {
    out.append_field("Upgrade", "websocket");
    out.append_field("Connection", "Upgrade");
  } else if (head.accepts_trailers) {
    out.append_field("TE", "trailers");
    out.append_field("Connection", "TE");
  }
  out.append("\r\n");
}

Started<void> H1ClientConnection::start_body(std::string_view bytes, End end) {
  if (writer_.finished()) {
    if (bytes.empty()) return Result<void>();
    return Error(Fault::bad_message, Side::self, "body after the end of the request");
  }
  auto sending = writer_.body(bytes, end);
  if (!sending.done()) return await_sent(std::move(sending));
  failed_ = failed_ || !*sending;
  return sending;
}

awaitable<Result<void>> H1ClientConnection::await_sent(Started<void> sending) {
  co_await sending.finish();
  failed_ = failed_ || !*sending;
  co_return std::move(*sending);
}

awaitable<Result<void>> H1ClientConnection::send_trailers(const Fields& trailers) {
  if (writer_.finished()) co_return Result<void>();
  auto sent = co_await writer_.end(&trailers).whole();
  failed_ = failed_ || !sent;
  co_return sent;
}

// --- the answer ---------------------------------------------------------------------------------

std::optional<Result<void>> H1ClientConnection::try_head(Want& want) {
  for (;;) {
    switch (reader_.scan_head(head_.fields)) {
      case HeadScanner::State::complete:
        return Result<void>();
      case HeadScanner::State::refused:
        return Error(Fault::bad_message, stream_->side(),
                     "answer's head: " + std::string(reader_.scanner().refusal().reason));
      case HeadScanner::State::more:
        break;
    }
    const IoResult got = reader_.try_fill();
    switch (got.state) {
      case IoState::done:
        answered_ = true;
        continue;
      case IoState::end: {
        const bool silent = reader_.scanner().empty();
        return Error(Fault::closed, stream_->side(),
                     silent ? "closed before an answer" : "closed inside an answer's head");
      }
      case IoState::failed:
        return stream_->error();
      case IoState::want_read:
      case IoState::want_write:
        want = got.state == IoState::want_read ? Want::read : Want::write;
        return {};
    }
  }
}

Started<ResponseHead*> H1ClientConnection::start_read_head() {
  reader_.next_head();
  head_.fields.clear();
  Want want = Want::read;
  const auto there = try_head(want);
  if (!there) return await_head(want);
  failed_ = failed_ || !*there;
  if (!*there) return there->error();
  return take_head();
}

awaitable<Result<ResponseHead*>> H1ClientConnection::await_head(Want want) {
  for (;;) {
    auto ready = co_await stream_->wait(want);
    std::optional<Result<void>> there = std::move(ready);
    if (*there) there = try_head(want);
    if (!there) continue;
    failed_ = failed_ || !*there;
    if (!*there) co_return there->error();
    co_return take_head();
  }
}

Result<ResponseHead*> H1ClientConnection::take_head() {
  const auto parsed = parse_response_head(reader_.take_head(), asked_, stream_->side(), head_);
  if (!parsed) {
    failed_ = true;
    return parsed.error();
  }
  if (head_.status < 200 && head_.status != 101) {
    if (++informational_ > most_informational) {
      failed_ = true;
      return Error(Fault::bad_message, stream_->side(), "too many interim answers");
    }
    return &head_;
  }
  final_head_ = true;
  keep_alive_ = keep_alive_ && persists(head_.version, head_.fields) && head_.status != 101 &&
                !logs_in_connection(head_.fields, FieldName::www_authenticate);
  reader_.begin_body(has_body(asked_, head_.status) ? head_.length : BodyLength::none());
  return &head_;
}

Started<BodyPiece> H1ClientConnection::start_read_body() {
  auto reading = reader_.read_body();
  if (!reading.done()) return await_body(std::move(reading));
  failed_ = failed_ || !*reading;
  return reading;
}

awaitable<Result<BodyPiece>> H1ClientConnection::await_body(Started<BodyPiece> reading) {
  co_await reading.finish();
  failed_ = failed_ || !*reading;
  co_return std::move(*reading);
}

bool H1ClientConnection::reusable() const {
  // Bytes past the answer were not asked for (RFC 9112 §9.2); a body cut at the end of the
  // connection leaves none to reuse, nor does a key that has sealed all it may.
  return !failed_ && final_head_ && keep_alive_ && writer_.finished() && reader_.finished() &&
         reader_.length().kind != BodyLength::Kind::until_close && reader_.unread().empty() &&
         !stream_->worn();
}

ServerExchange::Raw H1ClientConnection::raw() {
  ServerExchange::Raw raw;
  if (head_.status != 101 || !head_.websocket) return raw;
  raw.stream = stream_.get();
  raw.early = reader_.take_unread();
  head_.fields.clear();
  reader_.end_message();
  return raw;
}

}  // namespace gatehouse::http
