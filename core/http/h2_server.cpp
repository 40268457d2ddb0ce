#include "core/http/h2_server.hpp"

#include "core/http/grpc.hpp"
#include "core/http/h2_server_exchange.hpp"

namespace gatehouse::http {
namespace {

H2SessionSettings session_settings(const H2ServerSettings& settings) {
  H2SessionSettings out;
  out.max_streams = settings.streams;
  out.stream_window = settings.stream_window;
  out.header_list_bytes = static_cast<std::uint32_t>(settings.head.header_bytes);
  return out;
}

H2Patience patience_of(const H2ServerSettings& settings) {
  H2Patience out;
  out.header = settings.request_header;
  out.idle = settings.idle;
  out.write_idle = settings.write_idle;
  return out;
}

}  // namespace

H2ServerConnection::H2ServerConnection(net::Stream& stream, H2ServerWorker worker,
                                       const H2ServerSettings& settings, H2Road& road)
    : H2Connection(stream, worker, H2Session::Role::server, session_settings(settings),
                   settings.head, patience_of(settings)),
      date_(worker.date),
      entropy_(worker.entropy),
      settings_(settings),
      road_(road) {}

H2ServerConnection::~H2ServerConnection() = default;

bool H2ServerConnection::make_way() {
  if (draining() || !idle_for(idle_after)) return false;
  drain();
  idle_at_most(drain_grace);
  return true;
}

void H2ServerConnection::block_began(std::int32_t id, bool first) {
  opening_.reset();
  if (!first) {
    H2Stream* const stream = find(id);
    return begin_block(id, stream == nullptr ? nullptr : &stream->trailers());
  }
  // Exchanges count until they end, not until their streams do: resetting those must not make room
  // for more work (CVE-2023-44487, CVE-2025-8671).
  if (streams() < settings_.streams) {
    opening_ = std::make_unique<H2ServerExchange>(*this, settings_);
  } else {
    refused_ = id;
  }
  begin_block(id, opening_ ? &opening_->head_.fields : nullptr);
}

void H2ServerConnection::block_ended(std::int32_t id, bool end_stream) {
  H2Stream* const stream = find(id);
  if (stream != nullptr) return judge_trailers(*stream, end_stream);
  if (!opening_) {
    if (id == refused_) session().reset(id, H2Code::refused_stream);
    return;
  }
  auto exchange = std::move(opening_);
  const End end = end_stream ? End::last : End::more;
  std::string key;
  if (block().asks_for_protocol()) key = entropy_.octets(16);
  const Refusal refusal = block().request(settings_.scheme, end, key, exchange->head_);
  if (refusal) return turn_away(id, refusal, end);
  exchange->continue_wanted_ = exchange->head_.expects_continue;
  exchange->may_be_silent_ = speaks_grpc(exchange->head_);
  const BodyLength& length = exchange->head_.length;
  if (length.kind == BodyLength::Kind::counted) exchange->announce(length.bytes);
  enter(*exchange, id);
  fresh_.push_back(std::move(exchange));
}

/// RFC 9113 §8.1.1: what is malformed gets no answer; what is only refused does.
void H2ServerConnection::turn_away(std::int32_t id, const Refusal& refusal, End end) {
  if (refusal.status == 400) {
    session().reset(id, H2Code::protocol_error);
  } else {
    ResponseHead head;
    head.status = refusal.status;
    if (refusal.status == 405)
      head.fields.add("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    head.fields.add("cache-control", "no-store");
    session().submit_head(id, lines().response(head, date()), End::last);
    if (end == End::more) session().reset(id, H2Code::no_error);
  }
  road_.refused(refusal);
}

void H2ServerConnection::received() {
  // Handing over may run the road until its first wait: nothing of ours may be half done.
  std::vector<std::unique_ptr<H2ServerExchange>> fresh;
  fresh.swap(fresh_);
  for (auto& exchange : fresh) {
    ++requests_;
    if (settings_.requests != 0 && requests_ >= settings_.requests) drain();
    road_.request(std::move(exchange));
  }
  fresh.clear();
  if (fresh_.empty()) fresh_.swap(fresh);  // its room is used again
}

}  // namespace gatehouse::http
