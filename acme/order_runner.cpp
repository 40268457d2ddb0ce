#include "acme/order_runner.hpp"

#include <algorithm>
#include <exception>

#include "acme/detail/order_run.hpp"
#include "core/base/log.hpp"

namespace gatehouse::acme {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds longest_pause{15};
constexpr std::chrono::seconds longest_retry_after{600};

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

IssueFailure failure(Retry retry, std::string detail) {
  IssueFailure out;
  out.retry = retry;
  out.detail = std::move(detail);
  return out;
}

IssueFailure own_failure(const Error& error) {
  IssueFailure out = failure(Retry::later, error.detail());
  out.whole_ca = true;
  return out;
}

Ending ended(Ending::Kind kind, IssueFailure why) {
  Ending ending;
  ending.kind = kind;
  ending.failure = std::move(why);
  return ending;
}

// The road of an order.

OrderRun::OrderRun(CaIssuer& issuer, IssueRequest request)
    : issuer_(issuer), request_(std::move(request)), names_(sorted(request_.names)) {}

awaitable<IssueOutcome> OrderRun::carry_out() {
  auto loaded = co_await load();
  if (!loaded) co_return own_failure(loaded.error());
  auto signer = co_await issuer_.client_.account(request_.email);
  if (!signer) co_return told(signer.error());
  signer_ = std::move(*signer);
  auto chosen = co_await profile();
  if (!chosen) co_return told(chosen.error());

  Ending ending;
  // The second round is for a stored order that turns out to be over.
  for (int round = 0; round < 2; ++round) {
    auto ready = co_await prepare(*chosen);
    if (!ready) co_return own_failure(ready.error());
    const bool was_resumed = resumed_;
    ending = co_await run();
    const bool over = ending.kind == Ending::Kind::dropped || ending.kind == Ending::Kind::stale;
    if (over) co_await drop();
    if (ending.kind != Ending::Kind::stale || !was_resumed) break;
    log::info("stored order was over", {{"host", request_.host}, {"why", ending.failure.detail}});
    view_ = OrderView();
  }
  if (ending.kind == Ending::Kind::issued) co_return std::move(ending.issued);
  co_return std::move(ending.failure);
}

awaitable<Ending> OrderRun::run() {
  deadline_ = clock().steady() + issuer_.patience_.authorizations;
  waiting_for_ = Wait::For::authorizations;
  next_pause_ = first_pause;
  auto order = co_await open();
  if (!order) {
    const CaError& error = order.error();
    const bool gone = resumed_ && error.reaction() == Reaction::new_order;
    co_return ended(gone ? Ending::Kind::stale : Ending::Kind::kept, told(error));
  }
  view_.order = std::move(*order);
  for (;;) {
    auto seen = co_await look(view_.order);
    std::optional<Ending> ending;
    if (!seen) {
      ending = co_await bear(seen.error());
      if (ending) co_return std::move(*ending);
      continue;
    }
    view_ = std::move(*seen);
    OrderStep step = next_step(view_);
    if (const auto* solve = std::get_if<Solve>(&step)) {
      ending = co_await carry(*solve);
    } else if (std::holds_alternative<Finalize>(step)) {
      ending = co_await finalize();
    } else if (const auto* waiting = std::get_if<Wait>(&step)) {
      ending = co_await wait(*waiting);
    } else if (auto* download = std::get_if<Download>(&step)) {
      ending = co_await fetch(std::move(download->url));
    } else if (auto* over = std::get_if<GiveUp>(&step)) {
      ending = co_await give_up(std::move(*over));
    }
    if (ending) co_return std::move(*ending);
  }
}

/// The stored order, or a new one whose URL is durable before anything else is asked of it.
awaitable<CaResult<Order>> OrderRun::open() {
  PendingOrder& pending = *record_.order;
  if (!pending.url.empty()) {
    auto order = co_await issuer_.client_.order(pending.url);
    co_return order;
  }
  std::vector<Identifier> identifiers;
  for (const std::string& name : names_) identifiers.push_back(identifier_of(name));
  auto order = co_await issuer_.client_.new_order(std::move(identifiers), pending.profile);
  if (!order) co_return order;
  // The account may have been made anew on the way.
  auto signer = co_await issuer_.client_.account(request_.email);
  if (!signer) co_return signer.error();
  signer_ = std::move(*signer);
  pending.account_url = signer_.url;
  pending.url = order->url;
  // A guess that is right spares another write before the challenge is announced.
  pending.challenge = first_choice(request_.challenges, record_.failed_challenges);
  auto saved = co_await save();
  if (!saved) co_return CaError(Doing::order, saved.error());
  log::info("acme order opened", {{"host", request_.host}, {"order", pending.url}});
  co_return order;
}

/// The order's authorizations, where its next step depends on them.
awaitable<CaResult<OrderView>> OrderRun::look(Order order) {
  OrderView seen;
  seen.order = std::move(order);
  seen.answered = view_.answered;
  seen.finalize_taken = view_.finalize_taken;
  const bool wanted =
      seen.order.status == OrderStatus::pending || seen.order.status == OrderStatus::invalid;
  if (!wanted) co_return seen;
  for (const std::string& url : seen.order.authorizations) {
    auto authorization = co_await issuer_.client_.authorization(url);
    // Of an order that is over, one that can still be read may tell why.
    const bool matters = seen.order.status == OrderStatus::pending;
    if (!authorization && matters) co_return authorization.error();
    if (authorization) seen.authorizations.push_back(std::move(*authorization));
  }
  co_return seen;
}

/// An error in the middle of an order: bears what passes by itself, and goes on only once the CA
/// has said where the order stands now. A request whose reply was lost may have taken effect.
awaitable<std::optional<Ending>> OrderRun::bear(CaError error) {
  for (;;) {
    const Reaction reaction = error.reaction();
    if (reaction == Reaction::new_order) co_return ended(Ending::Kind::stale, told(error));
    const bool passes = reaction == Reaction::later || reaction == Reaction::wait ||
                        reaction == Reaction::refetch_order || reaction == Reaction::resign;
    if (!passes) co_return ended(Ending::Kind::dropped, told(error));
    std::optional<std::chrono::seconds> hint;
    if (error.retry_at) {
      hint = std::chrono::ceil<std::chrono::seconds>(*error.retry_at - clock().wall());
    }
    const bool limited = reaction == Reaction::wait && !hint;
    if (limited) co_return ended(Ending::Kind::kept, told(error));
    const Pause paused = co_await pause(hint);
    if (paused == Pause::out_of_patience) co_return ended(Ending::Kind::kept, told(error));
    auto order = co_await issuer_.client_.order(record_.order->url);
    if (order) {
      view_.order = std::move(*order);
      co_return std::nullopt;
    }
    error = order.error();
  }
}

awaitable<Ending> OrderRun::give_up(GiveUp step) {
  IssueFailure why = told(step.error);
  if (!step.name.empty()) why.names.assign(1, step.name);
  if (step.why == GiveUp::Why::stale) {
    why.retry = Retry::now;
    co_return ended(Ending::Kind::stale, std::move(why));
  }
  if (step.error.doing == Doing::validation) {
    why.detail = step.name + ": " + step.challenge + ": " + why.detail;
    auto& failed = record_.failed_challenges;
    if (!step.challenge.empty() && !contains(failed, step.challenge)) {
      failed.push_back(step.challenge);
    }
    const bool another =
        std::any_of(request_.challenges.begin(), request_.challenges.end(),
                    [&](const std::string& kind) { return !contains(failed, kind); });
    // Another kind may do where this one cannot, and begins a new round when all have failed.
    if (another && why.retry == Retry::later) why.retry = Retry::now;
    if (!another) failed.clear();
    // What the dead order leaves pending would only lie around at the CA.
    for (const Authorization& authorization : view_.authorizations) {
      if (authorization.status != AuthorizationStatus::pending) continue;
      co_await issuer_.client_.deactivate_authorization(authorization.url);
    }
  }
  co_return ended(Ending::Kind::dropped, std::move(why));
}

// Waiting.

awaitable<OrderRun::Pause> OrderRun::pause(std::optional<std::chrono::seconds> hint) {
  std::chrono::milliseconds length = next_pause_;
  if (hint) length = std::clamp<std::chrono::milliseconds>(*hint, 1s, longest_retry_after);
  const Steady until = clock().steady() + length;
  if (until > deadline_) co_return Pause::out_of_patience;
  next_pause_ = std::min<std::chrono::milliseconds>(next_pause_ * 2, longest_pause);
  co_await clock().sleep_until(until);
  co_return Pause::over;
}

awaitable<std::optional<Ending>> OrderRun::wait(const Wait& step) {
  if (step.what == Wait::For::order && waiting_for_ == Wait::For::authorizations) {
    waiting_for_ = step.what;
    deadline_ = clock().steady() + issuer_.patience_.certificate;
    next_pause_ = first_pause;
  }
  const std::optional<std::chrono::seconds> hint = step.retry_after;
  const bool validating = step.what == Wait::For::authorizations;
  const Pause paused = co_await pause(hint);
  if (paused == Pause::out_of_patience) {
    IssueFailure slow = failure(
        Retry::at_time, validating ? "the CA is still validating" : "the CA is still issuing");
    slow.not_before = clock().wall() + std::max<std::chrono::seconds>(hint.value_or(60s), 60s);
    co_return ended(Ending::Kind::kept, std::move(slow));
  }
  auto order = co_await issuer_.client_.order(record_.order->url);
  if (order) {
    view_.order = std::move(*order);
    co_return std::nullopt;
  }
  auto ending = co_await bear(order.error());
  co_return ending;
}

// The issuer.

CaIssuer::CaIssuer(CaClient& client, Outlet& outlet, OrderStore& store, HelperPool& helpers,
                   Clock& clock)
    : CaIssuer(client, outlet, store, helpers, clock, Patience()) {}

CaIssuer::CaIssuer(CaClient& client, Outlet& outlet, OrderStore& store, HelperPool& helpers,
                   Clock& clock, Patience patience)
    : client_(client),
      outlet_(outlet),
      store_(store),
      helpers_(helpers),
      clock_(clock),
      patience_(patience) {}

awaitable<IssueOutcome> CaIssuer::issue(IssueRequest request) {
  OrderRun run(*this, std::move(request));
  IssueOutcome outcome = IssueFailure();
  std::exception_ptr ended_early;
  try {
    outcome = co_await run.carry_out();
  } catch (...) {
    ended_early = std::current_exception();
  }
  // Whoever cancels us must not leave answers standing.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await run.withdraw();
  co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
  if (ended_early) std::rethrow_exception(ended_early);
  co_return outcome;
}

}  // namespace gatehouse::acme
