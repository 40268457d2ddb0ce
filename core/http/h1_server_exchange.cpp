#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "core/base/bytes.hpp"
#include "core/http/h1_server.hpp"
#include "core/http/header_rules.hpp"
#include "core/http/reason.hpp"

// The exchange that H1ServerConnection hands out: one request's body, one answer.
namespace gatehouse::http {
namespace {

using net::IoResult;
using net::IoState;
using net::Want;

}  // namespace

Started<BodyPiece> H1ServerConnection::start_read_body() {
  if (reader_.length().kind == BodyLength::Kind::counted && head_.length.bytes > body_limit_) {
    return Error(Fault::limit, Side::client, "announced body over the limit");
  }
  if (continue_wanted_ && !head_sent_) {
    auto told = send_continue();
    if (!told) return told.error();
  }
  auto reading = reader_.read_body();
  if (reading.done()) return accounted(std::move(*reading));
  return await_body(std::move(reading));
}

awaitable<Result<BodyPiece>> H1ServerConnection::await_body(Started<BodyPiece> reading) {
  co_await reading.finish();
  co_return accounted(std::move(*reading));
}

Result<BodyPiece> H1ServerConnection::accounted(Result<BodyPiece> piece) {
  if (!piece) {
    keep_alive_ = false;
    return piece;
  }
  bytes_in_ += piece->bytes.size();
  if (bytes_in_ > body_limit_) {
    keep_alive_ = false;
    return Error(Fault::limit, Side::client, "body over the limit");
  }
  return piece;
}

/// RFC 9110 §10.1.1. Needless once the body has begun to arrive. Never waits: the answer may be
/// waiting to be written meanwhile, and a stream has room for one who waits. A client that takes
/// not even this has left its answers unread.
Result<void> H1ServerConnection::send_continue() {
  constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  continue_wanted_ = false;
  if (!reader_.unread().empty()) return Result<void>();
  if (!writer_.out().empty()) {  // an interim answer is on its way, and takes it along
    writer_.out().append(go_on);
    return Result<void>();
  }
  const IoResult put = stream_.try_write(go_on);
  if (put.state == IoState::done && put.bytes == go_on.size()) return Result<void>();
  if (put.state == IoState::failed) return stream_.error();
  abort();
  return Error(Fault::closed, Side::client, "takes no 100 Continue");
}

bool H1ServerConnection::client_gone() {
  const int fd = stream_.descriptor();
  if (fd < 0) return false;
  pollfd asked{.fd = fd, .events = 0, .revents = 0};
  return ::poll(&asked, 1, 0) > 0 && (asked.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

void H1ServerConnection::write_status_line(int status, std::string_view reason) {
  const auto digit = [status](int of) { return static_cast<char>('0' + status / of % 10); };
  const std::array<char, 3> code = {digit(100), digit(10), digit(1)};
  writer_.out().append_all({"HTTP/1.1 ", std::string_view(code.data(), code.size()), " ",
                            reason.empty() ? reason_phrase(status) : reason, "\r\n"});
}

bool H1ServerConnection::body_left_unread() const {
  if (reader_.finished()) return false;
  // The client that was never told to go on may send the body or leave it out: nobody knows where
  // the next request begins.
  return continue_wanted_ || (reader_.length().kind == BodyLength::Kind::counted &&
                              head_.length.bytes - bytes_in_ > most_discarded);
}

void H1ServerConnection::choose_framing(const ResponseHead& head) {
  using Framing = MessageWriter::Framing;
  const bool bodiless = head_.method == "HEAD" || head.status == 204 || head.status == 304;
  if (bodiless) {
    writer_.begin_body(Framing::none, 0);
  } else if (head.length.kind == BodyLength::Kind::counted ||
             head.length.kind == BodyLength::Kind::none) {
    writer_.begin_body(Framing::counted, head.length.bytes);
  } else if (head_.version == Version::http10) {
    writer_.begin_body(Framing::until_close, 0);
    keep_alive_ = false;
  } else {
    writer_.begin_body(Framing::chunked, 0);
  }
}

void H1ServerConnection::write_head(const ResponseHead& head) {
  write_status_line(head.status, head.reason);
  OutputBuffer& out = writer_.out();
  for (const Field& line : head.fields) {
    if (!written_by_us.has(line.which)) out.append_field(line.name, line.value);
  }
  if (!head.fields.find(FieldName::date)) out.append_field("Date", worker_.date.now());
  const bool counted = head.length.kind == BodyLength::Kind::counted;
  const bool silent = head_.method == "HEAD" || head.status == 304;
  if (writer_.framing() == MessageWriter::Framing::chunked) {
    out.append_field("Transfer-Encoding", "chunked");
  } else if (counted
                 ? head.status != 204
                 : head.length.kind == BodyLength::Kind::none && !silent && head.status != 204) {
    out.append_length(head.length.bytes);
  }
  if (!keep_alive_) {
    out.append_field("Connection", "close");
  } else if (head_.version == Version::http10) {
    out.append_field("Connection", "keep-alive");
  }
  out.append("\r\n");
}

awaitable<Result<void>> H1ServerConnection::send_informational(const ResponseHead& head) {
  if (head_sent_ || head_.version == Version::http10 || head.status == 101)
    co_return Result<void>();
  if (head.status == 100) continue_wanted_ = false;
  write_status_line(head.status, head.reason);
  for (const Field& line : head.fields) {
    if (!written_by_us.has(line.which)) writer_.out().append_field(line.name, line.value);
  }
  writer_.out().append("\r\n");
  co_return co_await writer_.flush().whole();
}

Started<void> H1ServerConnection::start_head(const ResponseHead& head) {
  if (head_sent_) return Error(Fault::bad_message, Side::self, "a second head");
  if (body_left_unread()) keep_alive_ = false;
  head_sent_ = true;
  choose_framing(head);
  write_head(head);
  const bool empty =
      writer_.framing() == MessageWriter::Framing::none ||
      (writer_.framing() == MessageWriter::Framing::counted && head.length.bytes == 0);
  if (empty) return writer_.end(nullptr);
  return Result<void>();
}

Started<void> H1ServerConnection::start_body(std::string_view bytes, End end) {
  if (writer_.finished() || writer_.framing() == MessageWriter::Framing::none) {
    return Result<void>();
  }
  auto sending = writer_.body(bytes, end);
  if (sending.done()) return accounted(std::move(*sending), bytes.size());
  return await_sent(std::move(sending), bytes.size());
}

awaitable<Result<void>> H1ServerConnection::await_sent(Started<void> sending, std::size_t bytes) {
  co_await sending.finish();
  co_return accounted(std::move(*sending), bytes);
}

Result<void> H1ServerConnection::accounted(Result<void> sent, std::size_t bytes) {
  failed_ = failed_ || !sent;
  if (sent) bytes_out_ += bytes;
  return sent;
}

awaitable<Result<void>> H1ServerConnection::send_trailers(const Fields& trailers) {
  if (writer_.finished()) co_return Result<void>();
  const Fields* const accepted = head_.accepts_trailers ? &trailers : nullptr;
  auto sent = co_await writer_.end(accepted).whole();
  failed_ = failed_ || !sent;
  co_return sent;
}

void H1ServerConnection::abort() {
  failed_ = true;
  keep_alive_ = false;
  // A body that ends with the connection would look complete after a plain FIN: reset instead.
  const int fd = stream_.descriptor();
  if (fd >= 0 && head_sent_ && !writer_.finished()) {
    const ::linger hard{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  stream_.close();
}

awaitable<Result<ServerExchange::Raw>> H1ServerConnection::upgrade(const ResponseHead& head) {
  Raw raw;
  if (!head_.websocket || head_sent_) co_return raw;
  head_sent_ = true;
  upgraded_ = true;
  write_status_line(101, {});
  for (const Field& line : head.fields) {
    const bool ours = written_by_us.has(line.which) || line.which == FieldName::upgrade;
    if (!ours) writer_.out().append_field(line.name, line.value);
  }
  writer_.out().append_field("Upgrade", "websocket");
  writer_.out().append_field("Connection", "Upgrade");
  writer_.out().append("\r\n");
  auto sent = co_await writer_.flush().whole();
  if (!sent) co_return sent.error();
  raw.early = reader_.take_unread();
  raw.stream = &stream_;
  co_return raw;
}

void H1ServerConnection::forget_head() {
  if (!upgraded_) return;
  Fields own;
  for (std::string_view* part : {&head_.method, &head_.path, &head_.query, &head_.authority}) {
    *part = own.keep(*part);
  }
  head_.fields = std::move(own);
  reader_.end_message();
}

}  // namespace gatehouse::http
