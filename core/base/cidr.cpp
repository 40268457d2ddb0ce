#include "core/base/cidr.hpp"

#include <charconv>

#include "core/base/host.hpp"

namespace gatehouse {
namespace {

template <class Octets>
bool same_prefix(const Octets& a, const Octets& b, unsigned bits) {
  for (std::size_t i = 0; bits > 0; ++i) {
    const unsigned here = bits < 8 ? bits : 8;
    const auto mask = static_cast<unsigned char>(0xFF << (8 - here));
    if ((a[i] & mask) != (b[i] & mask)) return false;
    bits -= here;
  }
  return true;
}

Error bad(std::string_view text) {
  return Error(Fault::bad_message, Side::self,
               "'" + std::string(text.substr(0, 64)) + "' is no address block (like 10.0.0.0/8)");
}

}  // namespace

Result<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = as_address(text.substr(0, slash));
  if (!address) return bad(text);
  const unsigned widest = address->is_v4() ? 32 : 128;
  unsigned prefix = widest;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, failed] =
        std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
    if (digits.empty() || failed != std::errc() || end != digits.data() + digits.size() ||
        prefix > widest) {
      return bad(text);
    }
  }
  return Cidr(*address, prefix);
}

bool Cidr::contains(const boost::asio::ip::address& raw) const {
  const auto address = unmapped(raw);
  if (address.is_v4() != network_.is_v4()) return false;
  if (address.is_v4()) {
    return same_prefix(address.to_v4().to_bytes(), network_.to_v4().to_bytes(), prefix_);
  }
  return same_prefix(address.to_v6().to_bytes(), network_.to_v6().to_bytes(), prefix_);
}

const std::vector<Cidr>& private_blocks() {
  static const std::vector<Cidr> blocks = [] {
    std::vector<Cidr> made;
    for (const char* text : {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8",
                             "169.254.0.0/16", "::1", "fc00::/7", "fe80::/10"}) {
      made.push_back(Cidr::parse(text).value());
    }
    return made;
  }();
  return blocks;
}

Result<std::vector<Cidr>> parse_blocks(std::span<const std::string> texts) {
  std::vector<Cidr> blocks;
  for (const std::string& text : texts) {
    if (text == "private") {
      blocks.insert(blocks.end(), private_blocks().begin(), private_blocks().end());
      continue;
    }
    auto block = Cidr::parse(text);
    if (!block) return block.error();
    blocks.push_back(*block);
  }
  return blocks;
}

bool is_private(const boost::asio::ip::address& address) {
  for (const Cidr& block : private_blocks()) {
    if (block.contains(address)) return true;
  }
  return address.is_unspecified();
}

boost::asio::ip::address unmapped(const boost::asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
  }
  return address;
}

}  // namespace gatehouse
