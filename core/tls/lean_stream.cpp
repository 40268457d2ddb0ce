#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "core/tls/detail/record_layer.hpp"
#include "core/tls/detail/record_stream.hpp"
#include "core/tls/detail/session.hpp"
#include "core/tls/detail/traffic_secrets.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

using net::IoResult;
using net::IoState;

/// Octets off the wire, records that were opened in place, and what of them nobody has taken yet.
/// Holds memory only while there is something in it: blocks go round among the connections of a
/// thread. A peer that fills its block gets a large one for as long as it does, so that a bulk of
/// octets takes few calls, and one that sends half a record and stops holds little.
class Inbox {
 public:
  static constexpr std::size_t largest_record = header_octets + most_content + 256;
  /// While one record is incomplete, another fits behind it.
  static constexpr std::size_t small = 2 * largest_record;
  /// Four, as many as their reader has room for, behind one that is incomplete.
  static constexpr std::size_t large = 5 * largest_record;

  Inbox() = default;
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  /// Not opened yet.
  std::span<char> sealed() { return {block_.get() + next_, end_ - next_}; }
  std::span<const char> sealed() const { return {block_.get() + next_, end_ - next_}; }
  void opened(std::size_t octets) { next_ += static_cast<std::uint32_t>(octets); }
  /// Opened, in this block, and not taken yet. At most one record's.
  std::string_view data() const { return data_; }
  void keep(std::string_view data) { data_ = data; }
  void taken(std::size_t octets) { data_.remove_prefix(octets); }
  bool empty() const { return next_ == end_ && data_.empty(); }

  /// Room for more behind sealed(), which moves to the front. Requires: no data(), and no whole
  /// record in sealed().
  std::span<char> room();
  void filled(std::size_t octets);
  /// Gives the block back when nothing is in it.
  void settle();

 private:
  using Block = std::unique_ptr<char[]>;
  static constexpr std::size_t most_spare = 64;
  static constexpr std::size_t most_spare_large = 4;  // they are held during a read, hardly longer
  static std::vector<Block>& spare(std::size_t size) {
    thread_local std::array<std::vector<Block>, 2> blocks;
    return blocks[size == large ? 1 : 0];
  }
  static Block take(std::size_t size);
  void give_back();

  Block block_;
  std::uint32_t size_ = 0;  // of it
  std::uint32_t next_ = 0;
  std::uint32_t end_ = 0;
  bool bulk_ = false;  // the last octets filled it up
  std::string_view data_;
};

Inbox::Block Inbox::take(std::size_t size) {
  std::vector<Block>& blocks = spare(size);
  if (blocks.empty()) return std::make_unique_for_overwrite<char[]>(size);
  Block block = std::move(blocks.back());
  blocks.pop_back();
  return block;
}

void Inbox::give_back() {
  std::vector<Block>& blocks = spare(size_);
  if (blocks.size() < (size_ == large ? most_spare_large : most_spare)) {
    blocks.push_back(std::move(block_));
  }
  block_.reset();
}

std::span<char> Inbox::room() {
  const std::size_t wanted = bulk_ ? large : small;
  const std::size_t rest = end_ - next_;
  if (!block_ || size_ != wanted) {
    Block other = take(wanted);
    if (rest > 0) std::memcpy(other.get(), block_.get() + next_, rest);
    if (block_) give_back();
    block_ = std::move(other);
    size_ = static_cast<std::uint32_t>(wanted);
  } else if (next_ > 0 && rest > 0) {
    std::memmove(block_.get(), block_.get() + next_, rest);
  }
  next_ = 0;
  end_ = static_cast<std::uint32_t>(rest);
  return {block_.get() + end_, size_ - end_};
}

void Inbox::filled(std::size_t octets) {
  end_ += static_cast<std::uint32_t>(octets);
  bulk_ = end_ == size_;
}

void Inbox::settle() {
  if (!empty() || !block_) return;
  next_ = end_ = 0;
  give_back();
}

