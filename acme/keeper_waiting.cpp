// Who waits for a certificate: whether a name may have one at all, and until when it is waited for.
#include <algorithm>

#include "acme/detail/keeper_entry.hpp"
#include "core/base/elsewhere.hpp"
#include "core/base/host.hpp"
#include "core/base/log.hpp"
#include "core/net/within.hpp"

namespace gatehouse::acme {
namespace {

using config::TlsMode;

/// Counts a handshake for as long as it waits.
class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(count) { ++count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::size_t& count_;
};

}  // namespace

awaitable<Result<tls::CertificateHandle>> Keeper::obtain(std::string host,
                                                         asio::ip::address client) {
  auto work = obtain_here(std::move(host), std::move(client));
  // The caller may be on a worker. The wait is bounded by `wait`, and stop() ends it.
  auto certificates = co_await run_elsewhere(parts_.control, std::move(work));
  co_return certificates;
}

/// Whether there is something good that the workers were given, in memory or not. Of files an
/// operator decides what is good.
bool Keeper::serves(const Entry& entry) const {
  if (!entry.served_until) return false;
  return entry.wanted.mode == TlsMode::files || *entry.served_until > parts_.clock.wall();
}

tls::CertificateHandle Keeper::servable(const Entry& entry) const {
  return serves(entry) ? entry.served.lock() : nullptr;
}

std::size_t Keeper::most_lazy_names() const { return std::max(most_lazy, plan_.in_memory); }

Keeper::EntryPointer Keeper::make_lazy(const std::string& host, const Wanted& cover) {
  if (lazy_.size() >= most_lazy_names()) {
    // The oldest that rests leaves; workers ask for it again when somebody comes.
    for (const std::string& oldest : lazy_) {
      const EntryPointer entry = entries_.at(oldest);
      if (entry->busy() || entry->being_read) continue;
      retire(entry);
      break;
    }
  }
  auto& entry = entries_[host];
  if (entry == nullptr) {
    entry = std::make_shared<Entry>();
    entry->host = host;
    entry->phase = Entry::Phase::admitting;
  }
  entry->kind = Entry::Kind::lazy;
  entry->lazy_place = lazy_.insert(lazy_.end(), host);
  entry->wanted = cover;
  entry->wanted.host = host;
  rebuild(*entry);
  return entry;
}

Result<Keeper::EntryPointer> Keeper::entry_for(const std::string& host,
                                               const asio::ip::address& client) {
  const auto at = entries_.find(host);
  if (at != entries_.end() && at->second->kind != Entry::Kind::retired) return at->second;
  const Wanted* cover = cover_of(host);
  if (cover == nullptr) return Error(Fault::not_found, Side::client, host + ": no site");
  switch (cover->mode) {
    case TlsMode::off:
    case TlsMode::passthrough:
      return Error(Fault::not_found, Side::client, host + ": no TLS here");
    case TlsMode::acme:
    case TlsMode::files: {
      const auto covering = entries_.find(cover->host);
      if (covering != entries_.end()) return covering->second;
      return Error(Fault::not_found, Side::client, host + ": no certificate covers it");
    }
    case TlsMode::internal: {
      const auto normal = normal_host(host);
      if (!normal || *normal != host)
        return Error(Fault::denied, Side::client, log::escaped(host, 300) + ": no host name");
      break;
    }
    case TlsMode::on_demand: {
      // What the operator lists may be a local name: a CA of his own certifies those.
      auto good = gate_.lists(host) ? Result<void>() : check_on_demand_name(host);
      if (!good) return good.error();
      if (auto known = gate_.remembered(host)) return *known;
      break;
    }
  }
  if (at != entries_.end())  // its last work is ending; the next handshake finds it gone
    return Error(Fault::refused, Side::self, host + ": is being given up");
  const std::size_t most = gate_.settings().max_waiting;
  auto& admitting = at_work_[static_cast<std::size_t>(Lane::admit)];
  const std::size_t waiting = to_order_on_demand_.size() + to_make_awaited_.size();
  if (admitting + waiting >= std::max<std::size_t>(most, 1))
    return Error(Fault::limit, Side::client, host + ": max_waiting new names are under way");
  const EntryPointer entry = make_lazy(host, *cover);
  ++admitting;
  crew_.add(admit(entry, client));
  return entry;
}

awaitable<Result<tls::CertificateHandle>> Keeper::obtain_here(std::string host,
                                                              asio::ip::address client) {
  if (mode_ != Mode::running) co_return Error(Fault::closed, Side::self, "keeper is stopped");
  auto at = entries_.find(host);
  if (at == entries_.end()) {
    if (const Wanted* cover = cover_of(host)) at = entries_.find(cover->host);
  }
  // Those whose certificate is there, in memory or not, do not wait long.
  const bool known = at != entries_.end() && serves(*at->second);
  if (!known && waiting_ >= gate_.settings().max_waiting)
    co_return Error(Fault::limit, Side::client, host + ": max_waiting handshakes wait");
  auto entry = entry_for(host, client);
  if (!entry) co_return entry.error();
  if ((*entry)->unasked) {
    auto deciding = gate_.decide(host, client, AskReason::load);
    auto allowed = co_await std::move(deciding);
    if (!allowed) co_return allowed.error();
    entry = entry_for(host, client);  // that one may have come to its end meanwhile
    if (!entry) co_return entry.error();
    (*entry)->unasked = false;
    auto publishing = publish(*entry);
    co_await std::move(publishing);
  }
  auto here = at_hand(*entry);
  if (here == nullptr) co_return co_await wait_for(std::move(*entry));
  // A worker had no room for it, or came late: it is given to all of them again.
  auto again = hand_out(*entry, here, tls::CertificateIndex::Need::now);
  co_await std::move(again);
  co_return here;
}

awaitable<Result<tls::CertificateHandle>> Keeper::wait_for(EntryPointer entry) {
  const Counted counted(waiting_);
  const Steady deadline = parts_.clock.steady() + gate_.settings().wait;
  // What came may have been let go of again before this one heard of it.
  for (int looks = 0; mode_ == Mode::running; ++looks) {
    auto here = looks < 3 ? at_hand(entry) : servable(*entry);
    if (here != nullptr) co_return here;
    if (!entry->busy() && !entry->being_read) break;
    bring_forward(entry);
    auto ring_once = rung(entry);
    auto heard = co_await net::within(parts_.clock, deadline, Side::self, std::move(ring_once));
    if (!heard) co_return std::move(heard).error().within(entry->host);
    if (*heard != nullptr) co_return std::move(*heard);
  }
  if (mode_ != Mode::running) co_return Error(Fault::closed, Side::self, "keeper is stopped");
  if (entry->failure) co_return *entry->failure;
  co_return Error(Fault::not_found, Side::self, entry->host + ": no certificate");
}

/// Null: something else than its certificates has changed.
awaitable<Result<tls::CertificateHandle>> Keeper::rung(EntryPointer entry) {
  struct Place {
    std::list<Waiter*>& waiters;
    std::list<Waiter*>::iterator at;
    Place(std::list<Waiter*>& list, Waiter& waiter)
        : waiters(list), at(list.insert(list.end(), &waiter)) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { waiters.erase(at); }
  };
  Waiter parked{asio::steady_timer(parts_.control, Steady::max()), {}};
  const Place place(entry->waiters, parked);
  co_await parked.rung.async_wait(as_result);  // ring() or cancellation ends it
  co_return std::move(parked.brought);
}

void Keeper::ring(Entry& entry, const Result<tls::CertificateHandle>& brought) {
  for (Waiter* waiter : entry.waiters) {
    if (!brought || *brought != nullptr) waiter->brought = brought;
    waiter->rung.cancel();
  }
}

}  // namespace gatehouse::acme
