#include "core/http/h2_session.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <new>
#include <vector>

#include "core/base/bytes.hpp"
#include "core/base/recycling.hpp"
#include "core/http/detail/session_memory.hpp"

namespace gatehouse::http {
namespace {

constexpr std::size_t frame_head_bytes = 9;
// Less room than this is left unused: a frame should carry more than itself.
constexpr std::size_t least_room = 512;
constexpr std::size_t most_frame_bytes = 16 * 1024;
constexpr std::uint64_t least_connection_window = 1024 * 1024;
constexpr std::uint64_t most_connection_window = 16 * 1024 * 1024;
constexpr std::size_t most_waiting_acks = 1000;
constexpr std::size_t most_settings_entries = 32;
// NGHTTP2_ERR_TOO_MANY_CONTINUATIONS, which headers before 1.61 know only where it was patched in.
constexpr int too_many_continuations = -905;
constexpr int first_extension_type = 0xa;

std::string_view view(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}
std::uint8_t* octets(std::string_view text) {
  // The library's structs are not const-correct; it copies and never writes.
  return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
}

/// RFC 7541 §7.1.3: what may be guessed octet by octet stays out of the compression table.
bool is_secret(const Field& field) {
  constexpr FieldNames always = {FieldName::authorization, FieldName::proxy_authorization,
                                 FieldName::set_cookie};
  return always.has(field.which) || (field.which == FieldName::cookie && field.value.size() < 20);
}

using Pairs = std::vector<nghttp2_nv, Recycling<nghttp2_nv>>;

Pairs to_pairs(std::span<const Field> fields) {
  Pairs pairs;
  pairs.reserve(fields.size());
  for (const Field& field : fields) {
    nghttp2_nv pair{};
    pair.name = octets(field.name);
    pair.namelen = field.name.size();
    pair.value = octets(field.value);
    pair.valuelen = field.value.size();
    pair.flags = is_secret(field) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
    pairs.push_back(pair);
  }
  return pairs;
}

/// Says whether the reset that closed a stream was ours because of what the peer did.
bool is_offence(std::uint32_t code) {
  return code == NGHTTP2_PROTOCOL_ERROR || code == NGHTTP2_FLOW_CONTROL_ERROR ||
         code == NGHTTP2_STREAM_CLOSED || code == NGHTTP2_FRAME_SIZE_ERROR ||
         code == NGHTTP2_COMPRESSION_ERROR;
}

}  // namespace

/// The library's session and what its callbacks need. The callbacks let no exception out: they end
/// receive() or pull() instead.
struct H2Session::Inside {
  H2Events& events;
  detail::SessionMemory memory;
  nghttp2_session* session = nullptr;  // see awake()
  OutputBuffer* out = nullptr;         // during pull()
  std::int32_t reset_by_us = 0;
  bool stopped = false;

  explicit Inside(H2Events& to) : events(to) {}
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() { nghttp2_session_del(awake()); }

  nghttp2_session* awake() {
    memory.wake();
    return session;
  }

  static Inside& of(void* user) { return *static_cast<Inside*>(user); }
  template <class Work>
  static int guarded(Work work) noexcept {
    try {
      return work();
    } catch (...) {
      return int{NGHTTP2_ERR_CALLBACK_FAILURE};
    }
  }
  int stop() {
    stopped = true;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }

