#include "proxy/serve/outlet.hpp"

namespace gatehouse::serve {

awaitable<void> WorkersOutlet::present_http(std::string token, std::string key_authorization) {
  const Workers::Job job = [&](Worker& worker) {
    worker.challenges.put_http(token, key_authorization);
  };
  co_await workers_.on_each(job);
}

awaitable<void> WorkersOutlet::present_tls(std::string server_name,
                                           tls::CertificateHandle certificate) {
  const Workers::Job job = [&](Worker& worker) {
    worker.challenges.put_tls(server_name, certificate);
  };
  co_await workers_.on_each(job);
}

awaitable<void> WorkersOutlet::withdraw_http(std::string token) {
  const Workers::Job job = [&](Worker& worker) { worker.challenges.erase_http(token); };
  co_await workers_.on_each(job);
}

awaitable<void> WorkersOutlet::withdraw_tls(std::string server_name) {
  const Workers::Job job = [&](Worker& worker) { worker.challenges.erase_tls(server_name); };
  co_await workers_.on_each(job);
}

awaitable<void> WorkersOutlet::publish(std::string host, tls::CertificateHandle certificates,
                                       tls::CertificateIndex::Need need) {
  const Workers::Job job = [&](Worker& worker) {
    worker.certificates.put(host, certificates, need);
  };
  co_await workers_.on_each(job);
}

awaitable<void> WorkersOutlet::withdraw(std::string host) {
  const Workers::Job job = [&](Worker& worker) { worker.certificates.erase(host); };
  co_await workers_.on_each(job);
}

}  // namespace gatehouse::serve
