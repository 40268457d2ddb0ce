#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/http/h1_buffers.hpp"
#include "core/http/message.hpp"

/// The door to nghttp2: frames in and out of memory, as our words. No sockets, no clock. What a
/// server's session tells of messages is not judged yet: RFC 9113 §8 is its owner's to hold.
namespace gatehouse::http {

/// RFC 9113 §7.
enum class H2Code : std::uint32_t {
  no_error = 0x0,
  protocol_error = 0x1,
  internal_error = 0x2,
  flow_control_error = 0x3,
  settings_timeout = 0x4,
  stream_closed = 0x5,
  frame_size_error = 0x6,
  refused_stream = 0x7,
  cancel = 0x8,
  compression_error = 0x9,
  connect_error = 0xa,
  enhance_your_calm = 0xb,
  inadequate_security = 0xc,
  http_1_1_required = 0xd,
};

enum class H2FrameType : std::uint8_t {
  data = 0,
  headers = 1,
  priority = 2,
  rst_stream = 3,
  settings = 4,
  push_promise = 5,
  ping = 6,
  goaway = 7,
  window_update = 8,
  continuation = 9,
  priority_update = 16,
};

struct H2FrameHead {
  std::uint8_t type = 0;  // H2FrameType, or one we do not know
  std::uint8_t flags = 0;
  std::size_t length = 0;
  std::int32_t stream = 0;
};

/// What a stream has to send next.
struct H2Portion {
  std::size_t bytes = 0;
  bool end = false;                  // the body ends with these
  const Fields* trailers = nullptr;  // with `end`
};

/// What a session tells its owner, from within receive() and pull(). Neither may be called from
/// there; submitting and resetting is fine.
class H2Events {
 public:
  virtual ~H2Events() = default;
  /// Every frame, before anything is made of it. False: receive() stops with `stopped`.
  virtual bool frame_began(const H2FrameHead& frame) = 0;
  /// A header block: `first` on its stream, or a later one (final answer after 1xx, trailers).
  virtual void block_began(std::int32_t stream, bool first) = 0;
  /// False: receive() stops.
  virtual bool field(std::int32_t stream, std::string_view name, std::string_view value) = 0;
  virtual void block_ended(std::int32_t stream, bool end_stream) = 0;
  /// The block will not end: it breaks the rules and its stream is being reset, `octets`: for
  /// octets that no field may have (a server judges those itself).
  virtual void block_broken(std::int32_t stream, bool octets) = 0;
  virtual void data(std::int32_t stream, std::string_view bytes) = 0;
  virtual void stream_ended(std::int32_t stream) = 0;
  /// The stream is gone, however that came; `ours`: because it broke the rules.
  virtual void stream_closed(std::int32_t stream, H2Code code, bool ours) = 0;
  /// The peer lets us send more; stream 0: on all streams.
  virtual void window_grew(std::int32_t stream) = 0;
  virtual void settings_came() = 0;
  virtual void settings_acknowledged() = 0;
  virtual void ping_answered() = 0;
  virtual void goaway_came(std::int32_t last_stream, H2Code code) = 0;
  virtual void reset_sent(std::int32_t stream, H2Code code) = 0;
  /// What the stream has ready, at most `most` octets.
  virtual H2Portion portion(std::int32_t stream, std::size_t most) = 0;
  /// Takes what portion() told.
  virtual std::string_view take(std::int32_t stream, std::size_t bytes) = 0;
};

struct H2SessionSettings {
  std::uint32_t max_streams = 250;          // server: that the peer may have open
  std::uint32_t stream_window = 64 * 1024;  // octets a stream may send ahead of its reader
  std::uint32_t header_list_bytes = 32 * 1024;
  bool extended_connect = true;  // server: RFC 8441
};

/// What the streams of a connection may have beyond their first windows, all together: the
/// connection's own window has room for that, so that none of them stalls another.
inline constexpr std::size_t h2_spare_window = 4 * 1024 * 1024;

class H2Session {
 public:
  enum class Role : std::uint8_t { server, client };
  using Field = http::Field;

  H2Session(Role role, H2Events& events, const H2SessionSettings& settings);
  ~H2Session();

  enum class Received : std::uint8_t { all, stopped, not_http2, flooded, endless_block, failed };
  Received receive(std::string_view bytes);
  /// Serializes what is due into `out` until little room is left. False: no memory.
  bool pull(OutputBuffer& out);
  bool want_read() const;
  bool want_write() const;
  /// Control frames that wait to be sent.
  std::size_t waiting_control() const;

  /// Sets aside most of what an idle session takes in memory, until any other call but resting()
  /// needs it again: 10 microseconds. Nothing happens while there is something to be sent.
  void rest();
  bool resting() const;

  /// 0: refused (client: no stream ids are left).
  std::int32_t submit_request(std::span<const Field> fields, End end);
  bool submit_head(std::int32_t stream, std::span<const Field> fields, End end);
  bool submit_informational(std::int32_t stream, std::span<const Field> fields);
  /// The stream has something for portion() again.
  void resume(std::int32_t stream);
  void reset(std::int32_t stream, H2Code code);
  /// Gives credit back for octets that were consumed; the stream may be gone.
  void consume(std::int32_t stream, std::size_t bytes);
  /// Lets the stream's peer send that much ahead.
  void widen(std::int32_t stream, std::size_t window);
  void ping();
  /// Graceful end in two steps (RFC 9113 §6.8).
  void notice_shutdown();
  void finish_shutdown();
  /// Ends the session: GOAWAY is the last frame.
  void terminate(H2Code code);
  /// A GOAWAY as octets, for when the session itself can no longer be trusted to write one.
  std::string goaway_frame(H2Code code) const;

  /// Octets the peer lets us send on that stream now.
  std::size_t send_window(std::int32_t stream) const;
  std::uint32_t peer_max_streams() const;
  bool peer_extended_connect() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace gatehouse::http
