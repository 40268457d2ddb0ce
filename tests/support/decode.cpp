#include "tests/support/decode.hpp"

#include <brotli/decode.h>
#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

namespace gatehouse::test {
namespace {

constexpr std::size_t most_bytes = 16 * 1024 * 1024;

std::string gunzip(const std::string& in) {
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  std::string out(most_bytes, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  inflate(&stream, Z_SYNC_FLUSH);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

std::string unbrotli(const std::string& in) {
  BrotliDecoderState* state = BrotliDecoderCreateInstance(nullptr, nullptr, nullptr);
  std::string out(most_bytes, '\0');
  std::size_t in_left = in.size();
  std::size_t room = out.size();
  const auto* next_in = reinterpret_cast<const std::uint8_t*>(in.data());
  auto* next_out = reinterpret_cast<std::uint8_t*>(out.data());
  BrotliDecoderDecompressStream(state, &in_left, &next_in, &room, &next_out, nullptr);
  BrotliDecoderDestroyInstance(state);
  out.resize(out.size() - room);
  return out;
}

std::string unzstd(const std::string& in) {
  ZSTD_DCtx* stream = ZSTD_createDCtx();
  std::string out(most_bytes, '\0');
  ZSTD_inBuffer from{in.data(), in.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  while (from.pos < from.size) {
    if (ZSTD_isError(ZSTD_decompressStream(stream, &to, &from))) break;
  }
  ZSTD_freeDCtx(stream);
  out.resize(to.pos);
  return out;
}

}  // namespace

std::string decoded(http::Coding coding, const std::string& octets) {
  switch (coding) {
    case http::Coding::identity:
      return octets;
    case http::Coding::gzip:
      return gunzip(octets);
    case http::Coding::br:
      return unbrotli(octets);
    case http::Coding::zstd:
      return unzstd(octets);
  }
  return {};
}

}  // namespace gatehouse::test
