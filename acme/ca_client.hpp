#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "acme/ca_transport.hpp"
#include "acme/nonce_pool.hpp"
#include "acme/order_store.hpp"
#include "acme/reaction.hpp"
#include "acme/wire.hpp"
#include "core/base/helper_pool.hpp"
#include "core/tls/key.hpp"

namespace gatehouse::acme {

/// An account that the CA knows, ready to sign.
struct Signer {
  std::string url;
  tls::PrivateKey key;
};

/// A certificate as downloaded, and where its other chains are (RFC 8555 §7.4.2).
struct DownloadedChain {
  std::string chain_pem;
  std::vector<std::string> alternates;
};

/// One CA, request by request (RFC 8555 §7). Knows nonces, the account and how requests are
/// signed; knows nothing of when to ask what. Lives on the control thread; calls may overlap. What
/// the CA says no to comes back as a CaError, except what is mended here: bad nonces, an account
/// that was forgotten (made anew once a day at most), a contact or an account key that the CA does
/// not take.
class CaClient {
 public:
  struct Binding {
    std::string key_id;
    std::string hmac_key;
  };
  struct Settings {
    std::string directory;
    std::optional<Binding> binding;
    std::chrono::seconds request_timeout{60};
  };

  CaClient(Settings settings, CaTransport& transport, OrderStore& store, HelperPool& helpers,
           Clock& clock);
  CaClient(const CaClient&) = delete;
  CaClient& operator=(const CaClient&) = delete;
  ~CaClient();

  const std::string& storage_name() const { return storage_name_; }

  /// From memory for a day, then asked for again.
  awaitable<CaResult<Directory>> directory();
  /// The stored account; else one is made, its key durable first. Whoever configured this CA has
  /// agreed to its terms of service; their URL is logged and stored.
  awaitable<CaResult<Signer>> account(std::string email);

  awaitable<CaResult<Order>> new_order(std::vector<Identifier> identifiers, std::string profile);
  awaitable<CaResult<Order>> order(std::string url);
  awaitable<CaResult<Authorization>> authorization(std::string url);
  /// Says that the challenge can be looked at now.
  awaitable<CaResult<Challenge>> respond(std::string url);
  awaitable<CaResult<Order>> finalize(std::string order_url, std::string finalize_url,
                                      std::string csr_der);
  awaitable<CaResult<DownloadedChain>> download(std::string url);
  awaitable<CaResult<CaReply>> deactivate_authorization(std::string url);
  /// Done, too, when it was revoked before. `reason` of RFC 5280 §5.3.1; dropped when refused.
  awaitable<CaResult<CaReply>> revoke(std::string certificate_der, std::optional<int> reason);
  /// Replaces the account's key (RFC 8555 §7.3.5). The new one is durable before the CA hears of
  /// it; a lost reply is settled by the next call of account().
  awaitable<CaResult<Signer>> change_key(tls::KeyType type);

 private:
  class Turn;
  struct Post {
    Doing doing = Doing::poll;
    std::string url;
    std::string payload;
    std::string accept;
    std::size_t most_bytes = most_reply_bytes;
  };

  awaitable<void> turn_free();
  awaitable<Result<CaReply>> send(CaRequest request);
  awaitable<CaResult<std::string>> nonce();
  /// Signs and sends until the CA takes the nonce. Any status but badNonce comes back.
  awaitable<CaResult<CaReply>> exchange(Post post, Signer signer);
  /// With the account; makes it anew when the CA has forgotten it.
  awaitable<CaResult<CaReply>> post(Post post);
  /// Asks where something stands; `parse` reads the answer.
  template <class T>
  awaitable<CaResult<T>> look_at(std::string url, Result<T> (*parse)(std::string_view));
  CaError refused(Doing doing, const CaReply& reply) const;
  std::optional<std::chrono::seconds> retry_after(const CaReply& reply) const;

  awaitable<CaResult<Signer>> open_account(std::string email);
  awaitable<CaResult<Signer>> make_account(AccountRecord record, tls::KeyType type);
  awaitable<CaResult<Signer>> settle_account(AccountRecord record, tls::PrivateKey key);
  awaitable<CaResult<Signer>> keep_account(AccountRecord record, tls::PrivateKey key,
                                           std::string url);
  awaitable<CaResult<Signer>> register_account(AccountRecord record, tls::PrivateKey key);
  awaitable<CaResult<Signer>> recreate_account(std::string forgotten);
  awaitable<CaResult<std::string>> find_account(tls::PrivateKey key);
  awaitable<CaResult<std::string>> post_account(NewAccount account, tls::PrivateKey key);
  awaitable<Result<AccountRecord>> load_account();
  awaitable<Result<void>> save_account(AccountRecord record);
  awaitable<Result<void>> archive_account();

  Settings settings_;
  std::string storage_name_;
  CaTransport& transport_;
  OrderStore& store_;
  HelperPool& helpers_;
  Clock& clock_;

  NoncePool nonces_;
  std::optional<Directory> directory_;
  Steady directory_since_{};
  Signer signer_;  // empty url: not opened yet
  std::optional<Wall> recreated_;
  bool busy_ = false;  // somebody is at the account: see Turn
  std::shared_ptr<asio::steady_timer> freed_;
};

}  // namespace gatehouse::acme
