#pragma once

#include <deque>
#include <functional>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "acme/keeper.hpp"
#include "acme/store/file_store.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/faulty_file_system.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_certificates.hpp"

namespace gatehouse::test {

inline acme::IssueFailure issue_failure(acme::Retry retry) {
  acme::IssueFailure failure;
  failure.retry = retry;
  failure.problem = "connection";
  failure.detail = "the name does not answer";
  return failure;
}

/// What the workers would have.
class ServedOutlet final : public acme::Outlet {
 public:
  awaitable<void> present_http(std::string, std::string) override { co_return; }
  awaitable<void> present_tls(std::string, tls::CertificateHandle) override { co_return; }
  awaitable<void> withdraw_http(std::string) override { co_return; }
  awaitable<void> withdraw_tls(std::string) override { co_return; }
  awaitable<void> publish(std::string host, tls::CertificateHandle certificates,
                          tls::CertificateIndex::Need need) override {
    ++publications;
    if (index) {
      index->put(host, std::move(certificates), need);
      co_return;
    }
    asked[host] = need == tls::CertificateIndex::Need::now;
    served[host] = std::move(certificates);
    co_return;
  }
  awaitable<void> withdraw(std::string host) override {
    if (index) index->erase(host);
    served.erase(host);
    co_return;
  }

  std::optional<tls::CertificateIndex>
      index;  // in the place of `served`: a worker's, with its limit
  std::map<std::string, tls::CertificateHandle> served;
  std::map<std::string, bool> asked;  // whether somebody waited
  int publications = 0;
};

/// Issues at once, or holds every order until let go, or fails as told.
class FakeIssuer final : public acme::Issuer {
 public:
  FakeIssuer(FakeClock& clock, std::string storage_name)
      : clock_(clock), storage_name_(std::move(storage_name)) {}

  awaitable<acme::IssueOutcome> issue(acme::IssueRequest request) override {
    requests.push_back(request);
    ++running;
    most_running = std::max(most_running, running);
    struct Leave {
      std::size_t& count;
      ~Leave() { --count; }
    } leave{running};
    while (hold) {
      auto executor = co_await asio::this_coro::executor;
      asio::steady_timer parked(executor, Steady::max());
      parked_.insert(&parked);
      co_await parked.async_wait(as_result);
      parked_.erase(&parked);
      const auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() == asio::cancellation_type::none) continue;
      ++cancelled;
      co_return issue_failure(acme::Retry::later);
    }
    if (!failures.empty()) {
      acme::IssueFailure failure = failures.front();
      if (!fail_for_ever) failures.pop_front();
      co_return failure;
    }
    const auto type = tls::key_type(request.key_type).value();
    const TestPair pair = make_pair_for(request.names, clock_.wall(), clock_.wall() + life, type);
    acme::Issued issued;
    issued.certificate = tls::Certificate::parse(pair.chain_pem, pair.key_pem).value();
    issued.key_pem = pair.key_pem;
    issued.ca = storage_name_;
    co_return issued;
  }
  const std::string& storage_name() const override { return storage_name_; }
  void let_go() {
    hold = false;
    for (asio::steady_timer* timer : parked_) timer->cancel();
  }

  std::chrono::hours life{90 * 24};
  bool hold = false;
  bool fail_for_ever = false;
  std::deque<acme::IssueFailure> failures;
  std::vector<acme::IssueRequest> requests;
  std::size_t running = 0;
  std::size_t most_running = 0;
  int cancelled = 0;

 private:
  FakeClock& clock_;
  std::string storage_name_;
  std::set<asio::steady_timer*> parked_;
};

/// An operator's endpoint.
class FakeAsk final : public acme::AskTransport {
 public:
  awaitable<Result<acme::AskAnswer>> ask(std::string url, Steady) override {
    urls.push_back(std::move(url));
    if (broken) co_return Error(Fault::timeout, Side::server, "no answer in time");
    co_return answer;
  }

  std::vector<std::string> urls;
  acme::AskAnswer answer{200, std::nullopt};
  bool broken = false;
};

