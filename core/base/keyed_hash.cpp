#include "core/base/keyed_hash.hpp"

#include <bit>
#include <cstring>

namespace gatehouse {
namespace {

/// By Aumasson and Bernstein.
struct State {
  std::uint64_t a, b, c, d;

  void round() {
    a += b;
    b = std::rotl(b, 13) ^ a;
    a = std::rotl(a, 32);
    c += d;
    d = std::rotl(d, 16) ^ c;
    a += d;
    d = std::rotl(d, 21) ^ a;
    c += b;
    b = std::rotl(b, 17) ^ c;
    c = std::rotl(c, 32);
  }
  void take(std::uint64_t word) {
    d ^= word;
    round();
    round();
    a ^= word;
  }
};

std::uint64_t word_at(const char* octets, std::size_t count) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < count; ++i) {
    word |= static_cast<std::uint64_t>(static_cast<unsigned char>(octets[i])) << (8 * i);
  }
  return word;
}

}  // namespace

KeyedHash::KeyedHash(Entropy& entropy) {
  std::array<char, sizeof key_> octets;
  entropy.fill(octets);
  key_ = std::bit_cast<decltype(key_)>(octets);
}

std::uint64_t KeyedHash::operator()(std::string_view octets) const {
  State state{key_[0] ^ 0x736f6d6570736575, key_[1] ^ 0x646f72616e646f6d,
              key_[0] ^ 0x6c7967656e657261, key_[1] ^ 0x7465646279746573};
  const std::size_t whole = octets.size() / 8 * 8;
  for (std::size_t at = 0; at < whole; at += 8) state.take(word_at(octets.data() + at, 8));
  const std::uint64_t length = static_cast<std::uint64_t>(octets.size()) << 56;
  state.take(length | word_at(octets.data() + whole, octets.size() - whole));
  state.c ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  return state.a ^ state.b ^ state.c ^ state.d;
}

}  // namespace gatehouse
