#include "acme/challenge.hpp"

namespace gatehouse::acme {

const std::string* ChallengeBoard::http_answer(std::string_view token) const {
  const auto found = http_.find(token);
  return found == http_.end() ? nullptr : &found->second;
}

const tls::CertificateHandle* ChallengeBoard::tls_answer(std::string_view server_name) const {
  const auto found = tls_.find(server_name);
  return found == tls_.end() ? nullptr : &found->second;
}

void ChallengeBoard::put_http(std::string token, std::string key_authorization) {
  http_.insert_or_assign(std::move(token), std::move(key_authorization));
}

void ChallengeBoard::erase_http(const std::string& token) { http_.erase(token); }

void ChallengeBoard::put_tls(std::string server_name, tls::CertificateHandle certificate) {
  tls_.insert_or_assign(std::move(server_name), std::move(certificate));
}

void ChallengeBoard::erase_tls(const std::string& server_name) { tls_.erase(server_name); }

}  // namespace gatehouse::acme
