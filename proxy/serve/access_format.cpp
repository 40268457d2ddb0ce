#include "proxy/serve/access_format.hpp"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "config/access_fields.hpp"
#include "core/base/address_text.hpp"
#include "core/base/bytes.hpp"
#include "core/base/copy_short.hpp"
#include "core/base/log.hpp"
#include "core/base/time_format.hpp"
#include "core/tls/digest.hpp"
#include "proxy/serve/detail/json_octets.hpp"
#include "proxy/serve/snapshot.hpp"

namespace gatehouse::serve {
namespace {

constexpr std::size_t longest_value = 2048;
constexpr std::size_t hash_octets = 16;

std::string hash_of(std::string_view key, std::string_view value) {
  return hex(std::string_view(tls::hmac_sha256(key, value)).substr(0, hash_octets));
}

using Treatment = AccessFormat::Treatment;
using Treatments = std::array<Treatment, AccessFormat::names>;

constexpr std::array<std::string_view, AccessFormat::names> field_names =
    config::access_field_names;

/// `"name":` of each field: a line has thirty of them.
struct Key {
  std::array<char, 24> text{};
  std::size_t length = 0;

  constexpr void add(std::string_view part) {
    for (const char c : part) text[length++] = c;
  }
};

constexpr std::array<Key, AccessFormat::names> keys = [] {
  std::array<Key, AccessFormat::names> all{};
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].add("\"");
    all[i].add(field_names[i].substr(field_names[i].find('.') + 1));
    all[i].add("\":");
  }
  return all;
}();

// Digits of the largest number, and more.
constexpr std::size_t most_digits = 24;

template <class Number>
char* put_number(char* at, Number value) {
  return std::to_chars(at, at + most_digits, value).ptr;
}

/// `0.001500`: to the microsecond.
char* put_seconds(char* at, Steady::duration span) {
  constexpr std::uint64_t million = 1'000'000;
  const auto rounded = std::chrono::round<std::chrono::microseconds>(span).count();
  const auto microseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(rounded, 0));
  char* const point = put_number(at, microseconds / million);
  char* const end = put_number(point, million + microseconds % million);  // seven digits, first 1
  *point = '.';
  return end;
}

/// One JSON object in the making. Objects nest one deep. Each member leaves a comma behind it, that
/// of the last one becomes the end.
class JsonLine {
 public:
  JsonLine(LineText& out, const Treatments& treatments, std::string_view hash_key)
      : out_(out), treatments_(treatments), hash_key_(hash_key) {
    out_.append('{');
  }

  void text(AccessFormat::Name name, std::string_view value) {
    if (treatments_[name] != Treatment::plain) return treated(name, value);
    if (value.size() > longest_value) return escaped(name, value);
    // Looked at where it stands then: most have nothing to be escaped.
    char* const at = begin_quoted(name, value.size() + detail::JsonOctets::step);
    char* const end = copy_short(at, value);
    if (!detail::JsonOctets::harmless(at, end)) return escaped(name, value);
    end_quoted(end);
  }
  /// The same for what holds nothing that JSON wants escaped.
  void plain(AccessFormat::Name name, std::string_view value) {
    if (treatments_[name] != Treatment::plain) return treated(name, value);
    quoted(name, value);
  }
  /// `value` is a number, true, false or null already.
  void bare(AccessFormat::Name name, std::string_view value) {
    if (treatments_[name] != Treatment::plain) return treated(name, value);
    char* at = key(name, value.size() + 1);
    at = copy_short(at, value);
    *at++ = ',';
    out_.written_to(at);
  }
  template <class Number>
  void number(AccessFormat::Name name, Number value) {
    written(name, [value](char* at) { return put_number(at, value); });
  }
  void seconds(AccessFormat::Name name, Steady::duration span) {
    written(name, [span](char* at) { return put_seconds(at, span); });
  }
  /// False: the whole object is left out.
  bool open(AccessFormat::Name name) {
    if (treatments_[name] != Treatment::plain) {
      treated(name, {});
      return false;
    }
    char* at = key(name, 1);
    *at++ = '{';
    out_.written_to(at);
    return true;
  }
  void close() {
    end();
    out_.append(',');
  }
  /// Of the whole line.
  void end() {
    if (out_.view().back() == ',') out_.pop_back();
    out_.append('}');
  }

