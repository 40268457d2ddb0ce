#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "acme/audit.hpp"
#include "acme/budget.hpp"
#include "acme/certificate_source.hpp"
#include "acme/lifetime.hpp"
#include "acme/on_demand.hpp"
#include "acme/outlet.hpp"
#include "acme/storage.hpp"
#include "acme/wanted.hpp"
#include "core/base/entropy.hpp"
#include "core/base/helper_pool.hpp"
#include "core/net/crew.hpp"

namespace gatehouse::acme {

/// Where a certificate stands, for people.
enum class CertificateState : std::uint8_t {
  unknown,   // storage was not asked yet
  absent,    // none; an order waits for its turn
  ordering,  // none; an order is under way
  live,
  renewing,  // live, and an order is under way
  failing,   // the last attempt failed; what is there is served
  expired,   // as failing, and nothing valid is left to serve
  refused,   // a file that must not or cannot be used: an operator must act
};
std::string_view name(CertificateState state);

/// One line of `gatehouse certs`.
struct CertificateStatus {
  std::string host;
  std::string key_type;
  std::string issuer;  // CA folder; "internal", "files"
  std::string site;
  CertificateState state = CertificateState::unknown;
  std::string serial;
  std::optional<Wall> not_before;
  std::optional<Wall> not_after;
  std::optional<Wall> next_action;
  std::string last_error;
  std::uint32_t attempts = 0;  // failures in a row
};

/// Sees to it that every wanted name has a certificate on every worker: takes it from storage,
/// orders what is missing in the background, renews in time, and brings on-demand names when they
/// are first asked for. One order per name at a time, here and across processes that share the
/// storage. What is served is replaced only by something better: no failure takes it away.
///
/// The workers alone keep certificates in memory, as many as they may. Of those that they have let
/// go of the keeper knows when they end, and reads them again when somebody asks.
///
/// Lives on the control thread; obtain() alone may be called from any thread. Await stop() before
/// it dies. docs/life-of-a-certificate.md walks through it.
class Keeper final : public CertificateSource {
 public:
  /// The references outlive the keeper.
  struct Parts {
    asio::any_io_executor control;
    Clock& clock;
    Entropy& entropy;
    HelperPool& helpers;
    Outlet& outlet;
    AskTransport& ask;
    AuditLog& audit;
    std::shared_ptr<Storage> storage;
  };
  explicit Keeper(Parts parts);
  ~Keeper() override;

  /// At start and after each reload. Orders under way go on; what they bring is stored, and
  /// published where the name is still wanted.
  void reconcile(Plan plan);

  awaitable<Result<tls::CertificateHandle>> obtain(std::string host,
                                                   asio::ip::address client) override;

  /// An operator wants a new certificate now. Fault::not_found: no such name is kept.
  Result<void> renew(const std::string& host);
  /// Every certificate kept now, by host. Names in storage that nobody asked for are not listed.
  std::vector<CertificateStatus> status() const;
  /// How many handshakes wait for a certificate.
  std::size_t waiting() const { return waiting_; }

  /// Ends orders so that they can be resumed, and wakes who waits. Returns when all is quiet.
  awaitable<void> stop();

 private:
  struct Entry;
  struct Slot;
  struct Waiter;
  struct Choice;
  struct Found;
  struct FilesFound;
  class Task;
  class Leased;
  /// What a CA's limits have left, and whether it is being written down.
  struct Ledger {
    Budget budget;
    enum class Paper : std::uint8_t { same, writing, outdated } paper = Paper::same;
  };
  using EntryPointer = std::shared_ptr<Entry>;
  using LeasePointer = std::shared_ptr<Leased>;
  enum class Lane : std::uint8_t { admit, load, order, on_demand, internal };

  // keeper.cpp: what is wanted, and how it stands
  void adopt(const Wanted& wanted);
  void retire(const EntryPointer& entry);
  void forget(const EntryPointer& entry);
  void rebuild(Entry& entry);
  std::string recipe_of(const Wanted& wanted) const;
  std::vector<CaChoice> cas_of(const Wanted& wanted) const;
  const Wanted* cover_of(const std::string& host) const;
  CertificateStatus status_of(const Entry& entry, const Slot& slot) const;

  // keeper_waiting.cpp: who waits
  Result<EntryPointer> entry_for(const std::string& host, const asio::ip::address& client);
  EntryPointer make_lazy(const std::string& host, const Wanted& cover);
  awaitable<Result<tls::CertificateHandle>> obtain_here(std::string host, asio::ip::address client);
  awaitable<Result<tls::CertificateHandle>> wait_for(EntryPointer entry);
  awaitable<Result<tls::CertificateHandle>> rung(EntryPointer entry);
  void ring(Entry& entry, const Result<tls::CertificateHandle>& brought = {});
  std::size_t most_lazy_names() const;
  bool serves(const Entry& entry) const;
  tls::CertificateHandle servable(const Entry& entry) const;

