#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "acme/storage.hpp"
#include "acme/store/lease.hpp"
#include "acme/store/private_files.hpp"
#include "core/base/clock.hpp"
#include "core/base/entropy.hpp"

namespace gatehouse::acme {

/// Storage of kind `files`: plain files below DATA_DIR, laid out so that people and scripts may
/// read them. Nothing is listed or read before somebody asks for it, so a million stored names cost
/// nothing at start. Any thread; every call blocks. What it is given at make() outlives it.
///
/// Certificate and key change together although they are two files. A new pair is written into
/// next.tmp/, which becomes next/ by one rename: from there on it counts. Its files then move up
/// one by one, the ones before going to previous/. A reader takes each file from next/ where it is
/// still there, and whoever finds a next/ finishes the move.
class FileStore final : public Storage {
 public:
  /// Makes `data_dir` where it is missing. `encryption_key` is empty or 32
  /// octets in base64.
  static Result<std::shared_ptr<FileStore>> open(std::string data_dir,
                                                 std::string_view encryption_key,
                                                 FileSystem& system, Clock& clock,
                                                 Entropy& entropy);
  /// The same, as another owner of leases: tests play two processes.
  static Result<std::shared_ptr<FileStore>> open_as(std::string owner, std::string data_dir,
                                                    std::string_view encryption_key,
                                                    FileSystem& system, Clock& clock,
                                                    Entropy& entropy);

  Result<std::optional<AccountRecord>> load_account(const std::string& ca) override;
  Result<void> save_account(const std::string& ca, const AccountRecord& account) override;
  Result<void> archive_account(const std::string& ca, Wall now) override;
  Result<std::optional<OrderRecord>> load_order(const std::string& ca,
                                                const std::string& host) override;
  Result<void> save_order(const std::string& ca, const std::string& host,
                          const OrderRecord& record) override;
  Result<void> remove_order(const std::string& ca, const std::string& host) override;

  Result<std::optional<StoredCertificate>> load_certificate(const CertificateName& name) override;
  Result<void> save_certificate(const CertificateName& name,
                                const StoredCertificate& certificate) override;
  Result<void> save_meta(const CertificateName& name, const CertificateMeta& meta) override;
  Result<void> roll_back(const CertificateName& name) override;
  Result<void> remove_certificate(const CertificateName& name) override;
  Result<std::vector<std::string>> certificate_cas() override;
  Result<std::vector<std::string>> certificate_hosts(const std::string& ca) override;

  Result<std::unique_ptr<Walk>> walk(const std::string& ca) override;

  Result<std::optional<Budget>> load_budget(const std::string& ca) override;
  Result<void> save_budget(const std::string& ca, const Budget& budget) override;

  Result<Lease> take_lease(const std::string& name) override;
  Result<Lease> renew_lease(const Lease& lease) override;
  void release_lease(const Lease& lease) override;
  std::chrono::seconds lease_length() const override { return LeaseFiles::length; }

  /// A file of ours that is neither account nor certificate (internal-ca/root.key, tickets.json),
  /// by its path below DATA_DIR. Empty: not there. Keys are sealed like all others.
  Result<std::optional<std::string>> load_file(const std::string& path);
  Result<void> save_file(const std::string& path, std::string_view octets);
  Result<std::optional<std::string>> load_key(const std::string& path);
  Result<void> save_key(const std::string& path, std::string_view pem);

  const std::string& data_dir() const { return data_dir_; }
  /// Names this installation for life: 32 hex digits. Made when it is first asked for: a start
  /// does not wait for a disk that nothing needs yet.
  Result<std::string> instance_id();

 private:
  FileStore(std::string data_dir, std::string encryption_key, FileSystem& system, Clock& clock,
            Entropy& entropy, std::string owner);

  std::string at(const std::string& path) const { return data_dir_ + "/" + path; }
  Result<std::string> sealed(const std::string& about, std::string_view pem);
  Result<std::string> opened(const std::string& about, const std::string& text) const;
  enum class Privacy : std::uint8_t { plain, secret };
  Result<std::optional<std::string>> read_if_there(const std::string& path, Privacy privacy);
  Result<std::optional<StoredCertificate>> read_certificate(const std::string& folder);
  Result<void> move_up(const std::string& folder);
  Result<void> put(const std::string& where, const std::string& staged, const std::string& to,
                   const StoredCertificate& certificate);

  std::string data_dir_;
  std::string encryption_key_;  // 32 octets, or empty
  PrivateFiles files_;
  LeaseFiles leases_;
};

/// The folder of a host: `*` as `_wildcard`, ':' as '-'; names too long for a file name are cut and
/// told apart by a digest.
std::string host_folder(std::string_view host);

}  // namespace gatehouse::acme
