#include "core/tls/detail/wire.hpp"

#include <algorithm>
#include <array>

#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {

using net::IoResult;
using net::IoState;

namespace {

/// What one call into OpenSSL may write at most: a peer that makes us answer and takes no answer
/// must not fill our memory. Four full records and what goes with them are far less.
constexpr std::size_t most_outgoing = 256 * 1024;

/// A ClientHello with a post-quantum key, or the flight that ends a handshake, and a request.
constexpr std::size_t most_ahead = 4 * 1024;

/// The octets one call into OpenSSL wrote: one a thread, because between calls it is empty.
std::string& outgoing() {
  thread_local std::string octets;
  return octets;
}

}  // namespace

/// What OpenSSL calls.
struct Wire::Calls {
  static Wire& wire(BIO* bio) { return *static_cast<Wire*>(BIO_get_data(bio)); }

  static int write(BIO* bio, const char* data, int size) noexcept {
    BIO_clear_retry_flags(bio);
    if (outgoing().size() + wire(bio).unsent_.size() > most_outgoing) return -1;
    try {
      outgoing().append(data, static_cast<std::size_t>(size));
    } catch (...) {
      return -1;  // no memory
    }
    return size;
  }

  static int read(BIO* bio, char* data, int size) noexcept {
    BIO_clear_retry_flags(bio);
    Wire& self = wire(bio);
    if (size <= 0) return 0;
    if (self.reading_ended_) return -1;
    try {
      const IoResult got = self.read(std::span<char>(data, static_cast<std::size_t>(size)));
      self.last_read_ = got.state;
      switch (got.state) {
        case IoState::done:
          return static_cast<int>(got.bytes);
        case IoState::want_read:
        case IoState::want_write:
          BIO_set_retry_read(bio);
          return -1;
        case IoState::end:
          return 0;
        case IoState::failed:
          return -1;
      }
    } catch (...) {
      self.last_read_ = IoState::failed;
    }
    return -1;
  }

  static long control(BIO* bio, int command, long, void*) noexcept {
    switch (command) {
      case BIO_CTRL_FLUSH:
        return 1;  // flush() comes after the call
      case BIO_CTRL_EOF:
        return wire(bio).last_read_ == IoState::end ? 1 : 0;
      default:
        return 0;
    }
  }

  static BIO_METHOD* method() {
    static BIO_METHOD* const methods = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
      BIO_meth_set_write(made, write);
      BIO_meth_set_read(made, read);
      BIO_meth_set_ctrl(made, control);
      return made;
    }();
    return methods;
  }
};

bool Wire::attach(ssl_st* ssl) {
  BIO* bio = BIO_new(Calls::method());
  if (bio == nullptr) return false;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  return true;
}

IoResult Wire::take_ahead(std::span<char> into) {
  const std::size_t bytes = std::min(ahead_.size(), into.size());
  std::copy_n(ahead_.begin(), bytes, into.begin());
  ahead_.erase(0, bytes);
  return {IoState::done, bytes};
}

IoResult Wire::read(std::span<char> into) {
  if (!ahead_.empty()) return take_ahead(into);
  if (!reads_ahead_ || into.size() >= most_ahead) return under_->try_read(into);
  std::array<char, most_ahead> octets;
  const IoResult got = under_->try_read(octets);
  if (got.state != IoState::done) return got;
  ahead_.assign(octets.data(), got.bytes);
  return take_ahead(into);
}

IoState put(net::Stream& under, std::string_view& rest) {
  while (!rest.empty()) {
    const IoResult got = under.try_write(rest);
    if (got.state != IoState::done) return got.state;
    rest.remove_prefix(got.bytes);
  }
  return IoState::done;
}

IoState Wire::flush() {
  std::string& fresh = outgoing();
  if (!unsent_.empty()) {
    unsent_ += fresh;
    fresh.clear();
  }
  std::string_view rest = unsent_.empty() ? std::string_view(fresh) : std::string_view(unsent_);
  const IoState state = put(*under_, rest);
  std::string kept(state == IoState::failed ? std::string_view() : rest);
  unsent_ = std::move(kept);
  fresh.clear();
  return state;
}

}  // namespace gatehouse::tls::detail
