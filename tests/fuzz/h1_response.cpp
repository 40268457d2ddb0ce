// A server's bytes through a whole client connection: the first octet chooses what was asked, the
// rest is the answer. Whatever comes, the exchange ends, and it ends the same however the bytes are
// cut into pieces. llhttp must agree with every head that was accepted, whether it was asked or
// not.

#include <boost/asio/detached.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/detail/h1_head.hpp"
#include "core/http/h1_client.hpp"

using namespace gatehouse;
using namespace gatehouse::http;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

/// Gives `bytes` in pieces of `step` octets, then ends. Never waits.
class Reply final : public net::Stream {
 public:
  Reply(std::string_view bytes, std::size_t step)
      : Stream(Side::server), bytes_(bytes), step_(step) {}

  net::IoResult try_read(std::span<char> into) override {
    if (bytes_.empty()) return {net::IoState::end, 0};
    const std::size_t got = bytes_.copy(into.data(), std::min(step_, into.size()));
    require(got > 0);
    bytes_.remove_prefix(got);
    return {net::IoState::done, got};
  }
  net::IoResult try_write(std::string_view from) override {
    return {net::IoState::done, from.size()};
  }
  awaitable<Result<void>> wait(net::Want) override { co_return Result<void>(); }
  void deadline(net::Want, Steady) override {}
  void shutdown_write() override {}
  void close() noexcept override {}
  bool silent() override { return false; }

 private:
  std::string_view bytes_;
  std::size_t step_;
};

awaitable<void> ask(H1ClientConnection& connection, unsigned choice, std::string& seen) {
  RequestHead head;
  head.method = (choice & 1) != 0 ? "HEAD" : "GET";
  head.path = "/";
  head.authority = "a.example";
  head.websocket = (choice & 2) != 0;
  auto sent = co_await connection.send_head(head);
  require(sent.has_value());
  for (int status = 0; status < 200 && status != 101;) {
    auto answer = co_await connection.read_head();
    if (!answer) {
      require(answer.error().side() == Side::server && !connection.reusable());
      seen += answer.error().detail();
      co_return;
    }
    status = (*answer)->status;
    require(status >= 100 && status <= 999);
    seen += std::to_string(status) + std::string((*answer)->reason);
    for (const Field& line : (*answer)->fields) seen.append(line.name).append(line.value);
  }
  for (bool last = false; !last;) {
    auto piece = co_await connection.read_body();
    if (!piece) {
      require(!connection.reusable());
      seen += piece.error().detail();
      co_return;
    }
    require(piece->last || !piece->bytes.empty());
    last = piece->last;
    seen += piece->bytes;
    if (piece->trailers == nullptr) continue;
    for (const Field& line : *piece->trailers) seen.append(line.name).append(line.value);
  }
  seen += "end";
}

std::string events(std::string_view bytes, unsigned choice, std::size_t step) {
  asio::io_context io;
  net::BufferPool pool(2048);
  H1ClientConnection connection(std::make_unique<Reply>(bytes, step), pool);
  std::string seen;
  asio::co_spawn(io, ask(connection, choice, seen), asio::detached);
  io.run();
  return seen;
}

void check_opinion(std::string_view bytes, unsigned choice) {
  HeadScanner scanner;
  if (scanner.scan(bytes) != HeadScanner::State::complete) return;
  const std::string_view text = bytes.substr(scanner.begin(), scanner.end() - scanner.begin());
  const Asked asked{.head = (choice & 1) != 0, .websocket = (choice & 2) != 0};
  ResponseHead head;
  if (!parse_response_head({text}, asked, Side::server, head)) return;
  require(detail::second_opinion(detail::HeadKind::response, text).fine);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string whole = events(bytes, data[0], size);
  require(events(bytes, data[0], 1) == whole);
  require(events(bytes, data[0], 5) == whole);
  check_opinion(bytes, data[0]);
  return 0;
}
