#include "core/net/dns_answer.hpp"

#include <algorithm>

#include "core/base/host.hpp"

namespace gatehouse::net {
namespace {

constexpr std::uint16_t type_srv = 33;
constexpr std::uint16_t class_in = 1;
constexpr std::size_t header_octets = 12;
constexpr std::size_t most_name_octets = 255;

/// Walks a message; once something leads out of it, ok() is false and everything reads as zero.
class Reader {
 public:
  explicit Reader(std::string_view message, std::size_t at = 0) : message_(message), at_(at) {}

  bool ok() const { return ok_; }
  std::size_t at() const { return at_; }
  std::uint32_t number(std::size_t octets) {
    if (!ok_ || message_.size() - at_ < octets) return fail();
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < octets; ++i) {
      out = out << 8 | static_cast<unsigned char>(message_[at_++]);
    }
    return out;
  }
  std::uint16_t two() { return static_cast<std::uint16_t>(number(2)); }
  void skip(std::size_t octets) {
    if (!ok_ || message_.size() - at_ < octets) {
      fail();
    } else {
      at_ += octets;
    }
  }

  /// A name with its compression (RFC 1035 §4.1.4): a pointer may only lead back, so every walk
  /// ends.
  std::string name() {
    std::string out;
    std::size_t at = at_;
    std::size_t lowest = at_;
    bool jumped = false;
    for (;;) {
      if (!ok_ || at >= message_.size() || out.size() > most_name_octets) return failed_name();
      const auto length = static_cast<unsigned char>(message_[at]);
      if (length == 0) {
        if (!jumped) at_ = at + 1;
        return out;
      }
      if (length >= 0xC0) {
        if (at + 1 >= message_.size()) return failed_name();
        const std::size_t to = (length & 0x3FU) << 8 | static_cast<unsigned char>(message_[at + 1]);
        if (!jumped) at_ = at + 2;
        jumped = true;
        if (to >= lowest) return failed_name();
        lowest = to;
        at = to;
        continue;
      }
      if (length >= 0x40 || message_.size() - at - 1 < length) return failed_name();
      if (!out.empty()) out += '.';
      out.append(message_.substr(at + 1, length));
      at += 1U + length;
    }
  }

 private:
  std::uint32_t fail() {
    ok_ = false;
    return 0;
  }
  std::string failed_name() {
    ok_ = false;
    return {};
  }
  std::string_view message_;
  std::size_t at_;
  bool ok_ = true;
};

void take(Reader data, std::uint32_t ttl, ServiceAnswer& into) {
  ServiceRecord record;
  record.priority = data.two();
  record.weight = data.two();
  record.port = data.two();
  const std::string target = data.name();
  const auto host = normal_host(target);
  // An empty name says that the service is decidedly not offered (RFC 2782).
  if (!data.ok() || !host || record.port == 0) return;
  record.host = *host;
  const std::chrono::seconds lives(ttl);
  into.ttl = into.records.empty() ? lives : std::min(into.ttl, lives);
  into.records.push_back(std::move(record));
}

}  // namespace

Result<ServiceAnswer> parse_services(std::string_view message) {
  const Error broken(Fault::bad_message, Side::server, "a broken DNS message");
  if (message.size() < header_octets) return broken;
  Reader reader(message, 4);
  const std::uint16_t questions = reader.two();
  const std::uint16_t answers = reader.two();
  reader.skip(4);
  for (std::uint16_t i = 0; i < questions && reader.ok(); ++i) {
    (void)reader.name();
    reader.skip(4);
  }
  ServiceAnswer out;
  for (std::uint16_t i = 0; i < answers && reader.ok(); ++i) {
    (void)reader.name();
    const std::uint16_t type = reader.two();
    const std::uint16_t in = reader.two();
    const std::uint32_t ttl = reader.number(4);
    const std::uint16_t length = reader.two();
    const std::size_t data = reader.at();
    reader.skip(length);
    if (!reader.ok()) break;
    if (type != type_srv || in != class_in || out.records.size() == most_service_records) continue;
    take(Reader(message.substr(0, data + length), data), ttl, out);
  }
  if (!reader.ok()) return broken;
  std::stable_sort(out.records.begin(), out.records.end(),
                   [](const auto& a, const auto& b) { return a.priority < b.priority; });
  return out;
}

}  // namespace gatehouse::net
