#pragma once

#include <memory>
#include <string>

#include "core/net/stream.hpp"

struct bio_st;
struct ssl_st;

namespace gatehouse::tls::detail {

/// Joins an SSL with the stream below it. What the SSL reads comes straight from that stream; what
/// it writes is collected while one call into OpenSSL runs and leaves in one send by flush(),
/// which must follow every such call on the same thread. Belongs to one worker.
class Wire {
 public:
  explicit Wire(std::unique_ptr<net::Stream> under) : under_(std::move(under)) {}
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  /// Makes this the SSL's transport. The wire outlives the SSL.
  bool attach(ssl_st* ssl);
  /// done: nothing is left. want_write: some is, wait and call again. failed: see under().error().
  net::IoState flush();
  /// Nothing more is read for the SSL: its call under way fails.
  void end_reading() { reading_ended_ = true; }
  bool reading_ended() const { return reading_ended_; }
  /// How the last read for the SSL ended.
  net::IoState last_read() const { return last_read_; }
  net::Stream& under() { return *under_; }
  const net::Stream& under() const { return *under_; }
  std::unique_ptr<net::Stream> take_under() { return std::move(under_); }

 private:
  struct Calls;
  std::unique_ptr<net::Stream> under_;
  std::string unsent_;
  net::IoState last_read_ = net::IoState::want_read;
  bool reading_ended_ = false;
};

}  // namespace gatehouse::tls::detail
