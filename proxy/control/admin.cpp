#include "proxy/control/admin.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <nlohmann/json.hpp>

#include "core/base/log.hpp"
#include "core/http/h1_server.hpp"
#include "core/http/reason.hpp"

namespace gatehouse::control {
namespace {

using asio::posix::stream_descriptor;

constexpr std::size_t block_bytes = 16 * 1024;
constexpr std::string_view certificates_path = "/v1/certs";

http::H1ServerSettings settings() {
  http::H1ServerSettings settings;
  settings.scheme = http::Scheme::http;
  settings.body_bytes = 64 * 1024;
  settings.idle = std::chrono::seconds(30);
  return settings;
}

AdminRequest as_rules_see(const http::RequestHead& head) {
  AdminRequest request;
  request.method = head.method;
  request.host = head.host;
  request.port = head.port;
  request.origin = head.fields.find("Origin");
  request.fetch_site = head.fields.find("Sec-Fetch-Site");
  request.authorization = head.fields.find("Authorization");
  return request;
}

awaitable<void> send(http::ServerExchange& exchange, const AdminReply& reply) {
  http::ResponseHead head;
  head.status = reply.status;
  head.length = http::BodyLength::counted(reply.body.size());
  head.fields.add("Content-Type", reply.type);
  head.fields.add("Cache-Control", "no-store");
  head.fields.add("X-Content-Type-Options", "nosniff");
  if (reply.status == 401) head.fields.add("WWW-Authenticate", "Bearer");
  const auto sent = co_await exchange.send_head(head);
  if (!sent) co_return;
  // A client that went away in the middle has nothing more to be told.
  (void)co_await exchange.send_body(reply.body, http::End::last);
}

AdminReply plain(int status, std::string body) { return {status, "text/plain", std::move(body)}; }

int next_connection(int listening) {
  return ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

}  // namespace

AdminReply AdminReply::problem(int status, std::string_view detail) {
  const nlohmann::json body = {{"type", "about:blank"},
                               {"title", std::string(http::reason_phrase(status))},
                               {"status", status},
                               {"detail", std::string(detail)}};
  return {status, "application/problem+json", body.dump() + "\n"};
}

AdminServer::AdminServer(asio::any_io_executor executor, Clock& clock, AdminSubject& subject)
    : clock_(clock), subject_(subject), wheel_(clock), buffers_(block_bytes, 4), crew_(executor) {
  crew_.add(wheel_.run());
}

void AdminServer::serve(UnixDoor door) {
  unix_doors_.push_back(std::move(door));
  crew_.add(accept(unix_doors_.back().descriptor(), AdminDoor()));
}

void AdminServer::serve(net::ListenSocket socket, AdminDoor door) {
  tcp_doors_.push_back(std::move(socket));
  crew_.add(accept(tcp_doors_.back().descriptor(), std::move(door)));
}

awaitable<void> AdminServer::stop() {
  crew_.stop();
  co_await crew_.gone();
  unix_doors_.clear();
  tcp_doors_.clear();
}

awaitable<void> AdminServer::accept(int listening, AdminDoor door) {
  stream_descriptor readiness(crew_.executor(), ::fcntl(listening, F_DUPFD_CLOEXEC, 0));
  asio::steady_timer pause(crew_.executor());
  while (true) {
    const auto [ec] = co_await readiness.async_wait(stream_descriptor::wait_read, as_result);
    if (ec) co_return;
    const int fd = next_connection(listening);
    if (fd >= 0) {
      auto stream = std::make_unique<net::SocketStream>(crew_.executor(), fd, wheel_, Side::client);
      crew_.add(converse(std::move(stream), door));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The connection stays in the backlog; asking again at once would only spin.
      pause.expires_after(std::chrono::milliseconds(100));
      const auto [cancelled] = co_await pause.async_wait(as_result);
      if (cancelled) co_return;
    }
  }
}

awaitable<void> AdminServer::converse(std::unique_ptr<net::Stream> stream, AdminDoor door) {
  http::HttpDate date(clock_);
  const http::H1Worker worker{clock_, buffers_, date};
  http::H1ServerConnection connection(*stream, worker, settings());
  while (true) {
    const auto exchange = co_await connection.next();
    if (!exchange || *exchange == nullptr) co_return;
    const AdminReply reply = co_await answer(**exchange, door);
    co_await send(**exchange, reply);
  }
}

awaitable<AdminReply> AdminServer::answer(http::ServerExchange& exchange, AdminDoor door) {
  const http::RequestHead& request = exchange.request();
  if (const auto refusal = refuse(door, as_rules_see(request))) {
    log::warn("admin request refused", {{"path", log::escaped(request.path, 100)},
                                        {"status", refusal->status},
                                        {"why", refusal->detail}});
    exchange.close_after();
    co_return AdminReply::problem(refusal->status, refusal->detail);
  }
  std::string method(request.method);
  std::string path(request.path);
  AdminReply reply = co_await carry_out(std::move(method), std::move(path));
  co_return reply;
}

awaitable<AdminReply> AdminServer::carry_out(std::string method, std::string path) {
  const bool get = method == "GET" || method == "HEAD";
  const bool post = method == "POST";
  const bool readable = path == "/v1/status" || path == "/v1/config" || path == "/healthz" ||
                        path == "/readyz" || path.starts_with(certificates_path);
  const bool doable = path == "/v1/reload" || path == "/v1/stop";
  if ((readable && !get) || (doable && !post)) {
    co_return AdminReply::problem(405,
                                  readable ? "only GET is taken here" : "only POST is taken here");
  }
  if (path == "/healthz") co_return plain(200, "ok\n");
  if (path == "/readyz") {
    if (!subject_.ready()) co_return plain(503, "not ready\n");
    co_return plain(200, "ready\n");
  }
  if (path == "/v1/status") {
    AdminReply reply = co_await subject_.status();
    co_return reply;
  }
  if (path == "/v1/config") co_return subject_.effective_config();
  if (path == certificates_path) co_return subject_.certificates();
  if (path.starts_with(certificates_path) && path[certificates_path.size()] == '/') {
    co_return subject_.certificate(path.substr(certificates_path.size() + 1));
  }
  if (path == "/v1/reload") {
    AdminReply reply = co_await subject_.reload();
    co_return reply;
  }
  if (path == "/v1/stop") co_return subject_.stop();
  co_return AdminReply::problem(404, "there is no such thing here");
}

}  // namespace gatehouse::control
