#include "core/net/rewound_stream.hpp"

#include <algorithm>

namespace gatehouse::net {

IoResult RewoundStream::passed(IoResult result) {
  if (result.state == IoState::failed) fail(under_->error());
  return result;
}

IoResult RewoundStream::try_read(std::span<char> into) {
  if (first_.empty()) return passed(under_->try_read(into));
  const std::size_t count = std::min(into.size(), first_.size() - read_);
  std::copy_n(first_.data() + read_, count, into.data());
  read_ += count;
  if (read_ == first_.size()) first_ = std::string();
  return {IoState::done, count};
}

IoResult RewoundStream::try_write(std::string_view from) { return passed(under_->try_write(from)); }

awaitable<Result<void>> RewoundStream::wait(Want want) {
  if (want == Want::read && !first_.empty()) co_return Result<void>();
  auto ready = co_await under_->wait(want);
  co_return ready;
}

}  // namespace gatehouse::net
