#include "core/base/bytes.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "core/base/eight_octets.hpp"

namespace gatehouse {
namespace {

constexpr std::string_view url_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view standard_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr auto hex_of = [] {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> texts{};
  for (std::size_t octet = 0; octet < texts.size(); ++octet) {
    texts[octet] = {digits[octet >> 4], digits[octet & 15]};
  }
  return texts;
}();

std::string encode(std::string_view octets, std::string_view alphabet) {
  std::string out;
  out.reserve((octets.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : octets) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    for (held += 8; held >= 6;) out += alphabet[(bits >> (held -= 6)) & 63];
  }
  if (held > 0) out += alphabet[(bits << (6 - held)) & 63];
  return out;
}

int value_of(char c, std::string_view alphabet) {
  const std::size_t at = alphabet.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

Error bad(std::string why) { return Error(Fault::bad_message, Side::self, std::move(why)); }

template <class ValueOf>
Result<std::string> decode(std::string_view text, ValueOf value) {
  if (text.size() % 4 == 1) return bad("base64 text of impossible length");
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const int v = value(c);
    if (v < 0) return bad("octet outside the base64 alphabet");
    bits = (bits << 6) | static_cast<std::uint32_t>(v);
    held += 6;
    if (held >= 8) out += static_cast<char>((bits >> (held -= 8)) & 255);
  }
  if ((bits & ((1U << held) - 1)) != 0) return bad("base64 text with stray bits");
  return out;
}

}  // namespace

std::string base64url(std::string_view octets) { return encode(octets, url_alphabet); }

Result<std::string> from_base64url(std::string_view text) {
  return decode(text, [](char c) { return value_of(c, url_alphabet); });
}

std::string base64(std::string_view octets) {
  std::string out = encode(octets, standard_alphabet);
  while (out.size() % 4 != 0) out += '=';
  return out;
}

Result<std::string> from_base64_lenient(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  return decode(text, [](char c) {
    const int v = value_of(c, url_alphabet);
    return v >= 0 ? v : value_of(c, standard_alphabet);
  });
}

void write_hex(std::string_view octets, char* to) {
  for (const char c : octets) {
    std::memcpy(to, hex_of[static_cast<unsigned char>(c)].data(), 2);
    to += 2;
  }
}

std::string hex(std::string_view octets) {
  std::string out(octets.size() * 2, '\0');
  write_hex(octets, out.data());
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return bad("hex text of odd length");
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    int byte = 0;
    for (const char c : text.substr(i, 2)) {
      const int v = hex_digit(c);
      if (v < 0) return bad("octet that is no hex digit");
      byte = byte * 16 + v;
    }
    out += static_cast<char>(byte);
  }
  return out;
}

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = to_lower(c);
  return out;
}

namespace {

/// Each as to_lower() makes it.
std::uint64_t lower_eight(std::uint64_t octets) {
  return octets | eight_octets::capitals(octets) >> 2;
}

}  // namespace

bool same_letters(std::string_view a, std::string_view b) {
  constexpr std::size_t step = eight_octets::count;
  const auto same = [&](std::size_t at) {
    return lower_eight(eight_octets::at(a.data() + at)) ==
           lower_eight(eight_octets::at(b.data() + at));
  };
  if (a.size() >= step) {
    const std::size_t last = a.size() - step;
    for (std::size_t at = 0; at < last; at += step) {
      if (!same(at)) return false;
    }
    return same(last);
  }
  return lower_eight(eight_octets::few(a)) == lower_eight(eight_octets::few(b));
}

}  // namespace gatehouse
