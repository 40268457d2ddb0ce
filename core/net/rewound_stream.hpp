#pragma once

#include <memory>
#include <string>

#include "core/net/stream.hpp"

namespace gatehouse::net {

/// A stream of which some octets were read already, to see what it is, and are read once more by
/// whoever gets it. Belongs to the worker of the stream below.
class RewoundStream final : public Stream {
 public:
  RewoundStream(std::unique_ptr<Stream> under, std::string first)
      : Stream(under->side()), under_(std::move(under)), first_(std::move(first)) {}

  IoResult try_read(std::span<char> into) override;
  IoResult try_write(std::string_view from) override;
  awaitable<Result<void>> wait(Want want) override;
  void rest(std::unique_ptr<Sleeper> sleeper) override { under_->rest(std::move(sleeper)); }
  void deadline(Want want, Steady when) override { under_->deadline(want, when); }
  void shutdown_write() override { under_->shutdown_write(); }
  void close() noexcept override { under_->close(); }
  bool pending() const override { return !first_.empty() || under_->pending(); }
  bool silent() override { return first_.empty() && under_->silent(); }
  bool worn() const override { return under_->worn(); }
  int descriptor() const override { return under_->descriptor(); }

 private:
  IoResult passed(IoResult result);

  std::unique_ptr<Stream> under_;
  std::string first_;
  std::size_t read_ = 0;  // of first_
};

}  // namespace gatehouse::net
