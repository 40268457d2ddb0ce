#include "tests/proxy/forward/bench.hpp"

#include <algorithm>

#include "core/base/bytes.hpp"
#include "core/base/counted_apart.hpp"
#include "proxy/serve/forwarded_fields.hpp"

namespace gatehouse::test {

using asio::ip::tcp;

Bench::Bench()
    : worker(std::make_unique<Worker>(
          0, 1, Surroundings{clock, entropy, resolver, dialer, certificates, helpers, 4096})),
      acceptor_(worker->io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
  backend.name = "app";
  worker->crew.add(worker->wheel.run());
}

Bench::~Bench() {
  clients_.clear();
  servers_.clear();
  worker->cut_connections();
  worker->crew.stop();
  until([&] { return worker->clients.size() + worker->crew.size() == 0; });
  acceptor_.close();
}

void Bench::serve_by(const std::vector<RawServer*>& servers) {
  backend.servers.clear();
  for (RawServer* server : servers) {
    config::BackendServer made;
    made.host = "127.0.0.1";
    made.port = server->port();
    made.text = "127.0.0.1:" + std::to_string(server->port());
    backend.servers.push_back(made);
    if (std::find(servers_.begin(), servers_.end(), server) == servers_.end()) watch(*server);
  }
  publish();
}

void Bench::publish() {
  auto config = std::make_shared<config::Config>();
  config->server.trusted_proxies = trusted;
  config->backends.push_back(backend);
  config::Site site;
  site.hosts = {"*"};
  site.tls.mode = config::TlsMode::off;
  config::Route route;
  route.backend = backend.name;
  site.routes.push_back(route);
  config->sites.push_back(site);
  snapshot_ = Snapshot::build(config, nullptr).value();
  worker->snapshot = counted_apart(snapshot_);
  worker->pools->reconcile(snapshot_->backends());
}

std::shared_ptr<backend::Pool> Bench::pool(std::size_t index) {
  return worker->pools->find("app")->servers().at(index);
}

std::shared_ptr<RawSocket> Bench::connect() {
  std::shared_ptr<RawSocket> client = RawSocket::connect(acceptor_.local_endpoint().port());
  clients_.push_back(client);
  tcp::socket accepted = acceptor_.accept();
  net::Socket socket(std::move(accepted));
  auto stream = std::make_unique<net::SocketStream>(std::move(socket), worker->wheel, Side::client);
  ++open_;
  worker->clients.add(carry(*this, std::move(stream)));
  return client;
}

awaitable<void> Bench::carry(Bench& bench, std::unique_ptr<net::Stream> stream) {
  struct Closed {
    std::size_t& open;
    ~Closed() { --open; }
  };
  const Closed closed{bench.open_};
  Worker& worker = *bench.worker;
  const http::H1Worker lent{worker.clock, worker.buffers, worker.date};
  http::H1ServerSettings settings;
  settings.body_bytes = bench.body_limit;
  http::H1ServerConnection connection(*stream, lent, settings);
  for (;;) {
    auto next = co_await connection.next();
    if (!next || *next == nullptr) co_return;
    const auto snapshot = worker.snapshot;
    const Route& route = snapshot->sites().front().routes.front();
    RequestFacts facts;
    facts.peer = asio::ip::address_v4::loopback();
    facts.told_local = facts.peer;
    facts.listener_port = 8080;
    facts.snapshot = snapshot.get();
    const auto& fields = (*next)->request().fields;
    facts.client_ip = resolve_client(fields, facts.peer, facts.snapshot->trusted()).ip;
    facts.peer_trusted = facts.snapshot->trusts(facts.peer);
    facts.id = "00112233445566778899aabbccddeeff";
    co_await forward(worker, **next, route, facts);
    Outcome outcome{facts.status, facts.attempts, facts.reused,
                    facts.tunnel, facts.error,    facts.server};
    bench.outcomes.push_back(std::move(outcome));
  }
}

bool Bench::turn() {
  bool moved = worker->io.poll() > 0;
  worker->io.restart();
  for (RawServer* server : servers_) moved = server->move() || moved;
  std::erase_if(clients_, [](const auto& client) { return client.expired(); });
  for (const auto& held : clients_) {
    if (const auto client = held.lock()) moved = client->move() || moved;
  }
  return moved;
}

void Bench::until(const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + 20s;
  while (!done()) {
    if (turn()) continue;
    worker->io.run_one_for(1ms);  // until the kernel has news
    worker->io.restart();
    if (std::chrono::steady_clock::now() > give_up) FAIL("nothing happened for too long");
  }
}

void Bench::settle() {
  // Loopback delivers within the system call; a few quiet turns in a row mean that all is said.
  for (int quiet = 0; quiet < 5;) quiet = turn() ? 0 : quiet + 1;
}

void Bench::advance(std::chrono::milliseconds by) {
  settle();
  clock.advance(by);
  settle();
}

bool whole_message(const std::string& text) {
  const auto end = text.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  const std::string length = field_of(text, "Content-Length");
  if (!length.empty()) return text.size() >= end + 4 + std::stoul(length);
  if (!field_of(text, "Transfer-Encoding").empty()) {
    return text.find("0\r\n", end) != std::string::npos && text.ends_with("\r\n\r\n");
  }
  return true;
}

std::string field_of(const std::string& message, const std::string& name) {
  const std::string head = message.substr(0, message.find("\r\n\r\n"));
  for (std::size_t at = head.find("\r\n"); at != std::string::npos;) {
    at += 2;
    const std::size_t end = head.find("\r\n", at);
    const std::string line = head.substr(at, end == std::string::npos ? end : end - at);
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos && equal_ignoring_case(line.substr(0, colon), name)) {
      return line.substr(colon + 2);
    }
    at = end;
  }
  return {};
}

}  // namespace gatehouse::test
