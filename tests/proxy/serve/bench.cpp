#include "tests/proxy/serve/bench.hpp"

#include <array>

#include "core/base/counted_apart.hpp"
#include "proxy/serve/backend/pools.hpp"

namespace gatehouse::serve::test {
namespace {

using std::chrono::hours;

const tls::CertificateAuthority& test_root() {
  static const tls::CertificateAuthority root = [] {
    const Wall now = std::chrono::system_clock::now();
    auto key = tls::PrivateKey::generate(tls::KeyType::p256).value();
    const tls::Validity validity{now - hours(1), now + hours(24)};
    return tls::CertificateAuthority::make_root("Test Root", std::move(key), validity).value();
  }();
  return root;
}

/// A door whose socket is real, because it must have one, and that nobody ever knocks at.
std::shared_ptr<Door> door_named(Worker& worker, const std::string& name) {
  net::ListenAddress where;
  where.kind = net::ListenAddress::Kind::address;
  where.address = asio::ip::address_v4::loopback();
  return std::make_shared<Door>(worker.io, name, net::ListenSocket::open(where).value());
}

}  // namespace

config::Listen listen_on(const std::string& text) {
  config::Listen listen;
  listen.kind = config::Listen::Kind::address;
  listen.address = "127.0.0.1";
  listen.text = text;
  return listen;
}

config::Route responding(const std::string& body, config::Strings path) {
  config::Route route;
  route.path = std::move(path);
  route.respond.emplace();
  route.respond->body = body;
  return route;
}

config::Site site_for(config::Strings hosts, config::TlsMode mode,
                      std::vector<config::Route> routes) {
  config::Site site;
  site.hosts = std::move(hosts);
  site.tls.mode = mode;
  site.tls.alpn = {"http/1.1"};
  site.routes = std::move(routes);
  return site;
}

config::Config config_with(std::vector<config::Site> sites) {
  config::Config config;
  config.server.http = {listen_on("plain")};
  config.server.https = {listen_on("tls")};
  config.server.https[0].port = 443;
  config.sites = std::move(sites);
  return config;
}

std::shared_ptr<const Snapshot> snapshot_of(config::Config config, const Snapshot* before) {
  static SystemEntropy entropy;
  static const auto tickets =
      std::make_shared<tls::TicketKeys>(entropy, std::chrono::system_clock::now());
  auto built =
      Snapshot::build(std::make_shared<const config::Config>(std::move(config)), tickets, before);
  REQUIRE(built);
  return *built;
}

tls::CertificateHandle certificates_for(std::vector<std::string> names) {
  const Wall now = std::chrono::system_clock::now();
  const auto key = tls::PrivateKey::generate(tls::KeyType::p256).value();
  const auto pem = test_root().issue(names, key, {now - hours(1), now + hours(24)}).value();
  return tls::make_certificate_set({tls::Certificate::parse(pem, key).value()});
}

awaitable<Result<tls::CertificateHandle>> FakeSource::obtain(std::string host, asio::ip::address) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer parked(executor, Steady::max());
  std::unique_lock guard(lock_);
  asked_.push_back(std::move(host));
  if (!answer_) {
    const auto place = waiting_.insert(waiting_.end(), &parked);
    guard.unlock();
    co_await parked.async_wait(as_result);
    guard.lock();
    waiting_.erase(place);
  }
  if (!answer_) co_return Error(Fault::timeout, Side::ca, "nobody answered");
  auto given = *answer_;
  co_return given;
}

void FakeSource::answer(Result<tls::CertificateHandle> with) {
  const std::lock_guard guard(lock_);
  answer_ = std::move(with);
  for (asio::steady_timer* timer : waiting_) timer->cancel();
}

std::vector<std::string> FakeSource::asked() {
  const std::lock_guard guard(lock_);
  return asked_;
}

