#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/http/chunked.hpp"

namespace chunked_test {

using namespace gatehouse::http;

namespace {

struct Decoded {
  std::string data;
  std::string failure;
  bool done = false;
  std::size_t consumed = 0;
  std::string trailers;
};

/// Decodes `pieces` one after another, as far as it goes.
Decoded decode(const std::vector<std::string>& pieces, HeadLimits limits = {}) {
  ChunkedDecoder decoder(limits);
  Decoded out;
  for (const std::string& piece : pieces) {
    std::string_view rest = piece;
    while (!rest.empty() && !decoder.done() && decoder.failure().empty()) {
      const ChunkedDecoder::Step step = decoder.decode(rest);
      out.data += step.data;
      out.consumed += step.consumed;
      rest.remove_prefix(step.consumed);
    }
  }
  out.done = decoder.done();
  out.failure = decoder.failure();
  if (!out.done) return out;
  for (const Field& line : decoder.trailers()) {
    out.trailers += std::string(line.name) + "=" + std::string(line.value) + ";";
  }
  return out;
}

std::vector<std::string> octets(const std::string& text) {
  std::vector<std::string> out;
  for (const char c : text) out.emplace_back(1, c);
  return out;
}

const std::string good =
    "5\r\nhello\r\n00A;name=\"quoted, value\";x\r\n0123456789\r\n0\r\n"
    "X-Checksum: \t abc \r\nX-Second:\r\n\r\n";

}  // namespace

TEST_CASE("a chunked body comes out the same wherever it is cut in two") {
  for (std::size_t cut = 0; cut <= good.size(); ++cut) {
    CAPTURE(cut);
    const Decoded out = decode({good.substr(0, cut), good.substr(cut) + "GET /"});
    CHECK(out.done);
    CHECK(out.data == "hello0123456789");
    CHECK(out.trailers == "X-Checksum=abc;X-Second=;");
    CHECK(out.consumed == good.size());
  }
}

TEST_CASE("a chunked body comes out the same octet by octet") {
  const Decoded out = decode(octets(good));
  CHECK(out.done);
  CHECK(out.data == "hello0123456789");
  CHECK(out.trailers == "X-Checksum=abc;X-Second=;");
}

TEST_CASE("the last data and the end of the body come in one step when both are there") {
  ChunkedDecoder decoder;
  const ChunkedDecoder::Step step = decoder.decode("3\r\nabc\r\n0\r\n\r\nGET");
  CHECK(step.data == "abc");
  CHECK(step.consumed == 13);
  CHECK(decoder.done());
}

TEST_CASE("a chunked body that ends early is not done and has not failed") {
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    CAPTURE(cut);
    const Decoded out = decode({good.substr(0, cut)});
    CHECK_FALSE(out.done);
    CHECK(out.failure.empty());
  }
}

