// The accounts of a fake CA: who is new, who is bound to another account, who changes keys.
#include <algorithm>

#include "core/tls/digest.hpp"
#include "tests/support/fake_ca_parts.hpp"

namespace gatehouse::test {

using acme::CaReply;

CaReply FakeCa::new_account(Request& request) {
  const Json payload = Json::parse(request.payload);
  const auto same = std::find_if(accounts_.begin(), accounts_.end(), [&](const auto& account) {
    return account->jwk == request.jwk && !account->forgotten;
  });
  std::size_t index = static_cast<std::size_t>(same - accounts_.begin());
  const bool existing = same != accounts_.end();
  if (!existing && payload.value("onlyReturnExisting", false)) {
    return problem(400, "accountDoesNotExist", "unknown key");
  }
  if (!existing) {
    if (!payload.value("termsOfServiceAgreed", false)) {
      return problem(403, "userActionRequired", "agree to the terms");
    }
    if (eab_required) {
      const Json binding = payload.value("externalAccountBinding", Json::object());
      if (binding.empty()) return problem(403, "externalAccountRequired", "no binding");
      const Json inner = Json::parse(decoded(binding, "protected"));
      const auto key = eab_keys.find(inner.at("kid").get<std::string>());
      const std::string input = binding.at("protected").get<std::string>() + "." +
                                binding.at("payload").get<std::string>();
      const bool good = key != eab_keys.end() && inner.at("alg") == "HS256" &&
                        !inner.contains("nonce") && inner.at("url") == request.header.at("url") &&
                        Json::parse(decoded(binding, "payload")) == request.jwk &&
                        tls::hmac_sha256(key->second, input) == decoded(binding, "signature");
      if (!good) return problem(403, "unauthorized", "bad binding");
    }
    last_contact = payload.value("contact", std::vector<std::string>());
    accounts_.push_back(std::make_unique<Account>());
    accounts_.back()->jwk = request.jwk;
    ++accounts_made;
    index = accounts_.size() - 1;
  }
  const bool off = accounts_[index]->deactivated;
  CaReply reply = json_reply(existing ? 200 : 201, {{"status", off ? "deactivated" : "valid"}});
  reply.fields.emplace_back("Location", url("account", index));
  return reply;
}

CaReply FakeCa::key_change(Request& request) {
  const Json inner = Json::parse(request.payload);
  const Json header = Json::parse(decoded(inner, "protected"));
  const Json payload = Json::parse(decoded(inner, "payload"));
  const std::string input =
      inner.at("protected").get<std::string>() + "." + inner.at("payload").get<std::string>();
  const bool good = !header.contains("nonce") && header.at("url") == request.header.at("url") &&
                    payload.at("account") == request.header.at("kid") &&
                    payload.at("oldKey") == request.jwk &&
                    verified(header.at("jwk"), input, decoded(inner, "signature"));
  if (!good) return problem(400, "malformed", "the inner signature");
  accounts_[*request.account]->jwk = header.at("jwk");
  return json_reply(200, Json::object());
}

}  // namespace gatehouse::test