 private:
  // Apart, because these are rare: a line has thirty fields.
  [[gnu::noinline]] void treated(AccessFormat::Name name, std::string_view value) {
    switch (treatments_[name]) {
      case Treatment::drop:
        break;
      case Treatment::redact:
        quoted(name, "<redacted>");
        break;
      case Treatment::hash:
        quoted(name, hash_of(hash_key_, value));
        break;
      case Treatment::plain:
        quoted(name, value);
        break;
    }
  }
  [[gnu::noinline]] void escaped(AccessFormat::Name name, std::string_view value) {
    quoted(name, log::json_escaped(value, longest_value));
  }
  void quoted(AccessFormat::Name name, std::string_view value) {
    end_quoted(copy_short(begin_quoted(name, value.size()), value));
  }
  char* begin_quoted(AccessFormat::Name name, std::size_t most) {
    char* const at = key(name, most + 3);
    *at = '"';
    return at + 1;
  }
  void end_quoted(char* at) {
    std::memcpy(at, "\",", 2);
    out_.written_to(at + 2);
  }
  template <class Put>
  void written(AccessFormat::Name name, Put put) {
    std::array<char, 2 * most_digits> digits;
    bare(name, {digits.data(), static_cast<std::size_t>(put(digits.data()) - digits.data())});
  }
  /// Where the value goes, of which up to `most` octets follow.
  char* key(AccessFormat::Name name, std::size_t most) {
    const Key& key = keys[name];
    char* const at = out_.room(key.text.size() + most);
    std::memcpy(at, key.text.data(), key.text.size());  // all of its room: one copy of a known size
    return at + key.length;
  }

  LineText& out_;
  const Treatments& treatments_;
  std::string_view hash_key_;
};

std::string_view protocol(const http::RequestHead& request, const RequestFacts& facts) {
  return facts.passed_through ? "TLS" : http::version_text(request.version);
}

void write_tls(JsonLine& line, const RequestFacts& facts) {
  using F = AccessFormat;
  if (facts.tls == nullptr) return line.bare(F::tls, "null");
  if (!line.open(F::tls)) return;
  line.plain(F::tls_version, facts.tls->version);
  line.plain(F::tls_cipher, facts.tls->cipher);
  line.text(F::tls_sni, facts.tls->sni);
  line.text(F::tls_alpn, facts.tls->alpn);
  line.bare(F::tls_resumed, facts.tls->resumed ? "true" : "false");
  const tls::ClientCertificate* client = facts.tls->client.get();
  line.text(F::tls_client_subject, client ? std::string_view(client->subject) : "");
  if (client) {
    line.text(F::tls_client_serial, client->serial);
    line.text(F::tls_client_fingerprint, client->fingerprint);
  }
  line.close();
}

void write_backend(JsonLine& line, const RequestFacts& facts) {
  using F = AccessFormat;
  if (facts.backend.empty()) return line.bare(F::backend, "null");
  if (!line.open(F::backend)) return;
  line.text(F::backend_name, facts.backend);
  line.text(F::backend_server, facts.server);
  line.seconds(F::backend_seconds, facts.backend_time);
  line.number(F::backend_attempts, facts.attempts);
  line.bare(F::backend_reused, facts.reused ? "true" : "false");
  line.close();
}

void write_json(LineText& out, const http::RequestHead& request, const RequestFacts& facts,
                Steady ended, const Treatments& treatments, std::string_view hash_key) {
  using F = AccessFormat;
  JsonLine line(out, treatments, hash_key);
  DateRoom date;
  line.plain(F::ts, rfc3339(facts.began_wall, date));
  line.text(F::id, facts.id);
  AddressRoom room;
  const std::string_view peer = address_text(facts.peer, room);
  AddressRoom other;
  const bool direct = facts.client_ip == facts.peer;
  line.plain(F::client_ip, direct ? peer : address_text(facts.client_ip, other));
  line.plain(F::peer, peer);
  line.text(F::method, request.method);
  line.plain(F::scheme, facts.scheme());
  line.text(F::host, request.host);
  line.text(F::path, facts.asked ? facts.asked->path : request.path);
  line.text(F::query, facts.asked ? facts.asked->query : request.query);
  line.plain(F::proto, protocol(request, facts));
  line.number(F::status, facts.status);
  line.number(F::bytes_in, facts.bytes_in);
  line.number(F::bytes_out, facts.bytes_out);
  line.seconds(F::seconds, ended - facts.began);
  write_tls(line, facts);
  line.text(F::site, facts.site ? std::string_view(facts.site->name) : std::string_view());
  line.text(F::route, facts.route ? std::string_view(facts.route->name) : std::string_view());
  write_backend(line, facts);
  line.text(F::user_agent, facts.user_agent);
  line.text(F::referer, facts.referer);
  line.text(F::error, facts.error);
  line.end();
  out.append('\n');
}

