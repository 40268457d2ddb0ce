// One request from its head to its line in the log.

#include <algorithm>
#include <array>
#include <exception>

#include "core/base/bytes.hpp"
#include "proxy/serve/access_ring.hpp"
#include "proxy/serve/detail/transaction.hpp"
#include "proxy/serve/forwarded_fields.hpp"
#include "proxy/serve/handlers/chain.hpp"
#include "proxy/serve/handlers/challenge.hpp"
#include "proxy/serve/handlers/redirect.hpp"
#include "proxy/serve/handlers/status.hpp"
#include "proxy/serve/listening.hpp"

namespace gatehouse::serve::detail {
namespace {

bool visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

/// Of gatehouse_rejected_total, for a head that was no request.
std::string_view label_of(const http::Refusal& refusal) {
  switch (refusal.status) {
    case 408:
      return "timeout";
    case 413:
    case 414:
    case 431:
      return "too_large";
    default:
      return "malformed";
  }
}

}  // namespace

Transaction::Transaction(Worker& worker, const Door& door, const Entrance& entrance,
                         const ConnectionFacts& connection)
    : worker_(worker), door_(door), entrance_(entrance) {
  static_cast<ConnectionFacts&>(facts_) = connection;
}

awaitable<void> Transaction::answer(http::ServerExchange& exchange) {
  const auto held = door_.snapshot(worker_);
  const Snapshot& snapshot = *held;
  const http::RequestHead& request = exchange.request();
  begin_request(request, snapshot);
  const Admission admission = admit(snapshot, entrance_, worker_.challenges, request, facts_,
                                    worker_.certificates, path_room_);
  facts_.site = admission.site;
  facts_.route = admission.route;
  facts_.rejected = admission.reason;
  if (admission.last) exchange.close_after();
  std::exception_ptr cut;
  try {
    if (admission.kind == Admission::Kind::to_route) {
      co_await run_handlers(worker_, exchange, *admission.route, facts_);
    } else {
      co_await send(exchange, admission);
    }
  } catch (...) {
    cut = std::current_exception();  // cancelled, or our bug: the request has its line all the same
    if (facts_.error.empty()) facts_.error = "cut";
  }
  facts_.bytes_in += exchange.body_bytes_in();  // a tunnel has told its own
  facts_.bytes_out += exchange.body_bytes_out();
  end_request(request);
  if (cut) std::rethrow_exception(cut);
}

void Transaction::begin_request(const http::RequestHead& request, const Snapshot& snapshot) {
  facts_.next_request();
  facts_.began = worker_.clock.steady();
  facts_.snapshot = &snapshot;
  const ClientAddress client = resolve_client(request.fields, facts_.peer, snapshot.trusted());
  facts_.client_ip = client.ip;
  facts_.peer_trusted = client.peer_trusted;
  write_id();
  facts_.id = std::string_view(id_.data(), id_.size());
  if (client.peer_trusted) {
    const auto given = request.fields.find("X-Request-Id");
    if (given && !given->empty() && given->size() <= 128 && visible(*given)) facts_.id = *given;
  }
  if (worker_.access) {
    facts_.user_agent =
        request.fields.find(http::FieldName::user_agent).value_or(std::string_view());
    facts_.referer = request.fields.find(http::FieldName::referer).value_or(std::string_view());
  }
}

void Transaction::write_id() {
  std::array<std::uint64_t, 2> bits{};
  static_assert(sizeof bits * 2 == std::tuple_size_v<decltype(id_)>);
  for (std::uint64_t& half : bits) half = worker_.random();
  write_hex({reinterpret_cast<const char*>(bits.data()), sizeof bits}, id_.data());
}

awaitable<void> Transaction::send(http::ServerExchange& exchange, const Admission& admission) {
  switch (admission.kind) {
    case Admission::Kind::challenge:
      ++worker_.counters.challenges;
      co_await send_challenge(exchange, facts_, *admission.key_authorization);
      break;
    case Admission::Kind::refused:
      if (admission.status == 400) exchange.close_after();
      co_await send_status(exchange, facts_, admission.status);
      break;
    case Admission::Kind::wait_then_to_https:
      co_await send_to_https_when_ready(worker_, exchange, *admission.site, facts_);
      break;
    case Admission::Kind::to_https: {
      std::string to = https_location(exchange.request(), admission.site->https_port);
      co_await send_redirect(exchange, facts_, 308, std::move(to));
      break;
    }
    case Admission::Kind::to_route:
      break;  // answer() saw to it
  }
}

void Transaction::end_request(const http::RequestHead& request) {
  Counters& counters = worker_.counters;
  ++counters.requests;
  ++counters.answers[facts_.status > 0 ? static_cast<std::size_t>(facts_.status / 100) : 0];
  if (!facts_.rejected.empty()) counters.reject(facts_.rejected);
  counters.bytes_in += facts_.bytes_in;
  counters.bytes_out += facts_.bytes_out;
  log_line(request);
}

void Transaction::log_line(const http::RequestHead& request) {
  if (!worker_.access || (facts_.route && !facts_.route->settings.access_log)) return;
  const Steady now = worker_.clock.steady();
  facts_.began_wall = worker_.clock.wall() - (now - facts_.began);
  LineText& line = worker_.access->line();
  line.clear();
  facts_.snapshot->access_format().write(line, request, facts_, now, worker_.access->hash_key());
  if (!worker_.access->put(line.view())) ++worker_.counters.log_lines_dropped;
}

void Transaction::refused(const http::Refusal& refusal, http::Version version) {
  const auto held = door_.snapshot(worker_);
  http::RequestHead none;
  none.version = version;
  begin_request(none, *held);
  facts_.status = refusal.status;
  facts_.error = refusal.reason;
  facts_.rejected = label_of(refusal);
  end_request(none);
}

}  // namespace gatehouse::serve::detail
