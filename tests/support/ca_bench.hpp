#pragma once

#include <doctest/doctest.h>

#include <future>
#include <memory>
#include <optional>

#include "acme/ca_client.hpp"
#include "acme/order_runner.hpp"
#include "tests/support/fake_ca.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_outlet.hpp"
#include "tests/support/memory_order_store.hpp"

namespace gatehouse::test {

/// An issuer with everything around it: a CA, storage, workers, a clock, all at a test's command.
/// The CA's validation looks at what the workers would answer.
class CaBench {
 public:
  explicit CaBench(acme::CaClient::Settings settings = default_settings())
      : settings_(std::move(settings)) {
    ca.validate = [this](const std::string& type, const std::string& name, const std::string& token,
                         const std::string& expected) {
      if (validation_fails_for.contains(type)) return false;
      if (type == "http-01") return outlet.http.contains(token) && outlet.http[token] == expected;
      return outlet.tls.contains(name);
    };
    ca.on_finalize = [this](const std::string& public_der) {
      bool durable = false;
      for (const auto& [where, record] : store.orders) {
        if (!record.order || record.order->key_pem.empty()) continue;
        const auto key = tls::PrivateKey::from_pem(record.order->key_pem);
        durable = durable || (key && key->public_der() == public_der);
      }
      if (!durable) ++lost_keys;
    };
    new_life();
  }

  static acme::CaClient::Settings default_settings() {
    acme::CaClient::Settings settings;
    settings.directory = FakeCa::directory_url;
    return settings;
  }
  static acme::IssueRequest request(std::vector<std::string> names = {"a.example", "b.example"}) {
    acme::IssueRequest request;
    request.host = names.front();
    request.names = std::move(names);
    request.email = "admin@a.example";
    return request;
  }

  /// The process starts anew over the same storage and CA.
  void new_life() {
    issuer.reset();
    client.reset();
    outlet.http.clear();
    outlet.tls.clear();
    life.revive();
    client = std::make_unique<acme::CaClient>(settings_, ca, store, helpers, clock);
    issuer = std::make_unique<acme::CaIssuer>(*client, outlet, store, helpers, clock);
  }

  /// Runs `work` to its end; time moves on whenever nothing else can.
  template <class T>
  T run(awaitable<T> work, std::chrono::seconds most = std::chrono::hours(3)) {
    std::optional<T> result;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr failure, T value) {
      if (!failure) result.emplace(std::move(value));
    });
    const Steady start = clock.steady();
    settle();
    while (!result && clock.steady() - start < most) {
      clock.advance(std::chrono::milliseconds(500));
      settle();
    }
    REQUIRE(result.has_value());
    return std::move(*result);
  }
  acme::IssueOutcome issue(acme::IssueRequest wanted = request()) {
    return run(issuer->issue(std::move(wanted)));
  }
  /// Everything that can go on without time goes on.
  void settle() {
    // A job goes through the helper's queue more than once before its caller is resumed.
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

  std::string ca_name() const { return client->storage_name(); }
  std::optional<acme::PendingOrder> stored_order(const std::string& host = "a.example") {
    const auto at = store.orders.find({ca_name(), host});
    if (at == store.orders.end()) return std::nullopt;
    return at->second.order;
  }

  FakeClock clock;
  Lifeline life;
  asio::io_context io;
  MemoryOrderStore store{life};
  FakeOutlet outlet;
  HelperPool helpers{1};
  FakeCa ca{clock, life};
  std::unique_ptr<acme::CaClient> client;
  std::unique_ptr<acme::CaIssuer> issuer;
  std::set<std::string> validation_fails_for;  // challenge types
  int lost_keys = 0;  // certificates whose key was not in storage when they were asked for

 private:
  acme::CaClient::Settings settings_;
};

}  // namespace gatehouse::test

namespace doctest {

template <class T>
struct StringMaker<boost::system::result<T, gatehouse::acme::CaError>> {
  static String convert(const boost::system::result<T, gatehouse::acme::CaError>& result) {
    return result ? "a value" : result.error().error.detail().c_str();
  }
};

template <>
struct StringMaker<gatehouse::acme::IssueOutcome> {
  static String convert(const gatehouse::acme::IssueOutcome& outcome) {
    return outcome ? "a certificate" : outcome.error().detail.c_str();
  }
};

}  // namespace doctest
