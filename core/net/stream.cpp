#include "core/net/stream.hpp"

#include <stdexcept>

namespace gatehouse::net {

const Error& Stream::error() const {
  static const Error none;
  return error_ ? *error_ : none;
}

void Stream::rest(std::unique_ptr<Sleeper>) { throw std::logic_error("a stream that cannot rest"); }

awaitable<Result<std::size_t>> Stream::read_some(std::span<char> into) {
  for (;;) {
    const IoResult got = try_read(into);
    switch (got.state) {
      case IoState::done:
        co_return got.bytes;
      case IoState::end:
        co_return std::size_t{0};
      case IoState::failed:
        co_return error();
      case IoState::want_read:
      case IoState::want_write:
        break;
    }
    const Want want = got.state == IoState::want_read ? Want::read : Want::write;
    auto ready = co_await wait(want);
    if (!ready) co_return ready.error();
  }
}

awaitable<Result<void>> Stream::write(std::string_view from) {
  while (!from.empty()) {
    const IoResult put = try_write(from);
    switch (put.state) {
      case IoState::done:
        from.remove_prefix(put.bytes);
        continue;
      case IoState::end:
        co_return Error(Fault::closed, side(), "write to an ended stream");
      case IoState::failed:
        co_return error();
      case IoState::want_read:
      case IoState::want_write:
        break;
    }
    const Want want = put.state == IoState::want_read ? Want::read : Want::write;
    auto ready = co_await wait(want);
    if (!ready) co_return ready.error();
  }
  co_return Result<void>();
}

}  // namespace gatehouse::net
