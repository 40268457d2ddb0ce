#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "acme/ca_transport.hpp"
#include "core/tls/certificate_authority.hpp"
#include "tests/support/lifeline.hpp"

namespace gatehouse::test {

/// A whole ACME server in a test's process (RFC 8555), strict about what clients get wrong:
/// signatures, nonces, `url`, `jwk` or `kid`, payload forms, the request for the certificate. Its
/// switches make it slow, forgetful, hostile or wrong.
class FakeCa final : public acme::CaTransport {
 public:
  FakeCa(Clock& clock, Lifeline& life);
  ~FakeCa() override;

  awaitable<Result<acme::CaReply>> send(acme::CaRequest request, Steady deadline) override;

  static constexpr const char* directory_url = "https://ca.example/dir";

  // How it behaves.

  /// Asked when a challenge is announced: does the right answer stand where it must? `expected` is
  /// the key authorization.
  std::function<bool(const std::string& type, const std::string& identifier,
                     const std::string& token, const std::string& expected)>
      validate;
  /// Told the public key (DER) of every certificate that is about to be issued.
  std::function<void(const std::string& public_der)> on_finalize;
  int reject_nonces = 0;     // the next so many
  int pending_polls = 0;     // an authorization stays pending for so many looks
  int processing_polls = 0;  // an order stays processing for so many looks
  std::string retry_after;   // sent with orders and authorizations
  bool reuse_valid = false;  // every authorization is valid from the start
  std::string failure_type;  // of a failed validation; empty: unauthorized
  bool eab_required = false;
  std::map<std::string, std::string> eab_keys;  // key id to MAC key (raw)
  std::set<std::string> profiles;
  std::vector<std::string> challenge_types = {"http-01", "dns-01", "tls-alpn-01", "dns-persist-01"};
  bool alternate_chain = false;
  enum class Wrong {
    nothing,
    key,
    names,
    expired,
    chain,
    weak_issuer,  // keys, names, dates, links are good; OpenSSL refuses to serve it all the same
  };
  Wrong certificate_is = Wrong::nothing;

  /// The next request of that operation is answered with a problem (or, with an empty type, with
  /// the status and `detail` as the body). Operations: directory nonce account order poll respond
  /// finalize certificate revoke key_change.
  void refuse_next(const std::string& operation, int status, std::string type,
                   std::string detail = "no", std::string retry_after = {});
  void answer_next(const std::string& operation, acme::CaReply reply);
  /// The connection breaks at the next request of that operation.
  void drop_next(const std::string& operation, Lifeline::At at);
  /// Requests from now on are never answered.
  bool silent = false;
  void forget_accounts();
  void forget_orders();
  void deactivate_accounts();

  // What it saw.

  int accounts_made = 0;
  int orders_made = 0;
  int issued = 0;
  int finalize_calls = 0;
  int responses = 0;
  int deactivated_authorizations = 0;
  std::vector<std::string> log;  // operations, in order
  std::size_t count(const std::string& operation) const;
  /// What clients must never do, in words; empty when all was well.
  std::vector<std::string> complaints;
  std::vector<std::string> last_contact;

 private:
  struct Challenge;
  struct Authorization;
  struct Order;
  struct Account;
  struct Certificate;
  struct Request;
  struct Trouble;

  acme::CaReply handle(const acme::CaRequest& request, const std::string& operation);
  acme::CaReply signed_request(const acme::CaRequest& request, const std::string& operation);
  acme::CaReply new_account(Request& request);
  acme::CaReply new_order(Request& request);
  acme::CaReply order_reply(Order& order);
  acme::CaReply authorization(Request& request);
  acme::CaReply respond(Request& request);
  acme::CaReply finalize(Request& request);
  acme::CaReply certificate(Request& request);
  acme::CaReply key_change(Request& request);
  acme::CaReply revoke(Request& request);
  void settle(Order& order);
  std::string issue(const Order& order, const std::string& csr);
  std::string new_nonce();
  acme::CaReply problem(int status, const std::string& type, const std::string& detail);
  std::string url(const std::string& kind, std::size_t number) const;

  Clock& clock_;
  Lifeline& life_;
  tls::CertificateAuthority intermediate_;
  tls::CertificateAuthority alternate_;
  std::set<std::string> nonces_;
  int next_nonce_ = 0;
  std::deque<Trouble> troubles_;
  std::vector<std::unique_ptr<Account>> accounts_;
  std::vector<std::unique_ptr<Order>> orders_;
  std::vector<std::unique_ptr<Authorization>> authorizations_;
  std::vector<std::unique_ptr<Certificate>> certificates_;
};

}  // namespace gatehouse::test
