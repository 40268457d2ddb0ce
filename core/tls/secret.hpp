#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace gatehouse::tls {

/// Octets of a key (16 at least): wherever they have been, they are wiped when they leave.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string octets) noexcept : octets_(std::move(octets)) {}
  Secret(const Secret&) = default;
  Secret(Secret&&) noexcept = default;
  Secret& operator=(Secret other) noexcept {
    octets_.swap(other.octets_);
    return *this;
  }
  ~Secret();

  std::string_view view() const { return octets_; }

 private:
  std::string octets_;
};

}  // namespace gatehouse::tls
