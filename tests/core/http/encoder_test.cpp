#include "core/http/encoder.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/decode.hpp"

namespace encoder_test {

using namespace gatehouse::http;
using gatehouse::test::decoded;
using Until = Encoder::Until;

namespace {

constexpr std::array all_codings = {Coding::gzip, Coding::br, Coding::zstd};

/// Text that repeats itself, and some that does not.
std::string sample(std::size_t octets) {
  std::string text;
  for (unsigned seed = 1; text.size() < octets; seed = seed * 1103515245 + 12345) {
    text += "line " + std::to_string(seed >> 16) + " of a body, ";
  }
  text.resize(octets);
  return text;
}

std::string encode(const Encoders::Loan& encoder, std::string_view piece, Until until,
                   std::size_t room) {
  std::string out;
  std::vector<char> buffer(room);
  for (bool done = false; !done;) {
    const auto step = encoder->encode(piece, buffer, until);
    REQUIRE(step);
    out.append(buffer.data(), step->written);
    done = step->done;
  }
  CHECK(piece.empty());
  return out;
}

}  // namespace

TEST_CASE("a body comes out of its coding as it went in, whatever the pieces") {
  Encoders encoders;
  for (const Coding coding : all_codings) {
    for (const std::size_t size : {0U, 1U, 1000U, 100'000U, 3'000'000U}) {
      for (const std::size_t room : {16U, 32U * 1024}) {
        if (room == 16 && size > 100'000) continue;
        CAPTURE(name(coding));
        CAPTURE(size);
        CAPTURE(room);
        const std::string body = sample(size);
        auto encoder = encoders.take(coding, {});
        REQUIRE(encoder);
        std::string out;
        for (std::size_t at = 0; at < size; at += 5000) {
          out += encode(encoder, std::string_view(body).substr(at, 5000), Until::taken, room);
        }
        out += encode(encoder, {}, Until::ended, room);
        CHECK((decoded(coding, out) == body));
        if (size >= 1000) CHECK(out.size() < size / 2);
      }
    }
  }
}

TEST_CASE("what was flushed can be read before more comes") {
  Encoders encoders;
  for (const Coding coding : all_codings) {
    CAPTURE(name(coding));
    auto encoder = encoders.take(coding, {});
    REQUIRE(encoder);
    std::string out;
    std::string body;
    for (int event = 0; event < 5; ++event) {
      const std::string text = "data: event " + std::to_string(event) + "\n\n";
      body += text;
      out += encode(encoder, text, Until::flushed, 8);
      CHECK(decoded(coding, out) == body);
    }
  }
}

TEST_CASE("an encoder is used again, also after a body that was never ended") {
  Encoders encoders;
  for (const Coding coding : all_codings) {
    CAPTURE(name(coding));
    {
      auto first = encoders.take(coding, 5000);
      CHECK_FALSE(encode(first, sample(3000), Until::flushed, 4096).empty());
    }
    auto second = encoders.take(coding, 4000);
    REQUIRE(second);
    const std::string out = encode(second, sample(4000), Until::ended, 4096);
    CHECK(decoded(coding, out) == sample(4000));
  }
  CHECK(encoders.lent() == 0);
  CHECK(encoders.idle() == all_codings.size());
}

TEST_CASE("a worker lends so many encoders and no more") {
  Encoders encoders;
  std::vector<Encoders::Loan> lent;
  for (std::size_t i = 0; i < Encoders::most_lent; ++i) {
    lent.push_back(encoders.take(Coding::gzip, {}));
    REQUIRE(lent.back());
  }
  CHECK_FALSE(encoders.take(Coding::gzip, {}));
  lent.pop_back();
  CHECK(encoders.take(Coding::gzip, {}));
  lent.clear();
  CHECK(encoders.lent() == 0);
  CHECK(encoders.idle() <= 8);
}

}  // namespace encoder_test
