#pragma once

#include <functional>
#include <string>

#include "acme/store/file_system.hpp"

namespace gatehouse::test {

/// The real file system, of which one changing step fails: the `failing`th from now, counted from
/// 0. A `crash` fails every step after it too, as if the process had died there; a file that was
/// being written is left half.
class FaultyFileSystem final : public acme::FileSystem {
 public:
  enum class Kind { error, crash };

  void fail_at(int step, Kind kind) {
    step_ = 0;
    failing_ = step;
    kind_ = kind;
    failed_ = false;
  }
  void heal() { failing_ = -1; }
  bool failed() const { return failed_; }
  bool unreadable = false;        // nothing can be read for the time being
  std::function<void()> on_read;  // meanwhile, on the thread that reads

  Result<void> create(const std::string& path, std::string_view octets) override {
    if (fails()) {
      (void)real_.create(path, octets.substr(0, octets.size() / 2));
      return broken(path);
    }
    return real_.create(path, octets);
  }
  Result<void> append(const std::string& path, std::string_view octets) override {
    if (fails()) return broken(path);
    return real_.append(path, octets);
  }
  Result<std::string> read(const std::string& path) override {
    if (on_read) on_read();
    if (unreadable) return Error(Fault::io, Side::self, path + ": too many open files");
    return real_.read(path);
  }
  Result<Facts> facts(const std::string& path) override { return real_.facts(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return real_.list(directory);
  }
  Result<std::unique_ptr<Listing>> open_list(const std::string& directory) override {
    return real_.open_list(directory);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    if (fails()) return broken(to);
    return real_.rename(from, to);
  }
  Result<void> link(const std::string& from, const std::string& to) override {
    if (fails()) return broken(to);
    return real_.link(from, to);
  }
  Result<void> remove(const std::string& path) override {
    if (fails()) return broken(path);
    return real_.remove(path);
  }
  Result<bool> make_directory(const std::string& path) override {
    if (fails()) return broken(path);
    return real_.make_directory(path);
  }
  Result<void> sync_directory(const std::string& path) override {
    if (fails()) return broken(path);
    return real_.sync_directory(path);
  }

 private:
  bool fails() {
    if (failing_ < 0) return false;
    const int here = step_++;
    const bool now = kind_ == Kind::crash ? here >= failing_ : here == failing_;
    failed_ = failed_ || now;
    return now;
  }
  static Error broken(const std::string& path) {
    return Error(Fault::io, Side::self, path + ": no space left");
  }

  acme::PosixFileSystem real_;
  int step_ = 0;
  int failing_ = -1;
  Kind kind_ = Kind::error;
  bool failed_ = false;
};

}  // namespace gatehouse::test