/// Moves the records of TLS 1.3 without an SSL.
class LeanStream final : public RecordStream {
 public:
  LeanStream(std::unique_ptr<net::Stream> under, SessionFacts facts, Suite suite,
             const TrafficSecrets& secrets, const RecordLimits& limits)
      : RecordStream(under->side(), std::move(facts)),
        under_(std::move(under)),
        layer_(suite, secrets.client_key(), secrets.server_key(), secrets.written_records(),
               limits) {}

  /// What was taken off the stream below already.
  void begin_with(std::string_view octets);

  IoResult try_read(std::span<char> into) override;
  IoResult try_write(std::string_view from) override;
  void shutdown_write() override;
  void rest(std::unique_ptr<net::Sleeper> sleeper) override {
    layer_.rest();
    under_->rest(std::move(sleeper));
  }
  bool pending() const override;
  bool silent() override;
  bool lean() const override { return true; }

 private:
  std::size_t take(std::span<char> into);
  bool open_one(std::span<char>& into, std::size_t& total);
  IoState fill();
  void break_off();
  void say(Alert alert);
  IoState flush();
  net::Stream& under() const override { return *under_; }

  std::unique_ptr<net::Stream> under_;
  RecordLayer layer_;
  Inbox inbox_;
  std::string unsent_;  // records that the stream below did not take yet
};

void LeanStream::begin_with(std::string_view octets) {
  if (octets.empty()) return;
  const std::span<char> room = inbox_.room();
  std::copy(octets.begin(), octets.end(), room.begin());
  inbox_.filled(octets.size());
}

/// Hands out what is left of a record.
std::size_t LeanStream::take(std::span<char> into) {
  const std::string_view data = inbox_.data();
  const std::size_t bytes = std::min(data.size(), into.size());
  std::copy_n(data.begin(), bytes, into.begin());
  inbox_.taken(bytes);
  return bytes;
}

/// Opens the next record into `into`, which shrinks. False: there is none, or the end has come.
bool LeanStream::open_one(std::span<char>& into, std::size_t& total) {
  const RecordLayer::Received got = layer_.receive(inbox_.sealed(), into);
  switch (got.state) {
    case RecordLayer::State::partial:
      return false;
    case RecordLayer::State::end:
      end_reads(IoState::end);
      return false;
    case RecordLayer::State::failed:
      break_off();
      return false;
    case RecordLayer::State::taken:
      break;
  }
  inbox_.opened(got.octets);
  std::size_t bytes = got.data.size();
  if (got.data.data() != into.data()) {
    inbox_.keep(std::string_view(got.data.data(), bytes));
    bytes = take(into);
  }
  into = into.subspan(bytes);
  total += bytes;
  return true;
}

/// More octets off the stream below.
IoState LeanStream::fill() {
  const IoResult got = under_->try_read(inbox_.room());
  switch (got.state) {
    case IoState::done:
      inbox_.filled(got.bytes);
      break;
    case IoState::want_read:
    case IoState::want_write:
      break;
    case IoState::end:
      fail_cut_short();
      break_down();
      end_reads(IoState::failed);
      break;
    case IoState::failed:
      fail(under_->error());
      break_down();
      end_reads(IoState::failed);
      break;
  }
  return got.state;
}

IoResult LeanStream::try_read(std::span<char> into) {
  std::size_t total = take(into);
  into = into.subspan(total);
  while (!read_over() && inbox_.data().empty() && !into.empty()) {
    const std::span<char> sealed = inbox_.sealed();
    if (RecordLayer::whole(sealed)) {
      // A record that does not fit behind others waits as it is.
      if (total > 0 && RecordLayer::most_data_in(sealed) > into.size()) break;
      open_one(into, total);
      continue;
    }
    if (total > 0) break;
    const IoState state = fill();
    if (state == IoState::want_read || state == IoState::want_write) {
      inbox_.settle();
      return {state, 0};
    }
  }
  inbox_.settle();
  // What was read before the end is delivered first.
  if (total > 0 || !read_over()) return {IoState::done, total};
  return read_end();
}

void LeanStream::break_off() {
  fail(layer_.problem());
  if (layer_.owes_alert() && !shut()) say(layer_.alert());
  break_down();
  end_reads(IoState::failed);
}

