#pragma once

#include <utility>

#include "core/tls/tls_stream.hpp"

namespace gatehouse::tls::detail {

/// What makes records with an SSL and what makes them without have in common: a stream below, how
/// each direction ends, and octets of the caller that are encrypted but have not left.
class RecordStream : public TlsStream {
 public:
  awaitable<Result<void>> wait(net::Want want) override { return under().wait(want); }
  void rest(std::unique_ptr<net::Sleeper> sleeper) override { under().rest(std::move(sleeper)); }
  void deadline(net::Want want, Steady when) override { under().deadline(want, when); }
  void close() noexcept override { under().close(); }
  int descriptor() const override { return under().descriptor(); }
  const SessionFacts& facts() const override { return facts_; }

 protected:
  /// What one try_write() encrypts at most: four full records leave in one send.
  static constexpr std::size_t most_at_once = 64 * 1024;
  /// Reads that silent() spends on what TLS has to say to itself.
  static constexpr int most_peeks = 4;

  RecordStream(Side side, SessionFacts facts) : TlsStream(side), facts_(std::move(facts)) {}
  virtual net::Stream& under() const = 0;

  bool read_over() const { return read_over_; }
  net::IoResult read_end() const { return {end_, 0}; }
  /// No more reads, which end like this: IoState::end or failed.
  void end_reads(net::IoState end) {
    read_over_ = true;
    end_ = end;
  }
  /// The stream below ended without close_notify: somebody between us could have cut it short (RFC
  /// 8446 §6.1).
  void fail_cut_short() { fail(Fault::closed, "TLS: the connection ended without close_notify"); }

  bool broken() const { return broken_; }
  /// A fatal error: nothing is read or written any more, and no SSL touched.
  void break_down() { broken_ = true; }
  bool shut() const { return shut_; }
  void shut_down() { shut_ = true; }

  net::IoResult dead() const { return {net::IoState::failed, 0}; }
  /// False: the end was reached before, and try_write() is dead().
  bool takes_writes();
  /// Octets of the caller that wait, encrypted; more are taken when they have left.
  std::size_t encrypted() const { return encrypted_; }
  /// What try_write() says when its octets left, or did not, like this.
  net::IoResult sent(net::IoState state, std::size_t bytes);

 private:
  SessionFacts facts_;
  std::size_t encrypted_ = 0;
  net::IoState end_ = net::IoState::end;
  bool read_over_ = false;
  bool broken_ = false;
  bool shut_ = false;
};

}  // namespace gatehouse::tls::detail