/// `21/Nov/2026:01:40:00 +0000`
std::string clf_time(Wall when) {
  static constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const time_t seconds = std::chrono::system_clock::to_time_t(when);
  tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 64> text;
  const int length = std::snprintf(text.data(), text.size(), "%02d/%s/%04d:%02d:%02d:%02d +0000",
                                   utc.tm_mday, months[static_cast<std::size_t>(utc.tm_mon)],
                                   utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
  return std::string(text.data(), static_cast<std::size_t>(length));
}

/// The combined format has no objects to nest and no fields to leave out: "-" stands for those.
class CombinedLine {
 public:
  CombinedLine(LineText& out, const Treatments& treatments, std::string_view hash_key)
      : out_(out), treatments_(treatments), hash_key_(hash_key) {}

  void value(AccessFormat::Name name, std::string_view text) {
    switch (treatments_[name]) {
      case Treatment::drop:
        out_.append('-');
        break;
      case Treatment::redact:
        out_.append("<redacted>");
        break;
      case Treatment::hash:
        out_.append(hash_of(hash_key_, text));
        break;
      case Treatment::plain:
        escaped(text.empty() ? "-" : text.substr(0, longest_value));
        break;
    }
  }
  void bare(std::string_view text) { out_.append(text); }

 private:
  void escaped(std::string_view text) {
    for (const char c : text) {
      if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
        out_.append(c);
      } else {
        out_.append("\\x");
        out_.append(hex(std::string_view(&c, 1)));
      }
    }
  }

  LineText& out_;
  const Treatments& treatments_;
  std::string_view hash_key_;
};

void write_combined(LineText& out, const http::RequestHead& request, const RequestFacts& facts,
                    const Treatments& treatments, std::string_view hash_key) {
  using F = AccessFormat;
  CombinedLine line(out, treatments, hash_key);
  AddressRoom room;
  line.value(F::client_ip, address_text(facts.client_ip, room));
  line.bare(" - - [" + clf_time(facts.began_wall) + "] \"");
  line.value(F::method, request.method);
  line.bare(" ");
  line.value(F::path, facts.asked ? facts.asked->path : request.path);
  if (facts.asked ? facts.asked->has_query : request.has_query) {
    line.bare("?");
    const std::string_view query = facts.asked ? facts.asked->query : request.query;
    if (!query.empty()) line.value(F::query, query);
  }
  line.bare(" ");
  line.bare(protocol(request, facts));
  line.bare("\" " + std::to_string(facts.status) + " " + std::to_string(facts.bytes_out) + " \"");
  line.value(F::referer, facts.referer);
  line.bare("\" \"");
  line.value(F::user_agent, facts.user_agent);
  line.bare("\"\n");
}

}  // namespace

AccessFormat::AccessFormat(const config::Log& log)
    : kind_(log.access_format == "combined" ? Kind::combined : Kind::json) {
  treat(log.access_fields.redact, Treatment::redact);
  treat(log.access_fields.hash, Treatment::hash);
  treat(log.access_fields.drop, Treatment::drop);  // who names a field twice gets the most careful
}

void AccessFormat::treat(const std::vector<std::string>& fields, Treatment treatment) {
  for (const std::string& field : fields) {
    const auto found = std::find(field_names.begin(), field_names.end(), field);
    if (found == field_names.end()) continue;
    treatment_[static_cast<std::size_t>(found - field_names.begin())] = treatment;
  }
}

void AccessFormat::write(LineText& out, const http::RequestHead& request, const RequestFacts& facts,
                         Steady ended, std::string_view hash_key) const {
  if (kind_ == Kind::json) return write_json(out, request, facts, ended, treatment_, hash_key);
  write_combined(out, request, facts, treatment_, hash_key);
}

}  // namespace gatehouse::serve
