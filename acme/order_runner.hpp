#pragma once

#include <chrono>
#include <string>

#include "acme/ca_client.hpp"
#include "acme/issuer.hpp"
#include "acme/order_store.hpp"
#include "acme/outlet.hpp"
#include "core/base/clock.hpp"
#include "core/base/helper_pool.hpp"

namespace gatehouse::acme {

/// Carries orders out at one CA. Whatever moment the process dies at, the next issue() for the host
/// goes on from the OrderStore: the account key is durable before the account is made, the
/// certificate's key before the order, the order's URL before a challenge is answered. A failed
/// order is dropped; one that only takes long is kept and taken up again by the next call.
///
/// Challenge answers are on every worker before the CA is told, stay until the order's end, and are
/// withdrawn whatever that end is, cancellation included. Control thread; calls for different hosts
/// may overlap.
class CaIssuer final : public Issuer {
 public:
  struct Patience {
    std::chrono::seconds authorizations{300};
    std::chrono::seconds certificate{600};
  };

  CaIssuer(CaClient& client, Outlet& outlet, OrderStore& store, HelperPool& helpers, Clock& clock);
  CaIssuer(CaClient& client, Outlet& outlet, OrderStore& store, HelperPool& helpers, Clock& clock,
           Patience patience);

  awaitable<IssueOutcome> issue(IssueRequest request) override;
  const std::string& storage_name() const override { return client_.storage_name(); }

 private:
  friend class OrderRun;

  CaClient& client_;
  Outlet& outlet_;
  OrderStore& store_;
  HelperPool& helpers_;
  Clock& clock_;
  Patience patience_;
};

}  // namespace gatehouse::acme