/// A keeper over a real file store in a temporary folder, everything else faked.
struct KeeperBench {
  explicit KeeperBench(const std::string& data = "")
      : data_dir(data.empty() ? folder.path() + "/data" : data) {
    start();
  }
  ~KeeperBench() {
    stop();
    settle();
  }

  void start(const std::string& owner = "one") {
    store = *acme::FileStore::open_as(owner, data_dir, "", system, clock, entropy);
    acme::Keeper::Parts parts{
        io.get_executor(), clock, entropy, helpers, outlet, ask, audit, store};
    keeper = std::make_unique<acme::Keeper>(std::move(parts));
  }
  void stop() {
    if (keeper == nullptr) return;
    bool done = false;
    asio::co_spawn(io, keeper->stop(), [&done](std::exception_ptr) { done = true; });
    run_until([&] { return done; });
    settle();
    keeper.reset();
  }
  /// As kill -9 and a new start: memory is gone, the folder stays.
  void restart() {
    stop();
    outlet.served.clear();
    start();
  }

  acme::Wanted wanted(const std::string& host, config::TlsMode mode = config::TlsMode::acme) const {
    acme::Wanted one;
    one.host = host;
    one.mode = mode;
    one.site = host;
    one.acme.own().ca = {"main"};
    return one;
  }
  acme::Plan plan(std::vector<acme::Wanted> all) const {
    acme::Plan made;
    made.wanted = std::move(all);
    made.cas["main"] = {issuer, staging};
    made.cas["second"] = {second, nullptr};
    made.internal = internal;
    made.on_demand = on_demand;
    return made;
  }
  void reconcile(std::vector<acme::Wanted> all) {
    keeper->reconcile(plan(std::move(all)));
    settle();
  }

  struct Answer {
    bool done = false;
    Result<tls::CertificateHandle> result;
  };
  std::shared_ptr<Answer> ask_for(const std::string& host,
                                  const std::string& client = "192.0.2.1") {
    auto answer = std::make_shared<Answer>();
    asio::co_spawn(io, keeper->obtain(host, asio::ip::make_address(client)),
                   [answer](std::exception_ptr, Result<tls::CertificateHandle> result) {
                     answer->result = std::move(result);
                     answer->done = true;
                   });
    return answer;
  }

  /// Returns how many handlers ran.
  std::size_t run_until(const std::function<bool()>& done) {
    std::size_t ran = 0;
    for (int turn = 0; turn < 20'000 && !done(); ++turn) {
      io.restart();
      ran += io.run_one_for(std::chrono::milliseconds(1));
    }
    return ran;
  }
  /// Until neither this thread nor the one helper has anything to do: a marker that went through
  /// both queues while nothing else ran. Thrice: a job's end takes another turn on the helper.
  void settle() {
    // A job goes through the helpers' queues more than once before its caller is resumed.
    for (int quiet = 0; quiet < 3;) {
      for (const auto& queue : {helpers.executor(), helpers.turn_executor()}) {
        std::promise<void> done;
        asio::post(queue, [&done] { done.set_value(); });
        done.get_future().wait();
      }
      io.restart();
      quiet = io.poll() == 0 ? quiet + 1 : 0;
    }
  }
  void advance(std::chrono::nanoseconds by) {
    clock.advance(by);
    settle();
  }

  TemporaryFolder folder;
  std::string data_dir;
  FakeClock clock;
  SystemEntropy entropy;
  FaultyFileSystem system;
  asio::io_context io;
  HelperPool helpers{1};
  ServedOutlet outlet;
  FakeAsk ask;
  std::string audit_path = folder.path() + "/audit.jsonl";
  acme::AuditLog audit{audit_path, std::make_shared<acme::PosixFileSystem>(), clock, helpers};
  std::shared_ptr<FakeIssuer> issuer = std::make_shared<FakeIssuer>(clock, "main-ca");
  std::shared_ptr<FakeIssuer> second = std::make_shared<FakeIssuer>(clock, "second-ca");
  std::shared_ptr<FakeIssuer> internal = std::make_shared<FakeIssuer>(clock, "internal");
  std::shared_ptr<FakeIssuer> staging;
  config::OnDemand on_demand;
  std::shared_ptr<acme::FileStore> store;
  std::unique_ptr<acme::Keeper> keeper;
};

}  // namespace gatehouse::test