  // keeper_schedule.cpp: what is due
  Standing standing_of(const Entry& entry, const Slot& slot) const;
  Choice choose(const Entry& entry) const;
  void schedule(const EntryPointer& entry, bool awaited = false);
  void wake() { wake_.expires_at(Steady::min()); }
  void settle(const EntryPointer& entry);
  void queue_load(const EntryPointer& entry, bool awaited = false);
  void queue_order(const EntryPointer& entry, Urgency urgency, bool awaited);
  void bring_forward(const EntryPointer& entry);
  void begin_loads();
  void begin_orders(std::deque<EntryPointer>& queue, Lane lane, std::size_t most);
  void rest(const EntryPointer& entry, Wall until);
  void pump();
  awaitable<void> watch();

  // keeper_load.cpp, keeper_order.cpp: what is done for one entry
  awaitable<void> admit(EntryPointer entry, asio::ip::address client);
  awaitable<void> look_up(EntryPointer entry);
  awaitable<void> load_slots(EntryPointer entry);
  awaitable<void> load_files(EntryPointer entry);
  awaitable<void> order(EntryPointer entry, Lane lane);
  awaitable<void> order_held(EntryPointer entry, LeasePointer lease);
  awaitable<void> order_slot(EntryPointer entry, std::size_t slot, std::size_t ca,
                             LeasePointer lease);
  void give_up(const EntryPointer& entry, Error error);
  awaitable<bool> still_allowed(EntryPointer entry);
  awaitable<LeasePointer> take_lease(EntryPointer entry);
  awaitable<IssueOutcome> issue(CaChoice choice, IssueRequest request, LeasePointer lease,
                                bool staging_first, Expense expense);
  awaitable<IssueOutcome> issue_under(std::shared_ptr<Issuer> issuer, IssueRequest request,
                                      LeasePointer lease);
  awaitable<void> accept(EntryPointer entry, std::size_t slot, std::uint64_t generation,
                         std::size_t ca, Issued issued);
  awaitable<void> refuse(EntryPointer entry, std::size_t slot, std::uint64_t generation,
                         std::size_t ca, IssueFailure failure);
  IssueRequest request_for(const Entry& entry, std::size_t slot) const;

  // keeper_publish.cpp: what the workers are given, and given again
  awaitable<void> publish(EntryPointer entry);
  awaitable<void> hand_out(EntryPointer entry, tls::CertificateHandle certificates,
                           tls::CertificateIndex::Need need);
  void bring_back(const EntryPointer& entry);
  tls::CertificateHandle at_hand(const EntryPointer& entry);
  awaitable<void> read_again(EntryPointer entry);
  static void put_back(Slot& slot, StoredCertificate stored);
  static void lose(Entry& entry, Slot& slot);

  // keeper_patrol.cpp: what falls due in storage though nobody asked for it
  awaitable<void> patrol();
  awaitable<void> patrol_folder(std::string ca);
  void take_up(const Storage::Walk::Sighting& sighting);

  // keeper_budget.cpp: what the CAs' limits have left
  static Expense expense_of(const Entry& entry, const Slot& slot, const std::string& folder);
  Wall budget_opens(const Entry& entry, const Slot& slot, const std::string& folder) const;
  awaitable<void> open_ledgers(EntryPointer entry);
  void count(const std::string& folder, const Expense& expense, const IssueOutcome& outcome);
  awaitable<void> write_down(std::string folder);
  void explain_wait(Entry& entry, Wall until);

  Parts parts_;
  OnDemandGate gate_;
  net::Crew crew_;
  Plan plan_;
  std::unordered_map<std::string, Wanted> wanted_;
  std::unordered_map<std::string, EntryPointer> entries_;
  std::list<std::string> lazy_;  // entries made on demand, oldest first

  std::set<std::pair<Wall, Entry*>> due_;     // who rests, by the end of the rest
  std::deque<EntryPointer> to_load_;          // an entry that was brought forward is passed over
  std::deque<EntryPointer> to_load_awaited_;  // handshakes wait for these
  std::map<std::pair<Urgency, std::uint64_t>, EntryPointer> to_order_;
  std::deque<EntryPointer> to_order_on_demand_;
  std::deque<EntryPointer> to_make_;  // by the internal CA; brought forward as those to load
  std::deque<EntryPointer> to_make_awaited_;
  std::array<std::size_t, 5> at_work_{};  // by Lane
  std::uint64_t sequence_ = 0;
  std::map<std::string, Backoff> ca_trouble_;  // of CAs that fail as a whole, by folder
  std::map<std::string, Ledger> ledgers_;      // of CAs that were ordered from, by folder
  asio::steady_timer wake_;
  std::size_t waiting_ = 0;
  enum class Mode : std::uint8_t { idle, running, stopping } mode_ = Mode::idle;
};

}  // namespace gatehouse::acme
