// An HTTP/2 client's octets against a whole server connection: whatever comes, however it is cut,
// the connection must come to an end, hold no more than its windows allow, and leave nothing
// behind.

#include <boost/asio/detached.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/entropy.hpp"
#include "core/http/h2_server.hpp"

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

awaitable<void> echo(std::unique_ptr<ServerExchange> exchange) {
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
    auto sent = co_await exchange->send_body(piece->bytes, end);
    if (!sent || end == End::last) break;
  }
}

class Road final : public H2Road {
 public:
  explicit Road(asio::io_context& io) : io_(io) {}
  void request(std::unique_ptr<ServerExchange> exchange) override {
    asio::co_spawn(io_, echo(std::move(exchange)), asio::detached);
  }
  void refused(const Refusal& refusal) override { require(refusal.status >= 400); }

 private:
  asio::io_context& io_;
};

void run(std::string_view bytes, std::size_t step) {
  StillClock clock;
  NoEntropy entropy;
  net::BufferPool pool;
  HttpDate date(clock);
  asio::io_context io;
  net::DeadlineWheel wheel(clock);
  Input stream(bytes, step);
  Road road(io);
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
  run(bytes, size + 1);
  run(bytes, 7);
  return 0;
}
