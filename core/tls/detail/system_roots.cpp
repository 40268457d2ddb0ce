#include "core/tls/detail/system_roots.hpp"

#include <filesystem>
#include <mutex>

namespace gatehouse::tls::detail {
namespace {

namespace fs = std::filesystem;

struct Known {
  std::mutex turn;
  std::shared_ptr<X509_STORE> store;
  fs::file_time_type changed;
};

/// Never freed: threads that end after main() may still verify.
Known& known() {
  static Known* const all = new Known;
  return *all;
}

/// The same places that OpenSSL looks in.
fs::file_time_type last_change() {
  const char* file = std::getenv(X509_get_default_cert_file_env());
  std::error_code absent;
  return fs::last_write_time(file ? file : X509_get_default_cert_file(), absent);
}

}  // namespace

std::shared_ptr<X509_STORE> system_roots() {
  Known& shared = known();
  const std::lock_guard one_at_a_time(shared.turn);
  const auto changed = last_change();
  if (shared.store && shared.changed == changed) return shared.store;
  std::shared_ptr<X509_STORE> store(X509_STORE_new(), X509_STORE_free);
  if (!store || X509_STORE_set_default_paths(store.get()) != 1) return nullptr;
  shared.store = store;
  shared.changed = changed;
  return store;
}

}  // namespace gatehouse::tls::detail
