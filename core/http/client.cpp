#include "core/http/client.hpp"

#include <algorithm>

#include "core/base/bytes.hpp"
#include "core/net/within.hpp"

namespace gatehouse::http {
namespace {

using net::Want;

constexpr std::size_t most_idle = 16;
// Shorter than what servers usually grant, so that we seldom meet a connection just closed.
constexpr auto idle_time = std::chrono::seconds(20);

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" ||
         method == "DELETE";
}

std::string origin_of(const Url& url) {
  return url.scheme + "://" + url.host + ":" + std::to_string(url.port);
}

RequestHead head_of(const HttpRequest& request, const std::string& authority) {
  RequestHead head;
  const std::string_view target = request.url.target;
  const std::size_t mark = target.find('?');
  head.method = request.method;
  head.path = target.substr(0, mark);
  head.has_query = mark != std::string_view::npos;
  if (head.has_query) head.query = target.substr(mark + 1);
  head.authority = authority;
  if (!request.body.empty()) head.length = BodyLength::counted(request.body.size());
  for (const auto& [name, value] : request.fields) head.fields.add(name, value);
  return head;
}

}  // namespace

std::optional<std::string_view> HttpResponse::find(std::string_view name) const {
  for (const auto& [each, value] : fields) {
    if (equal_ignoring_case(each, name)) return value;
  }
  return {};
}

HttpClient::HttpClient(Clock& clock, net::Dialer& dialer, net::DeadlineWheel& wheel,
                       net::BufferPool& buffers, std::shared_ptr<const tls::ClientPolicy> policy,
                       Side side)
    : clock_(clock),
      dialer_(dialer),
      wheel_(wheel),
      buffers_(buffers),
      policy_(std::move(policy)),
      side_(side) {}

awaitable<Result<HttpResponse>> HttpClient::fetch(HttpRequest request, FetchLimits limits) {
  const std::string doing = request.method + " " + request.url.text();
  const std::string origin = origin_of(request.url);
  const Steady until = clock_.steady() + limits.total;
  if (Connection reused = take_idle(origin)) {
    auto answer = co_await exchange(*reused, request, limits, until);
    if (answer && reused->reusable()) keep(origin, std::move(reused));
    if (answer) co_return answer;
    const bool stale = !reused->answered() && answer.error().fault() == Fault::closed;
    if (!stale || !is_idempotent(request.method)) co_return std::move(answer).error().within(doing);
  }
  const Steady connected_until = std::min(until, clock_.steady() + limits.connect);
  auto fresh = co_await connect(request.url, connected_until);
  if (!fresh) co_return std::move(fresh).error().within(doing);
  auto answer = co_await exchange(**fresh, request, limits, until);
  if (!answer) co_return std::move(answer).error().within(doing);
  if ((*fresh)->reusable()) keep(origin, std::move(*fresh));
  co_return answer;
}

/// The youngest one that is still silent; the dead and the old go.
HttpClient::Connection HttpClient::take_idle(const std::string& origin) {
  const Steady oldest = clock_.steady() - idle_time;
  std::erase_if(idle_, [&](const Idle& each) { return each.since < oldest; });
  for (std::size_t i = idle_.size(); i > 0; --i) {
    const auto at = idle_.begin() + static_cast<std::ptrdiff_t>(i - 1);
    if (at->origin != origin) continue;
    Connection connection = std::move(at->connection);
    idle_.erase(at);
    if (connection->quiet()) return connection;
  }
  return nullptr;
}

void HttpClient::keep(std::string origin, Connection connection) {
  connection->rest();
  connection->stream().deadline(Want::read, Steady::max());
  connection->stream().deadline(Want::write, Steady::max());
  if (idle_.size() >= most_idle) idle_.erase(idle_.begin());
  idle_.push_back({std::move(origin), std::move(connection), clock_.steady()});
}

awaitable<Result<HttpClient::Connection>> HttpClient::connect(const Url& url, Steady until) {
  net::Target target;
  target.host = url.host;
  target.port = url.port;
  auto plain = co_await dialer_.dial(std::move(target), until, wheel_, side_);
  if (!plain) co_return plain.error();
  std::unique_ptr<net::Stream> stream = std::move(*plain);
  if (url.secure()) {
    auto handshake = tls::connect_tls(std::move(stream), policy_, url.host);
    auto secured = co_await net::within(clock_, until, side_, std::move(handshake));
    if (!secured) co_return secured.error();
    stream = std::move(*secured);
  }
  co_return std::make_unique<H1ClientConnection>(std::move(stream), buffers_);
}

awaitable<Result<HttpResponse>> HttpClient::exchange(H1ClientConnection& connection,
                                                     const HttpRequest& request,
                                                     const FetchLimits& limits, Steady until) {
  const std::string authority = request.url.authority();
  const RequestHead head = head_of(request, authority);
  const Steady header_until = std::min(until, clock_.steady() + limits.header);
  connection.stream().deadline(Want::write, header_until);
  connection.stream().deadline(Want::read, header_until);
  auto sent = co_await connection.send_head(head);
  if (sent && !request.body.empty()) sent = co_await connection.send_body(request.body, End::last);
  if (!sent) co_return sent.error();

  const ResponseHead* answer = nullptr;
  do {
    auto next = co_await connection.read_head();
    if (!next) co_return next.error();
    answer = *next;
  } while (answer->status < 200);
  HttpResponse response;
  response.status = answer->status;
  for (const Field& line : answer->fields) response.fields.emplace_back(line.name, line.value);

  connection.stream().deadline(Want::read, until);
  for (bool last = false; !last;) {
    auto piece = co_await connection.read_body();
    if (!piece) co_return piece.error();
    if (response.body.size() + piece->bytes.size() > limits.body_bytes) {
      co_return Error(Fault::limit, side_, "answer over the limit");
    }
    response.body += piece->bytes;
    last = piece->last;
  }
  co_return response;
}

}  // namespace gatehouse::http