  static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) noexcept {
    return guarded([&] {
      H2FrameHead frame;
      frame.type = head->type;
      frame.flags = head->flags;
      frame.length = head->length;
      frame.stream = head->stream_id;
      const bool goes_on = of(user).events.frame_began(frame);
      return goes_on ? 0 : of(user).stop();
    });
  }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
    return guarded([&] {
      const bool first = frame->headers.cat != NGHTTP2_HCAT_HEADERS;
      of(user).events.block_began(frame->hd.stream_id, first);
      return 0;
    });
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                       std::uint8_t, void* user) noexcept {
    return guarded([&] {
      const bool goes_on = of(user).events.field(frame->hd.stream_id, view(name, name_size),
                                                 view(value, value_size));
      return goes_on ? 0 : of(user).stop();
    });
  }

  // A field whose octets no field may have: the library would leave it out and go on. Clients only.
  static int on_invalid_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t*,
                               std::size_t, const std::uint8_t*, std::size_t, std::uint8_t,
                               void* user) noexcept {
    return guarded([&] {
      of(user).events.block_broken(frame->hd.stream_id, true);
      return int{NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE};
    });
  }

  static int on_invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int,
                              void* user) noexcept {
    return guarded([&] {
      if (frame->hd.type == NGHTTP2_HEADERS) {
        of(user).events.block_broken(frame->hd.stream_id, false);
      }
      return 0;
    });
  }

  static int on_frame_recv(nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
    return guarded([&] {
      H2Events& told = of(user).events;
      const std::int32_t stream = frame->hd.stream_id;
      const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
      switch (frame->hd.type) {
        case NGHTTP2_HEADERS:
          told.block_ended(stream, end);
          if (end) told.stream_ended(stream);
          break;
        case NGHTTP2_DATA:
          if (end) told.stream_ended(stream);
          break;
        case NGHTTP2_SETTINGS:
          if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
            told.settings_acknowledged();
          } else {
            told.settings_came();
            told.window_grew(0);
          }
          break;
        case NGHTTP2_PING:
          if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) told.ping_answered();
          break;
        case NGHTTP2_WINDOW_UPDATE:
          told.window_grew(stream);
          break;
        case NGHTTP2_GOAWAY:
          told.goaway_came(frame->goaway.last_stream_id,
                           static_cast<H2Code>(frame->goaway.error_code));
          break;
        default:
          break;
      }
      return 0;
    });
  }

  // Frames nobody knows are asked for only so that they can be counted.
  static int unpack_extension(nghttp2_session*, void**, const nghttp2_frame_hd*, void*) noexcept {
    return NGHTTP2_ERR_CANCEL;
  }

  static int on_data_chunk(nghttp2_session*, std::uint8_t, std::int32_t stream,
                           const std::uint8_t* bytes, std::size_t size, void* user) noexcept {
    return guarded([&] {
      of(user).events.data(stream, view(bytes, size));
      return 0;
    });
  }

  static int on_stream_close(nghttp2_session*, std::int32_t stream, std::uint32_t code,
                             void* user) noexcept {
    return guarded([&] {
      const bool ours = of(user).reset_by_us == stream && is_offence(code);
      of(user).events.stream_closed(stream, static_cast<H2Code>(code), ours);
      return 0;
    });
  }

  static int before_frame_send(nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
    if (frame->hd.type == NGHTTP2_RST_STREAM) of(user).reset_by_us = frame->hd.stream_id;
    return 0;
  }

  static int on_frame_send(nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
    return guarded([&] {
      if (frame->hd.type == NGHTTP2_RST_STREAM) {
        of(user).events.reset_sent(frame->hd.stream_id,
                                   static_cast<H2Code>(frame->rst_stream.error_code));
      }
      return 0;
    });
  }

  // A request that was never sent, because the peer says goodbye or takes no more streams.
  static int on_frame_not_send(nghttp2_session*, const nghttp2_frame* frame, int,
                               void* user) noexcept {
    return guarded([&] {
      if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        of(user).events.stream_closed(frame->hd.stream_id, H2Code::refused_stream, false);
      }
      return 0;
    });
  }

  static ssize_t read_length(nghttp2_session*, std::uint8_t, std::int32_t,
                             std::int32_t session_window, std::int32_t stream_window,
                             std::uint32_t max_frame, void* user) noexcept {
    const std::size_t room = of(user).out->room();
    const std::size_t payload = room > frame_head_bytes ? room - frame_head_bytes : 1;
    const auto window =
        static_cast<std::size_t>(std::max(1, std::min(session_window, stream_window)));
    return static_cast<ssize_t>(
        std::min({payload, window, static_cast<std::size_t>(max_frame), most_frame_bytes}));
  }

  static ssize_t read_data(nghttp2_session* session, std::int32_t stream, std::uint8_t*,
                           std::size_t most, std::uint32_t* flags, nghttp2_data_source*,
                           void* user) noexcept {
    ssize_t bytes = NGHTTP2_ERR_CALLBACK_FAILURE;
    const int done = guarded([&] {
      const H2Portion portion = of(user).events.portion(stream, most);
      if (portion.bytes == 0 && !portion.end) {
        bytes = NGHTTP2_ERR_DEFERRED;
        return 0;
      }
      *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
      if (portion.end) *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (portion.end && portion.trailers != nullptr && !portion.trailers->empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        of(user).submit_trailers(session, stream, *portion.trailers);
      }
      bytes = static_cast<ssize_t>(portion.bytes);
      return 0;
    });
    return done == 0 ? bytes : ssize_t{NGHTTP2_ERR_CALLBACK_FAILURE};
  }

  void submit_trailers(nghttp2_session* to, std::int32_t stream, const Fields& trailers) {
    const std::vector<Field> lines(trailers.begin(), trailers.end());
    const Pairs pairs = to_pairs(lines);
    nghttp2_submit_trailer(to, stream, pairs.data(), pairs.size());
  }

  static int send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head,
                       std::size_t length, nghttp2_data_source*, void* user) noexcept {
    return guarded([&] {
      OutputBuffer& to = *of(user).out;
      to.append(view(head, frame_head_bytes));
      to.append(of(user).events.take(frame->hd.stream_id, length));
      return int{NGHTTP2_ERR_PAUSE};  // sent; pull() looks at the room left
    });
  }

  static nghttp2_session_callbacks* callbacks() {
    nghttp2_session_callbacks* made = nullptr;
    if (nghttp2_session_callbacks_new(&made) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, &on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, &on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, &on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(made, &on_invalid_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, &on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, &on_frame_recv);
    nghttp2_session_callbacks_set_unpack_extension_callback(made, &unpack_extension);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, &on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, &on_stream_close);
    nghttp2_session_callbacks_set_before_frame_send_callback(made, &before_frame_send);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, &on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(made, &on_frame_not_send);
    nghttp2_session_callbacks_set_data_source_read_length_callback(made, &read_length);
    nghttp2_session_callbacks_set_send_data_callback(made, &send_data);
    return made;
  }
  static nghttp2_data_provider provider() {
    nghttp2_data_provider made{};
    made.read_callback = &read_data;
    return made;
  }
};

