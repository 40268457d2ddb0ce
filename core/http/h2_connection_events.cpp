// What the session tells its connection while frames are read and written.

#include "core/http/h2_connection.hpp"
#include "core/http/h2_stream.hpp"

namespace gatehouse::http {
namespace {

constexpr std::uint8_t ack_flag = 0x1;
constexpr std::uint8_t end_stream_flag = 0x1;
constexpr std::uint8_t end_headers_flag = 0x4;

}  // namespace

bool H2Connection::judge(H2Abuse found) {
  if (found != H2Abuse::none && abuse_ == H2Abuse::none) abuse_ = found;
  return abuse_ == H2Abuse::none;
}

bool H2Connection::frame_began(const H2FrameHead& frame) {
  using Event = H2Guard::Event;
  const Steady now = worker_.clock.steady();
  const bool ack = (frame.flags & ack_flag) != 0;
  switch (static_cast<H2FrameType>(frame.type)) {
    case H2FrameType::data:
      if (frame.length == 0 && (frame.flags & end_stream_flag) == 0) {
        return judge(guard_.saw(Event::empty_frame, now));
      }
      guard_.moved_data();
      return true;
    case H2FrameType::headers:
    case H2FrameType::continuation: {
      const bool more = (frame.flags & end_headers_flag) == 0;
      const bool first = static_cast<H2FrameType>(frame.type) == H2FrameType::headers;
      if (first) {
        guard_.header_block_began();
      } else if (!judge(guard_.saw_continuation(frame.length, now))) {
        return false;
      }
      if (!more) {
        block_began_ = Steady::max();
      } else if (block_began_ == Steady::max()) {
        block_began_ = now;
      }
      return !first || frame.length > 0 || !more || judge(guard_.saw(Event::empty_frame, now));
    }
    case H2FrameType::priority:
    case H2FrameType::priority_update:
      return judge(guard_.saw(Event::priority, now));
    case H2FrameType::rst_stream:
      return judge(guard_.saw(Event::peer_reset, now));
    case H2FrameType::settings:
      return ack || judge(guard_.saw(Event::settings, now));
    case H2FrameType::ping:
      return ack || judge(guard_.saw(Event::ping, now));
    case H2FrameType::window_update:
      return judge(guard_.saw(Event::window_update, now));
    case H2FrameType::push_promise:
    case H2FrameType::goaway:
      return true;
  }
  return judge(guard_.saw(Event::unknown_frame, now));
}

bool H2Connection::field(std::int32_t, std::string_view name, std::string_view value) {
  return block_.add(name, value) || judge(H2Abuse::header_bomb);
}

/// What resets for bad octets say does not tell that it is the peer's fault: those are counted
/// here.
void H2Connection::block_broken(std::int32_t, bool octets) {
  begin_block(0, nullptr);
  if (octets) judge(guard_.saw(H2Guard::Event::own_reset, worker_.clock.steady()));
}

void H2Connection::data(std::int32_t id, std::string_view bytes) {
  H2Stream* const stream = find(id);
  if (stream == nullptr || stream->failed()) return session_.consume(id, bytes.size());
  came_ += bytes.size();
  if (stream->arrived(bytes)) return;
  session_.consume(id, bytes.size());
  break_off(*stream, refuse(400, "body_too_long"));
}

void H2Connection::stream_ended(std::int32_t id) {
  H2Stream* const stream = find(id);
  if (stream == nullptr || stream->failed()) return;
  if (!stream->ended()) break_off(*stream, refuse(400, "body_too_short"));
}

void H2Connection::stream_closed(std::int32_t id, H2Code code, bool ours) {
  H2Stream* const stream = find(id);
  if (stream == nullptr || stream->complete()) return;
  const Fault fault = ours                             ? Fault::bad_message
                      : code == H2Code::refused_stream ? Fault::refused
                                                       : Fault::closed;
  stream->closed(Error(fault, peer(), ours ? "stream broke the protocol" : "stream was reset"));
}

void H2Connection::window_grew(std::int32_t) {}  // the session takes up again what it held back

void H2Connection::reset_sent(std::int32_t, H2Code code) {
  switch (code) {
    case H2Code::protocol_error:
    case H2Code::flow_control_error:
    case H2Code::stream_closed:
    case H2Code::frame_size_error:
      judge(guard_.saw(H2Guard::Event::own_reset, worker_.clock.steady()));
      break;
    case H2Code::refused_stream:  // opened faster than what came before could end
      judge(guard_.saw(H2Guard::Event::peer_reset, worker_.clock.steady()));
      break;
    case H2Code::no_error:
    case H2Code::internal_error:
    case H2Code::settings_timeout:
    case H2Code::cancel:
    case H2Code::compression_error:
    case H2Code::connect_error:
    case H2Code::enhance_your_calm:
    case H2Code::inadequate_security:
    case H2Code::http_1_1_required:
      break;  // our own doing
  }
}

H2Portion H2Connection::portion(std::int32_t id, std::size_t most) {
  H2Stream* const stream = find(id);
  return stream == nullptr ? H2Portion() : stream->portion(most);
}

std::string_view H2Connection::take(std::int32_t id, std::size_t bytes) {
  guard_.moved_data();
  H2Stream* const stream = find(id);
  return stream == nullptr ? std::string_view() : stream->take(bytes);
}

void H2Connection::begin_block(std::int32_t id, Fields* into) {
  block_stream_ = id;
  if (into == nullptr) into = &scratch_;
  into->clear();
  block_.begin(*into);
}

void H2Connection::judge_trailers(H2Stream& stream, bool end_stream) {
  if (stream.failed()) return;
  Refusal refusal = block_.trailers();
  if (!refusal && !end_stream) refusal = refuse(400, "trailers_without_end");
  if (!refusal) return;
  stream.trailers().clear();
  break_off(stream, refusal);
}

void H2Connection::break_off(H2Stream& stream, const Refusal& why) {
  const bool too_much = why.status == 431;
  session_.reset(stream.id(), too_much ? H2Code::enhance_your_calm : H2Code::protocol_error);
  stream.closed(
      Error(too_much ? Fault::limit : Fault::bad_message, peer(), std::string(why.reason)));
}

}  // namespace gatehouse::http
