#include "core/tls/detail/record_stream.hpp"

namespace gatehouse::tls::detail {

using net::IoResult;
using net::IoState;

bool RecordStream::takes_writes() {
  if (!broken_ && shut_) fail(Fault::closed, "TLS: written after the end");
  return !broken_ && !shut_;
}

IoResult RecordStream::sent(IoState state, std::size_t bytes) {
  switch (state) {
    case IoState::done:
      encrypted_ = 0;
      return {IoState::done, bytes};
    case IoState::want_read:
    case IoState::want_write:
      encrypted_ = bytes;
      return {state, 0};
    case IoState::end:
    case IoState::failed:
      break;
  }
  break_down();
  fail(under().error());
  return dead();
}

}  // namespace gatehouse::tls::detail