H2Session::H2Session(Role role, H2Events& events, const H2SessionSettings& settings)
    : inside_(std::make_unique<Inside>(events)) {
  struct Free {
    void operator()(nghttp2_session_callbacks* c) const { nghttp2_session_callbacks_del(c); }
    void operator()(nghttp2_option* o) const { nghttp2_option_del(o); }
  };
  const std::unique_ptr<nghttp2_session_callbacks, Free> callbacks(Inside::callbacks());
  nghttp2_option* raw = nullptr;
  if (nghttp2_option_new(&raw) != 0) throw std::bad_alloc();
  const std::unique_ptr<nghttp2_option, Free> option(raw);
  nghttp2_option_set_no_auto_window_update(raw, 1);
  // Requests are judged by H2Block, their bodies' lengths by H2Stream: twice would cost a twentieth
  // of a request. tests/fuzz/h2_server holds that what passes them passes the library too.
  nghttp2_option_set_no_http_messaging(raw, role == Role::server ? 1 : 0);
  nghttp2_option_set_no_closed_streams(raw, 1);
  nghttp2_option_set_max_reserved_remote_streams(raw, 0);
  for (int type = first_extension_type; type <= 0xff; ++type) {
    nghttp2_option_set_user_recv_extension_type(raw, static_cast<std::uint8_t>(type));
  }
  nghttp2_option_set_max_outbound_ack(raw, most_waiting_acks);
  nghttp2_option_set_max_settings(raw, most_settings_entries);
  const auto make =
      role == Role::server ? &nghttp2_session_server_new3 : &nghttp2_session_client_new3;
  using detail::SessionMemory;
  nghttp2_mem memory{&inside_->memory, &SessionMemory::take, &SessionMemory::give,
                     &SessionMemory::take_cleared, &SessionMemory::resize};
  if (make(&inside_->session, callbacks.get(), inside_.get(), raw, &memory) != 0) {
    throw std::bad_alloc();
  }
  inside_->memory.made();

  std::vector<nghttp2_settings_entry> entries;
  const auto add = [&](std::int32_t id, std::uint32_t value) { entries.push_back({id, value}); };
  if (role == Role::server) {
    add(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.max_streams);
    if (settings.extended_connect) add(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
  } else {
    add(NGHTTP2_SETTINGS_ENABLE_PUSH, 0);
  }
  add(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings.stream_window);
  add(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings.header_list_bytes);
  add(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1);
  // Room for every stream at its first size, and for what some of them get beyond that, so that
  // those that nobody reads stall no other. Twice: what was read is told when it is half of all.
  const auto all = std::min(std::uint64_t{settings.max_streams} * settings.stream_window,
                            most_connection_window);
  const auto room = 2 * (std::max(all, least_connection_window) + h2_spare_window);
  nghttp2_session* const session = inside_->session;
  if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries.data(), entries.size()) != 0 ||
      nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0,
                                            static_cast<std::int32_t>(room)) != 0) {
    throw std::bad_alloc();
  }
}

H2Session::~H2Session() = default;

