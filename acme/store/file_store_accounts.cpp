// What FileStore keeps for a CA: the account, orders under way, what its limits have left.
#include "acme/store/detail/layout.hpp"
#include "acme/store/file_store.hpp"
#include "core/base/time_format.hpp"

namespace gatehouse::acme {
namespace {

Result<std::string> account_folder(const std::string& ca) {
  auto name = folder(ca);
  if (!name) return name.error();
  return "acme/" + *name;
}

Result<std::string> order_path(const std::string& ca, const std::string& host) {
  auto account = account_folder(ca);
  if (!account) return account.error();
  auto name = folder(host_folder(host));
  if (!name) return name.error();
  return *account + "/orders/" + *name + ".json";
}

}  // namespace

Result<std::optional<AccountRecord>> FileStore::load_account(const std::string& ca) {
  auto where = account_folder(ca);
  if (!where) return where.error();
  auto text = read_if_there(*where + "/account.json", Privacy::plain);
  if (!text) return text.error();
  if (!*text) return std::optional<AccountRecord>();
  auto account = account_record_from_json(**text);
  if (!account) return damaged(at(*where + "/account.json"), account.error().detail());
  auto key = load_key(*where + "/account.key");
  if (!key) return key.error();
  if (!*key) return damaged(at(*where + "/account.key"), "missing beside account.json");
  account->key_pem = std::move(**key);
  auto next = load_key(*where + "/account-next.key");
  if (!next) return next.error();
  account->next_key_pem = next->value_or(std::string());
  return std::optional<AccountRecord>(std::move(*account));
}

Result<void> FileStore::save_account(const std::string& ca, const AccountRecord& account) {
  auto where = account_folder(ca);
  if (!where) return where.error();
  const std::string next_path = *where + "/account-next.key";
  if (!account.next_key_pem.empty()) {
    auto saved = save_key(next_path, account.next_key_pem);
    if (!saved) return saved.error();
  }
  const auto stored = load_key(*where + "/account.key");
  if (!stored || !*stored || **stored != account.key_pem) {
    auto saved = save_key(*where + "/account.key", account.key_pem);
    if (!saved) return saved.error();
  }
  auto saved = save_file(*where + "/account.json", to_json(account));
  if (!saved) return saved.error();
  if (account.next_key_pem.empty()) return files_.remove(at(next_path));
  return {};
}

Result<void> FileStore::archive_account(const std::string& ca, Wall now) {
  auto where = account_folder(ca);
  if (!where) return where.error();
  const std::string when = "." + rfc3339_seconds(now);
  // The record first: a key without a record is no account, a record without its key is damage.
  for (const char* file : {"/account.json", "/account.key", "/account-next.key"}) {
    const std::string path = at(*where + file);
    auto moved = files_.system().rename(path, path + when);
    if (!moved && !missing(moved.error())) return moved.error();
  }
  return files_.system().sync_directory(at(*where));
}

Result<std::optional<OrderRecord>> FileStore::load_order(const std::string& ca,
                                                         const std::string& host) {
  auto path = order_path(ca, host);
  if (!path) return path.error();
  auto text = read_if_there(*path, Privacy::secret);
  if (!text) return text.error();
  if (!*text) return std::optional<OrderRecord>();
  auto record = order_record_from_json(**text);
  if (!record) return damaged(at(*path), record.error().detail());
  if (record->order && !record->order->key_pem.empty()) {
    auto pem = opened(*path, record->order->key_pem);
    if (!pem) return pem.error();
    record->order->key_pem = std::move(*pem);
  }
  return std::optional<OrderRecord>(std::move(*record));
}

Result<void> FileStore::save_order(const std::string& ca, const std::string& host,
                                   const OrderRecord& record) {
  auto path = order_path(ca, host);
  if (!path) return path.error();
  OrderRecord kept = record;
  if (kept.order && !kept.order->key_pem.empty()) {
    auto text = sealed(*path, kept.order->key_pem);
    if (!text) return text.error();
    kept.order->key_pem = std::move(*text);
  }
  return save_file(*path, to_json(kept));
}

Result<void> FileStore::remove_order(const std::string& ca, const std::string& host) {
  auto path = order_path(ca, host);
  if (!path) return path.error();
  return files_.remove(at(*path));
}

Result<std::optional<Budget>> FileStore::load_budget(const std::string& ca) {
  auto where = account_folder(ca);
  if (!where) return where.error();
  auto text = read_if_there(*where + "/budget.json", Privacy::plain);
  if (!text) return text.error();
  if (!*text) return std::optional<Budget>();
  auto budget = budget_from_json(**text);
  if (!budget) return damaged(at(*where + "/budget.json"), budget.error().detail());
  return std::optional<Budget>(std::move(*budget));
}

Result<void> FileStore::save_budget(const std::string& ca, const Budget& budget) {
  auto where = account_folder(ca);
  if (!where) return where.error();
  return save_file(*where + "/budget.json", to_json(budget));
}

}  // namespace gatehouse::acme