awaitable<Result<std::vector<asio::ip::address>>> NoNames::resolve(std::string) {
  if (!hanging) co_return Error(Fault::refused, Side::server, "no network");
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer parked(executor, Steady::max());
  for (;;) co_await parked.async_wait(as_result);  // until cancelled
}

Bench::Bench(config::Config config) {
  const Surroundings around{clock, entropy, resolver, dialer, source, helpers, 4096};
  worker = std::make_unique<Worker>(0, 1, around);
  publish(std::move(config));
  worker->crew.add(worker->wheel.run());
}

Bench::~Bench() {
  // On the loop, as workers do it: stopped from outside, a task that ends meanwhile is stopped
  // late.
  asio::post(worker->io, [this] {
    worker->cut_connections();
    worker->crew.stop();
  });
  settle();
}

void Bench::publish(config::Config config) {
  const auto before = worker->snapshot;
  const auto snapshot = snapshot_of(std::move(config), before.get());
  worker->pools->reconcile(snapshot->backends());
  worker->snapshot = counted_apart(snapshot);
}

void Bench::settle() {
  worker->io.restart();
  worker->io.poll();
}

void Bench::advance(std::chrono::nanoseconds by) {
  settle();
  clock.advance(by);
  settle();
}

std::shared_ptr<Script> Bench::connect(const std::string& listener, const std::string& peer) {
  auto script = std::make_shared<Script>();
  Arrival arrival;
  arrival.door = door_named(*worker, listener);
  arrival.peer = asio::ip::make_address(peer);
  arrival.peer_port = 40000;
  auto stream = std::make_unique<ScriptedStream>(script, clock);
  worker->clients.add(serve_connection(*worker, std::move(stream), std::move(arrival)));
  settle();
  return script;
}

std::string Bench::ask(const std::shared_ptr<Script>& client, std::string_view bytes) {
  if (!bytes.empty()) client->send(bytes);
  settle();
  return client->take_written();
}

std::string Bench::get(const std::string& host, const std::string& target) {
  return ask(connect(), "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
}

TlsClient::TlsClient(Bench& bench, const std::string& server_name, std::vector<std::string> alpn,
                     const std::string& listener)
    : bench_(bench), crew_(bench.worker->io.get_executor()) {
  tls::ClientPolicy::Settings settings;
  settings.verify = false;
  settings.alpn = std::move(alpn);
  auto policy = tls::ClientPolicy::make(settings).value();
  server_ = bench.connect(listener);
  join(server_, client_);
  auto under = std::make_unique<ScriptedStream>(client_, bench.clock, Side::server);
  crew_.add(connect(std::move(under), server_name, std::move(policy)));
  bench.settle();
}

TlsClient::~TlsClient() {
  asio::post(crew_.executor(), [this] { crew_.stop(); });
  bench_.settle();
}

awaitable<void> TlsClient::connect(std::unique_ptr<net::Stream> under, std::string server_name,
                                   std::shared_ptr<const tls::ClientPolicy> policy) {
  auto stream =
      co_await tls::connect_tls(std::move(under), std::move(policy), std::move(server_name));
  if (stream) {
    stream_ = std::move(*stream);
  } else {
    failure_ = stream.error().detail();
  }
}

awaitable<void> TlsClient::converse(std::string bytes) {
  const auto sent = co_await stream_->write(bytes);
  if (!sent) co_return;
  std::array<char, 4096> room;
  for (;;) {
    auto got = co_await stream_->read_some(room);
    if (!got || *got == 0) {
      ended_ = true;
      co_return;
    }
    heard_.append(room.data(), *got);
  }
}

std::string TlsClient::ask(std::string_view bytes) {
  heard_.clear();
  asio::post(crew_.executor(), [this] { crew_.stop(); });  // one conversation at a time reads
  bench_.settle();
  crew_.add(converse(std::string(bytes)));
  bench_.settle();
  return heard_;
}

}  // namespace gatehouse::serve::test
