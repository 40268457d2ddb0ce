#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/tls/handles.hpp"
#include "tests/support/fake_ca.hpp"

namespace gatehouse::test {

using Json = nlohmann::json;

struct FakeCa::Challenge {
  std::string type;
  std::string token;
  std::string status = "pending";
  std::string error;
};

struct FakeCa::Authorization {
  std::size_t number = 0;
  std::size_t account = 0;
  Json identifier;
  bool wildcard = false;
  std::string status = "pending";
  std::vector<Challenge> challenges;
  std::string verdict;  // what it becomes when its polls are over
  int polls_left = 0;
};

struct FakeCa::Order {
  std::size_t number = 0;
  std::size_t account = 0;
  Json identifiers;
  std::vector<std::size_t> authorizations;
  std::string status = "pending";
  std::string csr;
  int polls_left = 0;
  std::size_t certificate = 0;
  bool forgotten = false;
};

struct FakeCa::Account {
  Json jwk;
  bool forgotten = false;
  bool deactivated = false;
};

struct FakeCa::Certificate {
  std::string chain;
  std::string alternate;
};

/// A signed request, taken apart and found to be good.
struct FakeCa::Request {
  std::string path;
  Json header;
  std::string payload;
  std::optional<std::size_t> account;
  Json jwk;  // of the signer
};

struct FakeCa::Trouble {
  std::string operation;
  std::optional<acme::CaReply> reply;
  std::optional<Lifeline::At> drop;
};

/// The member of a JOSE object, out of its base64url.
std::string decoded(const Json& object, const char* name);
tls::KeyHandle public_key(const Json& jwk);
bool verified(const Json& jwk, const std::string& input, const std::string& signature);
std::string thumbprint_of(const Json& jwk);
tls::PrivateKey fresh_key();
/// The N of a path like order/N.
std::size_t number_in(const std::string& path);
acme::CaReply json_reply(int status, const Json& json);

}  // namespace gatehouse::test