void LeanStream::say(Alert alert) {
  std::array<char, sealed_octets(RecordLayer::alert_octets)> record;
  if (!layer_.send_alert(alert, record.data())) return;
  // If there is room for it.
  unsent_.append(record.data(), record.size());
  flush();
}

IoState LeanStream::flush() {
  std::string_view rest = unsent_;
  const IoState state = put(*under_, rest);
  unsent_.erase(0, unsent_.size() - rest.size());
  if (unsent_.empty()) unsent_.shrink_to_fit();
  return state;
}

IoResult LeanStream::try_write(std::string_view from) {
  if (!takes_writes()) return dead();
  if (encrypted() > 0) return sent(flush(), encrypted());
  if (from.empty()) return {IoState::done, 0};
  constexpr std::size_t records = most_at_once / most_content;
  using Outgoing = std::array<char, records * RecordLayer::most_sent(most_content)>;
  // Between calls nothing is in it, so that one for all connections of a thread is enough.
  thread_local const auto outgoing = std::make_unique<Outgoing>();
  std::size_t made = 0;
  std::size_t total = 0;
  const std::string_view now = from.substr(0, most_at_once);
  while (total < now.size()) {
    const std::string_view content = now.substr(total, most_content);
    const std::size_t record = layer_.send(content, outgoing->data() + made);
    if (record == 0) {
      break_down();
      fail(Fault::io, "TLS: " + openssl_problem());
      return dead();
    }
    made += record;
    total += content.size();
  }
  std::string_view rest(outgoing->data(), made);
  const IoState state = put(*under_, rest);
  if (state == IoState::want_read || state == IoState::want_write) unsent_ = rest;
  return sent(state, total);
}

bool LeanStream::pending() const {
  if (read_over()) return true;  // the end itself is to be delivered
  return !inbox_.data().empty() || RecordLayer::whole(inbox_.sealed());
}

/// A KeyUpdate may come whenever the client likes (RFC 8446 §4.6.3): octets on the socket alone say
/// nothing about the stream.
bool LeanStream::silent() {
  for (int peek = 0; peek < most_peeks; ++peek) {
    if (read_over() || !inbox_.data().empty()) return false;
    if (inbox_.empty() && under_->silent()) return true;
    if (!RecordLayer::whole(inbox_.sealed())) {
      const IoState state = fill();
      if (state != IoState::done) break;
    }
    std::span<char> nowhere;
    std::size_t none = 0;
    open_one(nowhere, none);
  }
  inbox_.settle();
  return false;  // too much of it, or half a record that may become anything
}

void LeanStream::shutdown_write() {
  if (shut()) return;
  if (!broken()) say(Alert::close_notify);
  shut_down();
  under_->shutdown_write();
}

}  // namespace

std::unique_ptr<TlsStream> make_lean_records(Session& session, const SessionFacts& facts,
                                             const TrafficSecrets& secrets,
                                             const RecordLimits& limits) {
  SSL* const ssl = session.ssl();
  if (SSL_version(ssl) != TLS1_3_VERSION) return nullptr;
  const auto suite = suite_of(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)));
  if (!suite || secrets.client().size() != secret_octets(*suite) ||
      secrets.server().size() != secret_octets(*suite)) {
    return nullptr;
  }
  // Whatever the SSL has read or is about to say under these keys would be missing.
  if (SSL_get_state(ssl) != TLS_ST_OK || SSL_get_shutdown(ssl) != 0 || SSL_has_pending(ssl) != 0 ||
      SSL_get_key_update_type(ssl) != SSL_KEY_UPDATE_NONE || secrets.read_records() != 0) {
    return nullptr;
  }
  Wire& wire = session.wire();
  const std::string early = wire.take_ahead();
  auto stream = std::make_unique<LeanStream>(wire.take_under(), facts, *suite, secrets, limits);
  stream->begin_with(early);
  // It ends here without a word, and not in a way that asks for its session to be forgotten.
  SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  session = Session();
  return stream;
}

}  // namespace gatehouse::tls::detail
