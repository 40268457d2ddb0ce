#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/net/stream.hpp"

struct bio_st;
struct ssl_st;

namespace gatehouse::tls::detail {

/// Writes `rest` as far as the stream takes it, which shrinks by that. done: all of it.
net::IoState put(net::Stream& under, std::string_view& rest);

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
  /// From here on what comes off the stream below waits here until the SSL asks for it, record by
  /// record: what lies behind the handshake is not the SSL's. It must not read ahead itself.
  void read_ahead() { reads_ahead_ = true; }
  /// The SSL gets what comes as it comes again.
  void read_on() { reads_ahead_ = false; }
  /// What the SSL has not asked for. A read would deliver it.
  bool has_ahead() const { return !ahead_.empty(); }
  std::string take_ahead() { return std::move(ahead_); }
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
  net::IoResult take_ahead(std::span<char> into);
  net::IoResult read(std::span<char> into);
  std::unique_ptr<net::Stream> under_;
  std::string unsent_;
  std::string ahead_;
  net::IoState last_read_ = net::IoState::want_read;
  bool reading_ended_ = false;
  bool reads_ahead_ = false;
};

}  // namespace gatehouse::tls::detail
