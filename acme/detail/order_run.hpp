#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "acme/order.hpp"
#include "acme/order_runner.hpp"
#include "core/base/contains.hpp"
#include "core/tls/certificate.hpp"

namespace gatehouse::acme {

/// Between two looks at an order that is not done yet; it doubles from look to look. Somebody
/// may be waiting in a handshake, and a CA that has validated in a moment should not be found out
/// half a second later; one that takes seconds is asked eight times in the first three. One that
/// asks for more (Retry-After) gets it.
inline constexpr std::chrono::milliseconds first_pause{10};

IssueFailure failure(Retry retry, std::string detail);
/// From an error that is no answer of the CA but that every name would meet: storage, our own.
IssueFailure own_failure(const Error& error);

/// How a run of an order ended.
struct Ending {
  enum class Kind {
    issued,
    kept,     // not now, but this order may still become a certificate
    dropped,  // the order is over
    stale,    // it was over before: a fresh one may do
  };
  Kind kind = Kind::dropped;
  Issued issued;
  IssueFailure failure;
};

Ending ended(Ending::Kind kind, IssueFailure why);

/// One call of issue(). Lives in its frame.
class OrderRun {
 public:
  OrderRun(CaIssuer& issuer, IssueRequest request);

  awaitable<IssueOutcome> carry_out();
  /// Takes every answer back. Must not be cancelled.
  awaitable<void> withdraw();

 private:
  enum class Pause { over, out_of_patience };

  awaitable<Result<void>> load();
  awaitable<Result<void>> save();
  awaitable<CaResult<std::string>> profile();
  awaitable<Result<void>> prepare(std::string profile);
  awaitable<Result<void>> renew_key();
  awaitable<Ending> run();
  awaitable<CaResult<Order>> open();
  awaitable<CaResult<OrderView>> look(Order order);
  awaitable<std::optional<Ending>> carry(const Solve& step);
  awaitable<std::optional<Ending>> answer(Authorization authorization);
  awaitable<Result<void>> present(const Authorization& authorization, const Challenge& challenge);
  awaitable<std::optional<Ending>> finalize();
  awaitable<std::optional<Ending>> wait(const Wait& step);
  awaitable<Ending> fetch(std::string url);
  awaitable<Result<tls::CertificatePointer>> prove(std::string chain_pem);
  awaitable<tls::CertificatePointer> prefer(tls::CertificatePointer certificate,
                                            std::vector<std::string> alternates);
  awaitable<Ending> give_up(GiveUp step);
  awaitable<std::optional<Ending>> bear(CaError error);
  awaitable<Pause> pause(std::optional<std::chrono::seconds> hint);
  awaitable<void> drop();
  IssueFailure told(const CaError& error) const { return failure_of(error, clock().wall()); }
  Clock& clock() const { return issuer_.clock_; }

  CaIssuer& issuer_;
  IssueRequest request_;
  std::vector<std::string> names_;
  OrderRecord record_;
  Signer signer_;
  OrderView view_;
  std::map<std::string, int> responded_;  // by authorization URL: how often
  int finalized_ = 0;
  bool key_renewed_ = false;
  bool resumed_ = false;
  Steady deadline_ = Steady::max();
  Wait::For waiting_for_ = Wait::For::authorizations;
  std::chrono::milliseconds next_pause_ = first_pause;
  std::vector<std::string> http_tokens_;
  std::vector<std::string> tls_names_;
};

}  // namespace gatehouse::acme
