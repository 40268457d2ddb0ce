// An HTTP/2 client's octets against a whole server connection: whatever comes, however it is cut,
// the connection must come to an end, hold no more than its windows allow, and leave nothing
// behind. It must take no head and no body for whole that nghttp2 would not, were it asked.

#include <nghttp2/nghttp2.h>

#include <boost/asio/detached.hpp>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "core/base/entropy.hpp"
#include "core/http/h2_server.hpp"
#include "core/http/h2_server_exchange.hpp"

using namespace gatehouse;
using namespace gatehouse::http;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

class StillClock final : public Clock {
 public:
  Steady steady() const override { return Steady() + std::chrono::hours(1); }
  Wall wall() const override { return Wall(); }
  awaitable<void> wait_until(Steady) override { co_return; }
};

class NoEntropy final : public Entropy {
 public:
  void fill(std::span<char> octets) override {
    for (char& octet : octets) octet = 'k';
  }
};

/// The input in pieces, then the client's end. Takes everything it is sent.
class Input final : public net::Stream {
 public:
  Input(std::string_view bytes, std::size_t step)
      : Stream(Side::client), bytes_(bytes), step_(step) {}
  net::IoResult try_read(std::span<char> into) override {
    if (closed_) return broken();
    if (bytes_.empty()) return {net::IoState::end, 0};
    const std::size_t count = bytes_.copy(into.data(), std::min(step_, into.size()));
    bytes_.remove_prefix(count);
    return {net::IoState::done, count};
  }
  net::IoResult try_write(std::string_view from) override {
    if (closed_) return broken();
    return {net::IoState::done, from.size()};
  }
  awaitable<Result<void>> wait(net::Want) override { co_return Result<void>(); }
  void deadline(net::Want, Steady) override {}
  void shutdown_write() override {}
  void close() noexcept override { closed_ = true; }
  bool silent() override { return true; }

 private:
  net::IoResult broken() {
    fail(Fault::closed, "closed");
    return {net::IoState::failed, 0};
  }
  std::string_view bytes_;
  std::size_t step_;
  bool closed_ = false;
};

/// What nghttp2 itself holds against the messages that a client sends.
class Library {
 public:
  explicit Library(std::string_view bytes) {
    nghttp2_session_callbacks* callbacks = nullptr;
    require(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &received);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, &invalid);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, &sent);
    nghttp2_option* option = nullptr;
    require(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_session* session = nullptr;
    require(nghttp2_session_server_new2(&session, callbacks, this, option) == 0);
    const nghttp2_settings_entry tunnels{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
    require(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &tunnels, 1) == 0);
    (void)nghttp2_session_mem_recv(session, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                   bytes.size());
    const std::uint8_t* out = nullptr;
    while (nghttp2_session_mem_send(session, &out) > 0) {
    }
    nghttp2_session_del(session);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
  }
  bool took_head(std::int32_t stream) const {
    return heads_.contains(stream) || !broken_.contains(stream);
  }
  bool took_body(std::int32_t stream) const { return !broken_.contains(stream); }

 private:
  static int received(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    if (frame->hd.type == NGHTTP2_HEADERS) {
      static_cast<Library*>(self)->heads_.insert(frame->hd.stream_id);
    }
    return 0;
  }
  static int invalid(nghttp2_session*, const nghttp2_frame* frame, int, void* self) {
    if (frame->hd.type != NGHTTP2_HEADERS) {
      static_cast<Library*>(self)->other_faults_.insert(frame->hd.stream_id);
    }
    return 0;
  }
  static int sent(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    auto& library = *static_cast<Library*>(self);
    const bool malformed = frame->hd.type == NGHTTP2_RST_STREAM &&
                           frame->rst_stream.error_code == NGHTTP2_PROTOCOL_ERROR &&
                           !library.other_faults_.contains(frame->hd.stream_id);
    if (malformed) library.broken_.insert(frame->hd.stream_id);
    return 0;
  }
  std::set<std::int32_t> heads_;
  std::set<std::int32_t> broken_;        // by what the messages say
  std::set<std::int32_t> other_faults_;  // of frames that are no part of a message
};

awaitable<void> echo(std::unique_ptr<ServerExchange> exchange, const Library& library) {
  const std::int32_t id = static_cast<H2ServerExchange&>(*exchange).id();
  require(library.took_head(id));
  ResponseHead head;
  head.status = 200;
  head.length = BodyLength::streamed();
  const RequestHead& request = exchange->request();
  require(!request.method.empty() && !request.path.empty() && !request.host.empty());
  for (const Field& line : request.fields) {
    require(line.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
    require(line.name.find_first_of(std::string_view("\r\n\0: ", 5)) == std::string_view::npos);
  }
  auto begun = co_await exchange->send_head(head);
  while (begun) {
    auto piece = co_await exchange->read_body();
    if (!piece) break;
    const End end = piece->last ? End::last : End::more;
    require(end == End::more || library.took_body(id));
    auto sent = co_await exchange->send_body(piece->bytes, end);
    if (!sent || end == End::last) break;
  }
}

class Road final : public H2Road {
 public:
  Road(asio::io_context& io, const Library& library) : io_(io), library_(library) {}
  void request(std::unique_ptr<ServerExchange> exchange) override {
    asio::co_spawn(io_, echo(std::move(exchange), library_), asio::detached);
  }
  void refused(const Refusal& refusal) override { require(refusal.status >= 400); }

 private:
  asio::io_context& io_;
  const Library& library_;
};

void run(std::string_view bytes, std::size_t step, const Library& library) {
  StillClock clock;
  NoEntropy entropy;
  net::BufferPool pool;
  HttpDate date(clock);
  asio::io_context io;
  net::DeadlineWheel wheel(clock);
  Input stream(bytes, step);
  Road road(io, library);
  H2ServerSettings settings;
  settings.streams = 8;
  bool over = false;
  {
    const H2ServerWorker worker{{io.get_executor(), clock, wheel, pool}, date, entropy};
    H2ServerConnection connection(stream, worker, settings, road);
    asio::co_spawn(io, connection.run(), [&](std::exception_ptr failure) {
      require(failure == nullptr);
      over = true;
    });
    io.poll();
    require(over);
  }
  io.restart();
  io.poll();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Library library(bytes);
  run(bytes, size + 1, library);
  run(bytes, 7, library);
  return 0;
}
