// The certificates of a fake CA: what it takes to get one, and in which ways it may be wrong.
#include <openssl/rsa.h>

#include <algorithm>

#include "core/base/host.hpp"
#include "tests/support/fake_ca_parts.hpp"

namespace gatehouse::test {

using acme::CaReply;
using namespace std::chrono_literals;

namespace {

std::set<std::string> names_of(X509_REQ* request) {
  std::set<std::string> names;
  const tls::Extensions extensions(X509_REQ_get_extensions(request));
  const tls::AltNames alt(static_cast<GENERAL_NAMES*>(
      X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; alt && i < sk_GENERAL_NAME_num(alt.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alt.get(), i);
    const ASN1_STRING* value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    const std::string_view octets = tls::text(ASN1_STRING_get0_data(value),
                                              static_cast<std::size_t>(ASN1_STRING_length(value)));
    if (name->type == GEN_DNS) names.insert(std::string(octets));
    if (name->type == GEN_IPADD && octets.size() == 4) {
      asio::ip::address_v4::bytes_type raw;
      std::copy(octets.begin(), octets.end(), raw.begin());
      names.insert(asio::ip::address_v4(raw).to_string());
    }
    if (name->type == GEN_IPADD && octets.size() == 16) {
      asio::ip::address_v6::bytes_type raw;
      std::copy(octets.begin(), octets.end(), raw.begin());
      names.insert(asio::ip::address_v6(raw).to_string());
    }
  }
  return names;
}

/// An intermediate as it was made twenty years ago, with a key of 1024 bits.
tls::CertificateAuthority weak_authority(Wall now) {
  const tls::Validity years{now - 24h, now + 24h * 3650};
  const auto root = tls::CertificateAuthority::make_root("Old Root", fresh_key(), years);
  const std::shared_ptr<EVP_PKEY> raw(EVP_RSA_gen(1024), EVP_PKEY_free);
  const tls::PrivateKey key(raw, tls::KeyType::rsa2048);  // the smallest type there is
  return *root->make_intermediate("Old Intermediate", key, years);
}

}  // namespace

CaReply FakeCa::finalize(Request& request) {
  Order& order = *orders_.at(number_in(request.path));
  settle(order);
  ++finalize_calls;
  if (order.status != "ready") {
    complaints.push_back("finalized while " + order.status);
    return problem(403, "orderNotReady", "the order is " + order.status);
  }
  const std::string csr = decoded(Json::parse(request.payload), "csr");
  const unsigned char* at = tls::octets(csr);
  const tls::RequestHandle parsed(d2i_X509_REQ(nullptr, &at, static_cast<long>(csr.size())));
  if (!parsed || X509_REQ_verify(parsed.get(), X509_REQ_get0_pubkey(parsed.get())) != 1) {
    return problem(400, "badCSR", "the request does not verify");
  }
  if (X509_NAME_entry_count(X509_REQ_get_subject_name(parsed.get())) != 0) {
    complaints.push_back("a request has a subject");
  }
  std::set<std::string> wanted;
  for (const Json& identifier : order.identifiers) wanted.insert(identifier.at("value"));
  if (names_of(parsed.get()) != wanted) return problem(403, "unauthorized", "other names");
  const tls::KeyHandle account = public_key(request.jwk);
  if (EVP_PKEY_eq(account.get(), X509_REQ_get0_pubkey(parsed.get())) == 1) {
    return problem(400, "badCSR", "the account's key");
  }
  if (on_finalize) on_finalize(tls::der<i2d_PUBKEY>(X509_REQ_get0_pubkey(parsed.get())));
  order.csr = csr;
  order.status = "processing";
  order.polls_left = processing_polls;
  return order_reply(order);
}

std::string FakeCa::issue(const Order& order, const std::string& csr) {
  const unsigned char* at = tls::octets(csr);
  const tls::RequestHandle request(d2i_X509_REQ(nullptr, &at, static_cast<long>(csr.size())));
  std::shared_ptr<EVP_PKEY> public_half(X509_REQ_get_pubkey(request.get()), EVP_PKEY_free);
  tls::PrivateKey key(public_half, tls::KeyType::p256);
  std::vector<std::string> names;
  for (const Json& identifier : order.identifiers) names.push_back(identifier.at("value"));
  tls::Validity validity{clock_.wall() - 1h, clock_.wall() + 24h * 90};
  if (certificate_is == Wrong::key) key = fresh_key();
  if (certificate_is == Wrong::names) names.assign(1, "other.example");
  if (certificate_is == Wrong::expired) validity.not_after = clock_.wall() - 1min;
  if (certificate_is == Wrong::weak_issuer)
    return *weak_authority(clock_.wall()).issue(names, key, validity);
  std::string chain = *intermediate_.issue(names, key, validity);
  if (certificate_is == Wrong::chain) {
    const std::size_t leaf = chain.find("-----END CERTIFICATE-----") + 26;
    const tls::Validity years{clock_.wall() - 24h, clock_.wall() + 24h * 3650};
    const auto stranger = tls::CertificateAuthority::make_root("Stranger", fresh_key(), years);
    chain = chain.substr(0, leaf) + stranger->certificate_pem();
  }
  return chain;
}

CaReply FakeCa::certificate(Request& request) {
  if (!request.payload.empty())
    complaints.push_back("a certificate is fetched with an empty payload");
  const bool other = request.path.ends_with("/alternate");
  const Certificate& certificate = *certificates_.at(number_in(request.path));
  CaReply reply;
  reply.status = 200;
  reply.fields.emplace_back("Content-Type", "application/pem-certificate-chain");
  reply.body = other ? certificate.alternate : certificate.chain;
  if (alternate_chain) {
    const std::string base = url("cert", number_in(request.path));
    reply.fields.emplace_back("Link", "<https://ca.example/dir>;rel=\"index\", <" + base +
                                          "/alternate>;rel=\"alternate\"");
  }
  return reply;
}

CaReply FakeCa::revoke(Request& request) {
  const Json payload = Json::parse(request.payload);
  if (decoded(payload, "certificate").empty()) return problem(400, "malformed", "no certificate");
  CaReply reply;
  reply.status = 200;
  return reply;
}

}  // namespace gatehouse::test
