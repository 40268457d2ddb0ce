// The client's end of an HTTP/2 connection against whatever a server may send: two exchanges are
// under way, and read what comes of it.
#include <algorithm>
#include <boost/asio/detached.hpp>
#include <cstdint>
#include <cstdlib>

#include "core/http/h2_client.hpp"

using namespace gatehouse;
using namespace gatehouse::http;

namespace {

void require(bool held) {
  if (!held) std::abort();
}

class StillClock final : public Clock {
 public:
  Steady steady() const override { return Steady() + std::chrono::hours(1); }
  Wall wall() const override { return Wall() + std::chrono::hours(1); }
  awaitable<void> wait_until(Steady) override {
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer parked(executor, Steady::max());
    co_await parked.async_wait(as_result);
  }
};

/// Gives the octets in steps, then breaks; takes whatever is written.
class Input final : public net::Stream {
 public:
  Input(std::string_view bytes, std::size_t step)
      : Stream(Side::server), bytes_(bytes), step_(step) {}
  net::IoResult try_read(std::span<char> into) override {
    if (closed_ || bytes_.empty()) return broken();
    const std::size_t bytes = std::min({step_, into.size(), bytes_.size()});
    bytes_.copy(into.data(), bytes);
    bytes_.remove_prefix(bytes);
    return {net::IoState::done, bytes};
  }
  net::IoResult try_write(std::string_view from) override {
    if (closed_) return broken();
    return {net::IoState::done, from.size()};
  }
  awaitable<Result<void>> wait(net::Want) override { co_return Result<void>(); }
  void deadline(net::Want, Steady) override {}
  void shutdown_write() override {}
  void close() noexcept override { closed_ = true; }
  bool silent() override { return false; }

 private:
  net::IoResult broken() {
    fail(Fault::closed, "closed");
    return {net::IoState::failed, 0};
  }
  std::string_view bytes_;
  std::size_t step_;
  bool closed_ = false;
};

awaitable<void> ask(H2ClientConnection& connection, bool websocket, int& ended) {
  struct Ended {
    int& count;
    ~Ended() { ++count; }
  };
  const Ended counted{ended};
  if (websocket) {
    auto greeted = co_await connection.greeting(Steady::max());
    if (!greeted) co_return;
  }
  auto exchange = connection.begin();
  if (!exchange) co_return;
  RequestHead head;
  head.method = websocket ? "GET" : "POST";
  head.path = "/";
  head.authority = "a.example";
  head.accepts_trailers = true;
  head.websocket = websocket;
  if (websocket) head.fields.add("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
  auto sent = co_await exchange->send_head(head);
  if (!sent) co_return;
  for (unsigned interim = 0;; ++interim) {
    auto read = co_await exchange->read_head();
    if (!read) co_return;
    require(interim <= 20);
    const ResponseHead& answer = **read;
    require(answer.status >= 100 && answer.status <= 999);
    for (const Field& line : answer.fields) {
      require(line.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
      require(line.name.find_first_of(std::string_view("\r\n\0: ", 5)) == std::string_view::npos);
    }
    if (answer.status == 101) require(exchange->raw().stream != nullptr);
    if (answer.status == 101 || answer.status >= 200) break;
  }
  for (;;) {
    auto piece = co_await exchange->read_body();
    if (!piece || piece->last) co_return;
    require(!piece->bytes.empty());
  }
}

void run(std::string_view bytes, std::size_t step) {
  StillClock clock;
  net::BufferPool pool;
  asio::io_context io;
  net::DeadlineWheel wheel(clock);
  bool over = false;
  int ended = 0;
  {
    H2ClientConnection connection(std::make_unique<Input>(bytes, step),
                                  {io.get_executor(), clock, wheel, pool}, {});
    asio::co_spawn(io, ask(connection, false, ended), asio::detached);
    asio::co_spawn(io, ask(connection, true, ended), asio::detached);
    asio::co_spawn(io, connection.run(), [&](std::exception_ptr failure) {
      require(failure == nullptr);
      over = true;
    });
    io.poll();
    require(over);
    require(ended == 2);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  run(bytes, size + 1);
  run(bytes, 7);
  return 0;
}
