#include "proxy/control/service.hpp"

#include <boost/asio/signal_set.hpp>
#include <csignal>

#include "core/base/give_way.hpp"
#include "core/base/log.hpp"
#include "core/tls/tickets.hpp"
#include "proxy/control/admin_address.hpp"
#include "proxy/control/admin_token.hpp"
#include "proxy/control/logging.hpp"
#include "proxy/control/notify.hpp"
#include "proxy/control/process.hpp"
#include "proxy/control/tickets_file.hpp"
#include "proxy/control/turn.hpp"

namespace gatehouse::control {
namespace {

constexpr std::size_t helper_threads = 4;
constexpr std::size_t reader_threads = 8;
constexpr std::size_t hasher_threads = 2;  // one a lane
constexpr const char* tickets_file = "tickets.json";

bool is_file(const std::string& output) {
  return !output.empty() && output != "stderr" && output != "stdout" && output != "off";
}

Result<net::ListenAddress> listen_address(const AdminAddress& admin) {
  net::ListenAddress address;
  address.kind = net::ListenAddress::Kind::address;
  const std::string& host = admin.host == "localhost" ? "127.0.0.1" : admin.host;
  boost::system::error_code failure;
  address.address = asio::ip::make_address(host, failure);
  if (failure) {
    return Error(Fault::bad_message, Side::self,
                 "admin.listen '" + admin.host + "': an IP address or localhost is wanted");
  }
  address.port = admin.port;
  address.text = admin.text();
  return address;
}

Result<void> adopt(tls::TicketKeys& keys, const Result<std::optional<std::string>>& stored,
                   Wall now) {
  if (!stored) return stored.error();
  if (!*stored) return {};
  const auto text = tickets_text(**stored);
  if (!text) return text.error();
  return keys.adopt(*text, now);
}

}  // namespace

std::string servers_of(const config::Config& config) {
  std::string out;
  for (const std::string& server : config.server.resolvers) {
    out += (out.empty() ? "" : ",") + server;
  }
  return out;
}

Service::Service(asio::io_context& control, ConfigSource source, config::Config config,
                 std::vector<config::Problem> warnings)
    : control_(control),
      source_(std::move(source)),
      first_config_(std::make_shared<const config::Config>(std::move(config))),
      first_warnings_(std::move(warnings)),
      started_(clock_.wall()),
      helpers_(helper_threads, HelperPool::Urgency::gives_way),
      readers_(reader_threads),
      hashers_(hasher_threads, HelperPool::Urgency::steps_back),
      system_resolver_(helpers_),
      resolver_(system_resolver_),
      dialer_(clock_, resolver_),
      crew_(control.get_executor()),
      stop_(control, Steady::max()),
      changed_(control, Steady::max()) {
  resolver_.ask_servers(servers_of(*first_config_));
}

Service::~Service() {
  // A helper that brought a worker its answer still touches that worker's loop for a moment after
  // the worker went on: nothing may go before the helpers are done.
  if (workers_) workers_->stop();
  helpers_.join();
  hashers_.join();
  readers_.join();
}

awaitable<Result<void>> Service::run() {
  auto ready = co_await start();
  if (!ready) {
    co_await shut();
    co_return ready.error();
  }
  stage_ = Stage::serving;
  log_start();
  first_config_.reset();  // the snapshot has it for as long as it is served
  first_warnings_ = {};
  notify_service_manager("READY=1");
  co_await wait_for_stop();
  co_await drain();
  co_await shut();
  co_return Result<void>();
}

awaitable<Result<void>> Service::start() {
  auto set = set_up();
  if (!set) co_return set.error();
  auto opened = co_await open_doors();
  co_return opened;
}

/// All that needs no thread of a worker: storage, snapshot, workers not yet started.
Result<void> Service::set_up() {
  const config::Config& config = *first_config_;
  if (auto opened = open_log(config.log); !opened) return opened;
  log_warnings(first_warnings_);
  const std::size_t open_files = raise_open_files();
  raise_port_capability();
  if (auto made = prepare_data_dir(config.server.data_dir); !made) return made;
  // First of all doors: it finds out whether we run already, before we share ports with ourselves.
  if (auto opened = open_admin(); !opened) return opened;

  tickets_ = std::make_shared<tls::TicketKeys>(entropy_, clock_.wall());
  auto snapshot = serve::Snapshot::build(first_config_, tickets_);
  if (!snapshot) return snapshot.error();
  snapshot_ = *std::move(snapshot);

  auto sticky_key = sticky_key_for(config);
  if (!sticky_key) return sticky_key.error();
  const serve::Surroundings around{clock_,   entropy_,   resolver_, dialer_,  late_certificates_,
                                   helpers_, open_files, &readers_, &hashers_};
  workers_ = std::make_unique<serve::Workers>(config.server.workers, around);
  for (std::size_t i = 0; i < workers_->size(); ++i) (*workers_)[i].sticky_key = *sticky_key;
  outlet_ = std::make_unique<serve::WorkersOutlet>(*workers_);
  listeners_ = std::make_unique<serve::Listeners>(*workers_);
  auto access = serve::AccessLog::open(config.log, workers_->size(), entropy_);
  if (!access) return access.error();
  access_log_ = *std::move(access);
  if (access_log_) {
    for (std::size_t i = 0; i < workers_->size(); ++i) {
      (*workers_)[i].access = access_log_->ring(i);
    }
  }
  return {};
}

/// Ports first, while we may still be root; then everything that should be read and written as the
/// user we stay; accepting last, when there is something to serve.
awaitable<Result<void>> Service::open_doors() {
  auto opened = listeners_->open(*snapshot_);
  if (!opened) co_return opened.error();
  if (auto left = leave_root(); !left) co_return left;

  const Certificates::Parts parts{
      control_.get_executor(), clock_, entropy_, helpers_, dialer_, *outlet_};
  auto certificates = Certificates::open(*first_config_, parts);
  if (!certificates) co_return certificates.error();
  certificates_ = *std::move(certificates);
  late_certificates_.set(certificates_->keeper());
  co_await adopt_tickets();
  auto plan = certificates_->plan(*first_config_);
  if (!plan) co_return plan.error();

  const Health::Parts checking{control_.get_executor(), clock_, entropy_, dialer_};
  health_ = std::make_unique<Health>(checking);
  const Discovery::Parts asking{control_.get_executor(), clock_, resolver_};
  discovery_ = std::make_unique<Discovery>(asking, [this] { crew_.add(change_servers()); });
  workers_->start();
  give_way();  // not before: workers would, too
  co_await discovery_->prepare(snapshot_->backends());
  {
    const Turn turn(changing_, changed_);
    const Discovery::Plans plans = discovery_->reconcile(snapshot_->backends());
    co_await workers_->publish(snapshot_, plans);
    health_->reconcile(*plans);
  }
  certificates_->keeper().reconcile(*std::move(plan));
  co_await listeners_->apply(*std::move(opened), snapshot_);
  crew_.add(watch_signals());
  co_return Result<void>();
}

Result<void> Service::open_admin() {
  const std::string& data_dir = first_config_->server.data_dir;
  auto address = AdminAddress::parse(first_config_->admin.listen, data_dir);
  if (!address) return address.error();
  AdminSubject& subject = *this;
  admin_ = std::make_unique<AdminServer>(control_.get_executor(), clock_, subject);
  if (address->kind == AdminAddress::Kind::off) return {};

  const bool tcp = address->kind == AdminAddress::Kind::tcp;
  auto door = UnixDoor::open(tcp ? AdminAddress::default_path(data_dir) : address->path);
  if (!door) return door.error();
  admin_->serve(*std::move(door));
  if (!tcp) return {};

  auto where = listen_address(*address);
  if (!where) return where.error();
  auto socket = net::ListenSocket::open(*where);
  if (!socket) return Error(socket.error()).within("admin.listen");
  auto token = admin_token(data_dir, entropy_);
  if (!token) return token.error();
  AdminDoor rules;
  rules.unix_socket = false;
  rules.host = where->address.to_string();
  rules.port = socket->port();
  rules.token = *std::move(token);
  admin_->serve(*std::move(socket), std::move(rules));
  return {};
}

Result<void> Service::leave_root() {
  const config::Config& config = *first_config_;
  if (config.server.user.empty()) return {};
  auto account = find_account(config.server.user);
  if (!account) return account.error();
  std::vector<std::string> files;
  for (const std::string& output : {config.log.output, config.log.access, config.log.audit}) {
    if (is_file(output)) files.push_back(output);
  }
  constexpr std::string_view unix_scheme = "unix:";
  if (config.admin.listen.starts_with(unix_scheme)) {
    files.push_back(config.admin.listen.substr(unix_scheme.size()));
  }
  return become(*account, config.server.data_dir, files);
}

/// Clients that come back after a restart resume their sessions: the keys are kept, sealed like all
/// keys.
awaitable<void> Service::adopt_tickets() {
  acme::FileStore* store = &certificates_->store();
  auto load = [store] { return store->load_key(tickets_file); };
  const auto stored = co_await helpers_.run(std::move(load));
  const Result<void> adopted = adopt(*tickets_, stored, clock_.wall());
  // Nobody loses more than a resumption, and keys that others may have read are not used on.
  if (!adopted) log::error("ticket keys made anew", {{"why", adopted.error().detail()}});
  crew_.add(keep_tickets());
}

awaitable<void> Service::save_tickets() {
  acme::FileStore* store = &certificates_->store();
  auto save = [store, text = tickets_json(tickets_->to_text())] {
    return store->save_key(tickets_file, text);
  };
  const auto saved = co_await helpers_.run(std::move(save));
  if (!saved) log::warn("ticket keys not stored", {{"why", saved.error().detail()}});
}

/// Nobody waits for the first of these writes: a crash before it costs resumptions, no more.
awaitable<void> Service::keep_tickets() {
  co_await save_tickets();
  while (true) {
    const auto until = std::max<Wall::duration>(tickets_->next_rotation() - clock_.wall(),
                                                std::chrono::seconds(1));
    // The wall clock may jump: look again now and then.
    const Wall::duration step = std::min<Wall::duration>(until, std::chrono::minutes(10));
    co_await clock_.sleep_until(clock_.steady() +
                                std::chrono::duration_cast<Steady::duration>(step));
    if (tickets_->rotate(clock_.wall())) co_await save_tickets();
  }
}

void Service::log_start() const {
  log::info("started", {{"version", GATEHOUSE_VERSION},
                        {"config", source_.name},
                        {"data_dir", config().server.data_dir},
                        {"workers", workers_->size()},
                        {"sites", config().sites.size()}});
}

awaitable<void> Service::watch_signals() {
  asio::signal_set signals(control_, SIGTERM, SIGINT, SIGHUP);
  signals.add(SIGUSR1);
  signals.add(SIGUSR2);
  let_signals_in();
  while (true) {
    const auto [ec, number] = co_await signals.async_wait(as_result);
    if (ec) break;
    switch (number) {
      case SIGHUP:
        crew_.add(reload_by_signal());
        break;
      case SIGUSR1:
        reopen_logs();
        break;
      case SIGUSR2:
        log::warn("upgrade is not available in this version", {{"signal", "SIGUSR2"}});
        break;
      default:
        request_stop();
    }
  }
  // Before the set dies and with it our answer: a late SIGTERM must not kill the rest of the stop.
  hold_signals();
}

void Service::request_stop() {
  ++stop_requests_;
  stop_.cancel();
  if (stop_requests_ < 2 || !workers_) return;
  log::warn("told to stop again: ending at once");
  drained_by_ = clock_.steady();
}

awaitable<void> Service::wait_for_stop() {
  while (stop_requests_ == 0) co_await stop_.async_wait(as_result);
}

awaitable<void> Service::drain() {
  stage_ = Stage::draining;
  notify_service_manager("STOPPING=1");
  const config::Duration patience = config().server.graceful_timeout;
  log::info("stopping", {{"graceful_timeout_ms", patience}});
  if (stop_requests_ < 2) drained_by_ = clock_.steady() + patience;
  const std::size_t cut = co_await listeners_->drain(clock_, drained_by_);
  if (cut > 0) log::warn("connections cut at stop", {{"count", cut}});
}

/// Takes apart what set_up() and open_doors() made, as far as they came.
awaitable<void> Service::shut() {
  if (discovery_) co_await discovery_->stop();
  while (changing_) co_await changed_.async_wait(as_result);  // it may be on its way to a worker
  if (health_) co_await health_->stop();
  if (certificates_) co_await certificates_->stop();
  if (workers_) workers_->stop();
  if (admin_) co_await admin_->stop();
  crew_.stop();
  co_await crew_.gone();
  access_log_.reset();
  if (stage_ == Stage::draining) log::info("stopped");
}

void Service::reopen_logs() {
  if (!log::reopen()) log::error("log not reopened", {{"output", config().log.output}});
  if (access_log_) access_log_->reopen();
  log::info("logs reopened");
}

}  // namespace gatehouse::control