H2Session::Received H2Session::receive(std::string_view bytes) {
  const auto got = nghttp2_session_mem_recv(
      inside_->awake(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (got >= 0) return Received::all;
  if (inside_->stopped) return Received::stopped;
  if (got == NGHTTP2_ERR_BAD_CLIENT_MAGIC) return Received::not_http2;
  if (got == NGHTTP2_ERR_FLOODED) return Received::flooded;
  if (got == too_many_continuations) return Received::endless_block;
  return Received::failed;
}

bool H2Session::pull(OutputBuffer& out) {
  inside_->out = &out;
  while (out.room() >= least_room) {
    const std::uint8_t* bytes = nullptr;
    const std::size_t before = out.room();
    const auto size = nghttp2_session_mem_send(inside_->awake(), &bytes);
    if (size < 0) {
      inside_->out = nullptr;
      return false;
    }
    if (size > 0) out.append(view(bytes, static_cast<std::size_t>(size)));
    if (size == 0 && out.room() == before) break;  // DATA goes around the library's buffer
  }
  inside_->out = nullptr;
  return true;
}

bool H2Session::want_read() const {
  return resting() || nghttp2_session_want_read(inside_->session) != 0;
}
bool H2Session::want_write() const {
  return !resting() && nghttp2_session_want_write(inside_->session) != 0;
}
std::size_t H2Session::waiting_control() const {
  return resting() ? 0 : nghttp2_session_get_outbound_queue_size(inside_->session);
}

void H2Session::rest() {
  if (want_read() && !want_write()) inside_->memory.rest();
}
bool H2Session::resting() const { return inside_->memory.resting(); }

std::int32_t H2Session::submit_request(std::span<const Field> fields, End end) {
  const Pairs pairs = to_pairs(fields);
  const nghttp2_data_provider provider = Inside::provider();
  const std::int32_t stream =
      nghttp2_submit_request(inside_->awake(), nullptr, pairs.data(), pairs.size(),
                             end == End::last ? nullptr : &provider, nullptr);
  return std::max(stream, 0);
}

bool H2Session::submit_head(std::int32_t stream, std::span<const Field> fields, End end) {
  const Pairs pairs = to_pairs(fields);
  const nghttp2_data_provider provider = Inside::provider();
  return nghttp2_submit_response(inside_->awake(), stream, pairs.data(), pairs.size(),
                                 end == End::last ? nullptr : &provider) == 0;
}

bool H2Session::submit_informational(std::int32_t stream, std::span<const Field> fields) {
  const Pairs pairs = to_pairs(fields);
  return nghttp2_submit_headers(inside_->awake(), NGHTTP2_FLAG_NONE, stream, nullptr, pairs.data(),
                                pairs.size(), nullptr) == 0;
}

void H2Session::resume(std::int32_t stream) {
  nghttp2_session_resume_data(inside_->awake(), stream);  // fails only when nothing was deferred
}

void H2Session::reset(std::int32_t stream, H2Code code) {
  nghttp2_submit_rst_stream(inside_->awake(), NGHTTP2_FLAG_NONE, stream,
                            static_cast<std::uint32_t>(code));
}

void H2Session::consume(std::int32_t stream, std::size_t bytes) {
  if (bytes > 0) nghttp2_session_consume(inside_->awake(), stream, bytes);
}

void H2Session::widen(std::int32_t stream, std::size_t window) {
  nghttp2_session_set_local_window_size(inside_->awake(), NGHTTP2_FLAG_NONE, stream,
                                        static_cast<std::int32_t>(window));
}

void H2Session::ping() { nghttp2_submit_ping(inside_->awake(), NGHTTP2_FLAG_NONE, nullptr); }

void H2Session::notice_shutdown() { nghttp2_submit_shutdown_notice(inside_->awake()); }

void H2Session::finish_shutdown() {
  nghttp2_submit_goaway(inside_->awake(), NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(inside_->awake()), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

void H2Session::terminate(H2Code code) {
  nghttp2_session_terminate_session(inside_->awake(), static_cast<std::uint32_t>(code));
}

std::string H2Session::goaway_frame(H2Code code) const {
  const auto last = static_cast<std::uint32_t>(
      std::max(0, nghttp2_session_get_last_proc_stream_id(inside_->awake())));
  std::string frame("\0\0\x08\x07\0\0\0\0\0", frame_head_bytes);
  for (const std::uint32_t word : {last, static_cast<std::uint32_t>(code)}) {
    for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>((word >> shift) & 0xFF);
  }
  return frame;
}

std::size_t H2Session::send_window(std::int32_t stream) const {
  const std::int32_t own = nghttp2_session_get_stream_remote_window_size(inside_->awake(), stream);
  const std::int32_t all = nghttp2_session_get_remote_window_size(inside_->awake());
  return static_cast<std::size_t>(std::max(0, std::min(own, all)));
}

std::uint32_t H2Session::peer_max_streams() const {
  return nghttp2_session_get_remote_settings(inside_->awake(),
                                             NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool H2Session::peer_extended_connect() const {
  return nghttp2_session_get_remote_settings(inside_->awake(),
                                             NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

}  // namespace gatehouse::http
