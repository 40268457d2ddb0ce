#pragma once

#include <map>
#include <utility>
#include <vector>

#include "acme/order_store.hpp"
#include "tests/support/lifeline.hpp"

namespace gatehouse::test {

/// Storage that survives a cut Lifeline, as a disk survives a killed process. One caller at a time.
class MemoryOrderStore final : public acme::OrderStore {
 public:
  explicit MemoryOrderStore(Lifeline& life) : life_(life) {}

  Result<std::optional<acme::AccountRecord>> load_account(const std::string& ca) override {
    if (damaged_account) return Error(Fault::bad_message, Side::self, "account.json is damaged");
    const auto at = accounts.find(ca);
    if (at == accounts.end()) return std::optional<acme::AccountRecord>();
    return std::optional(at->second);
  }
  Result<void> save_account(const std::string& ca, const acme::AccountRecord& account) override {
    return write([&] { accounts[ca] = account; });
  }
  Result<void> archive_account(const std::string& ca, Wall) override {
    damaged_account = false;
    return write([&] {
      const auto at = accounts.find(ca);
      if (at == accounts.end()) return;
      archived.push_back(at->second);
      accounts.erase(at);
    });
  }
  Result<std::optional<acme::OrderRecord>> load_order(const std::string& ca,
                                                      const std::string& host) override {
    const auto at = orders.find({ca, host});
    if (at == orders.end()) return std::optional<acme::OrderRecord>();
    return std::optional(at->second);
  }
  Result<void> save_order(const std::string& ca, const std::string& host,
                          const acme::OrderRecord& record) override {
    return write([&] {
      orders[{ca, host}] = record;
      ++order_writes;
    });
  }
  Result<void> remove_order(const std::string& ca, const std::string& host) override {
    return write([&] { orders.erase({ca, host}); });
  }

  std::map<std::string, acme::AccountRecord> accounts;
  std::vector<acme::AccountRecord> archived;
  std::map<std::pair<std::string, std::string>, acme::OrderRecord> orders;
  int order_writes = 0;
  bool damaged_account = false;
  bool full = false;  // no write succeeds

 private:
  template <class Effect>
  Result<void> write(Effect effect) {
    const Error failure(Fault::io, Side::self, "no space left on device");
    if (full || !life_.begin_step()) return failure;
    effect();
    if (!life_.end_step()) return failure;
    return {};
  }

  Lifeline& life_;
};

}  // namespace gatehouse::test
