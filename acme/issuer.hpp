#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <vector>

#include "core/base/asio.hpp"
#include "core/base/clock.hpp"
#include "core/tls/certificate.hpp"

namespace gatehouse::acme {

/// What certificate is wanted. One request is one certificate of one key type.
struct IssueRequest {
  std::string host;                // the entry's name in storage, normal form or `*.parent`
  std::vector<std::string> names;  // all names and IP addresses of the certificate, normal form
  std::string key_type = "p256";   // p256 p384 ed25519 rsa2048 rsa3072 rsa4096
  std::string profile;             // ACME profile; empty: none is asked for
  std::string preferred_chain;     // common name of the wanted chain's last issuer; empty: default
  std::vector<std::string> challenges = {"tls-alpn-01", "http-01"};  // in order of preference
  std::string email;                                                 // contact; empty: none
  bool reuse_key = false;
  std::string previous_key_pem;  // with `reuse_key`: the key to go on with; empty: a new one
};

/// A certificate that was checked: the key is ours, every name is in it, the chain links, it is
/// valid now.
struct Issued {
  tls::CertificatePointer certificate;  // with its key; never null
  std::string key_pem;                  // the same key
  std::string ca;                       // the issuer's storage name
};

/// When the same request makes sense again.
enum class Retry {
  now,      // at once, but only once in a row: another way is left (next challenge kind, new order)
  later,    // temporary: the next step of the back-off
  at_time,  // not before `not_before`, for anything of the same kind at this CA
  permanent,  // until someone changes something: try again seldom (daily), tell the operator
};

/// Why there is no certificate. What the keeper decides on; it never tears strings apart.
struct IssueFailure {
  Retry retry = Retry::later;
  Wall not_before{};      // with Retry::at_time
  bool whole_ca = false;  // true: any name would fail (account, CA down, its limits); else this one
  bool names_fault = false;  // true: about the names or their DNS, a second CA may say the same
  bool failed_validation = false;  // the CA looked at a challenge's answer and did not like it
  std::string problem;  // the ACME error type without its URN prefix; empty: none was given
  std::string detail;   // one line for operators, escaped and cut short
  std::vector<std::string> names;  // the names it is about, where the CA said so
};

/// A certificate, or why there is none.
using IssueOutcome = boost::system::result<Issued, IssueFailure>;

/// Asked for by boost::system::result when `value()` is called on a failure: our bug, so it throws.
[[noreturn]] void throw_exception_from_error(const IssueFailure& failure,
                                             const boost::source_location& at);

/// Makes certificates: an ACME CA, or the internal one. Lives on the control thread. Calls for
/// different hosts may overlap; the caller sees to it that there is one at a time per host.
///
/// An issuer that keeps orders (CaIssuer) leaves the finished order's record in the OrderStore, so
/// that a crash before the certificate is durable downloads it again. The caller removes the order
/// (`OrderRecord::order.reset()`, save) once certificate and key are in storage.
class Issuer {
 public:
  virtual ~Issuer() = default;
  virtual awaitable<IssueOutcome> issue(IssueRequest request) = 0;
  /// Where its things are stored: ca_storage_name() of the directory, or "internal".
  virtual const std::string& storage_name() const = 0;
};

}  // namespace gatehouse::acme