TEST_CASE("chunk framing that other parsers read in another way is refused") {
  struct Row {
    std::string name, body, failure;
  };
  const std::string big(5000, 'x');
  const std::vector<Row> rows = {
      {"a space after the size", "3 \r\nabc\r\n0\r\n\r\n", "invalid octet in chunk size"},
      {"a space before the extension", "3 ;a\r\nabc\r\n", "invalid octet in chunk size"},
      {"a space before the size", " 3\r\nabc\r\n", "chunk size without digits"},
      {"hex with a prefix", "0x3\r\nabc\r\n", "invalid octet in chunk size"},
      {"a plus sign", "+3\r\nabc\r\n", "chunk size without digits"},
      {"a minus sign", "-3\r\nabc\r\n", "chunk size without digits"},
      {"an empty size", "\r\nabc\r\n", "chunk size without digits"},
      {"an extension without size", ";a\r\nabc\r\n", "chunk size without digits"},
      {"an underscore", "1_0\r\nabc\r\n", "invalid octet in chunk size"},
      {"17 digits", "00000000000000003\r\nabc\r\n", "chunk size too long"},
      {"a size of 2^64 - 1", "ffffffffffffffff\r\n", "chunk size too large"},
      {"a size of 2^65", "20000000000000000\r\n", "chunk size too long"},
      {"a size that is 3 modulo 2^64", "10000000000000003\r\nabc\r\n", "chunk size too long"},
      {"a size of 2^62", "4000000000000000\r\n", "chunk size too large"},
      {"bare LF after the size", "3\nabc\r\n0\r\n\r\n", "invalid octet in chunk size"},
      {"bare CR after the size", "3\rabc\r\n", "chunk size line not ended by CRLF"},
      {"bare LF in an extension", "3;a\nb\r\nabc\r\n", "invalid octet in chunk extension"},
      {"bare CR in an extension", "3;a\rb\r\nabc\r\n", "chunk size line not ended by CRLF"},
      {"NUL in an extension", std::string("3;\0\r\nabc\r\n", 10),
       "invalid octet in chunk extension"},
      {"no CRLF after the data", "3\r\nabcXX0\r\n\r\n", "chunk data not ended by CRLF"},
      {"LF after the data", "3\r\nabc\n0\r\n\r\n", "chunk data not ended by CRLF"},
      {"CR and another octet after the data", "3\r\nabc\rX0\r\n\r\n",
       "chunk data not ended by CRLF"},
      {"more data than announced", "3\r\nabcd\r\n0\r\n\r\n", "chunk data not ended by CRLF"},
      {"CR and another octet after the last chunk", "0\rX", "chunk size line not ended by CRLF"},
      {"an extension line of 5 KiB", "3;" + big + "\r\nabc\r\n", "chunk extensions too long"},
      {"a trailer with a bare LF", "0\r\nX: y\n\r\n", "bare_lf"},
      {"an empty trailer section ended by LF", "0\r\n\n", "bare_lf"},
      {"a folded trailer", "0\r\nX: y\r\n z\r\n\r\n", "folded_line"},
      {"a trailer without name", "0\r\n: y\r\n\r\n", "empty_name"},
      {"a space before a trailer's colon", "0\r\nX : y\r\n\r\n", "field_name"},
      {"a trailer without colon", "0\r\nX\r\n\r\n", "field_name"},
      {"NUL in a trailer", std::string("0\r\nX: \0\r\n\r\n", 11), "control_octet"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const Decoded whole = decode({row.body});
    CHECK(whole.failure == row.failure);
    CHECK_FALSE(whole.done);
    CHECK(decode(octets(row.body)).failure == row.failure);
  }
}

TEST_CASE("chunk extensions are bounded over a whole body") {
  std::string body;
  for (int i = 0; i < 4; ++i)
    body += "400;" + std::string(4000, 'x') + "\r\n" + std::string(1024, 'd') + "\r\n";
  CHECK(decode({body}).failure.empty());
  body += "400;" + std::string(1000, 'x') + "\r\n";
  CHECK(decode({body}).failure == "chunk extensions too long");
}

TEST_CASE("a flood of tiny chunks is cut once framing costs many times its data") {
  std::string body;
  for (int i = 0; i < 20'000; ++i) body += "1;abcdefghijk\r\nx\r\n";
  CHECK_FALSE(decode({body}).failure.empty());
  std::string padded;
  for (int i = 0; i < 5'000; ++i) padded += "000000000000001\r\nx\r\n";
  CHECK(decode({padded}).failure == "chunks too small");
  std::string usual;
  for (int i = 0; i < 50'000; ++i) usual += "1\r\nx\r\n";
  CHECK(decode({usual}).failure.empty());  // small, yet within the bound
}

TEST_CASE("trailers are bounded like a head") {
  HeadLimits limits;
  limits.header_bytes = 100;
  limits.header_count = 2;
  CHECK(decode({"0\r\nA: 1\r\nB: 2\r\n\r\n"}, limits).done);
  CHECK(decode({"0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"}, limits).failure == "too_many_fields");
  CHECK(decode({"0\r\nA: " + std::string(200, 'x') + "\r\n\r\n"}, limits).failure ==
        "head_too_large");
}

TEST_CASE("trailers that would change a message already judged are dropped") {
  const Decoded out = decode(
      {"0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b\r\nAuthorization: x\r\n"
       "Set-Cookie: a=b\r\nX-Forwarded-For: 192.0.2.1\r\nIf-Match: x\r\nProxy-Status: x\r\n"
       "X_Forwarded_For: 192.0.2.1\r\nConnection: close\r\nServer-Timing: db\r\n\r\n"});
  CHECK(out.done);
  CHECK(out.trailers == "Server-Timing=db;");
}

}  // namespace chunked_test
