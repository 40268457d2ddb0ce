#include "proxy/serve/handlers/compressed_exchange.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>

#include "core/base/bytes.hpp"
#include "core/http/conditions.hpp"
#include "core/http/header_rules.hpp"
#include "proxy/serve/handlers/media_types.hpp"

namespace gatehouse::serve {
namespace {

using http::Coding;
using LengthKind = http::BodyLength::Kind;
using Until = http::Encoder::Until;

/// Encoding so much takes a worker a few milliseconds; then others have their turn.
constexpr std::size_t encoded_at_a_time = 256 * 1024;

bool forbids_transforming(const http::Fields& fields) {
  return http::list_has(fields, "Cache-Control", "no-transform");
}

/// Digests are of the octets as they are (RFC 9530): their maker wants them to arrive so.
bool has_digest(const http::Fields& fields) {
  constexpr auto names =
      std::to_array<std::string_view>({"Content-Digest", "Repr-Digest", "Digest", "Content-MD5"});
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return fields.find(name).has_value(); });
}

bool is_short(const http::BodyLength& length) {
  return length.kind == LengthKind::counted && length.bytes < least_compressed_bytes;
}

/// `from` without its fields.
http::ResponseHead bare_copy(const http::ResponseHead& from) {
  http::ResponseHead head;
  head.version = from.version;
  head.status = from.status;
  head.reason = from.reason;
  head.length = from.length;
  return head;
}

/// A cache must not give this answer to clients that accept other codings.
void add_vary(http::Fields& fields) {
  const bool told =
      http::list_has(fields, "Vary", "Accept-Encoding") || http::list_has(fields, "Vary", "*");
  if (!told) fields.add("Vary", "Accept-Encoding");
}

void add_weak(http::Fields& fields, const http::Field& tag) {
  if (tag.value.starts_with('"')) {
    std::string weak = "W/";
    fields.add(tag.name, fields.keep(weak.append(tag.value)));
  } else {
    fields.add(tag.name, tag.value);
  }
}

bool is_tag(const http::Field& line) { return equal_ignoring_case(line.name, "ETag"); }

}  // namespace

bool may_be_encoded(const http::ResponseHead& head) {
  const bool has_body = head.status >= 200 && head.status != 204 && head.status != 205 &&
                        head.status != 304 && head.length.kind != LengthKind::none;
  // The parts of a 206 are counted in the octets of the whole as it is.
  if (!has_body || head.status == 206 || head.fields.find("Content-Range")) return false;
  if (head.fields.find("Content-Encoding")) return false;
  if (forbids_transforming(head.fields) || has_digest(head.fields)) return false;
  const auto type = head.fields.find("Content-Type");
  return type && is_text(*type);
}

std::vector<Coding> codings_of(const config::Route& route) {
  std::vector<Coding> codings;
  for (const std::string& name : route.compress) {
    for (const Coding coding : {Coding::gzip, Coding::br, Coding::zstd}) {
      if (name == http::name(coding)) codings.push_back(coding);
    }
  }
  return codings;
}

CompressedExchange::CompressedExchange(http::ServerExchange& inner, const CompressMeans& means,
                                       std::span<const Coding> offered)
    : WrappedExchange(inner), means_(means) {
  const http::Fields& fields = inner.request().fields;
  accepted_ = http::AcceptedCodings::of(fields);
  wanted_ = accepted_.best_of(offered);
  transformable_ = !forbids_transforming(fields);
  none_match_ = fields.find("If-None-Match").value_or(std::string_view());
}

Started<void> CompressedExchange::start_head(const http::ResponseHead& head) {
  if (head.status == 304) return send_not_modified(head);
  if (!transformable_ || !may_be_encoded(head)) return inner().start_head(head);
  // A client that refuses identity gets a coding even of what is short.
  const bool worth = !is_short(head.length) || accepted_.weight(Coding::identity) == 0;
  if (!worth) return inner().start_head(head);
  return begin(head) ? send_encoded_head(head) : send_varying_head(head);
}

/// True when the body goes into a coding from here on. HEAD gets the fields of a GET's answer
/// (RFC 9110 §9.3.2), and has no body to encode.
bool CompressedExchange::begin(const http::ResponseHead& head) {
  if (wanted_ == Coding::identity) return false;
  if (inner().request().method == "HEAD") return true;
  std::optional<std::uint64_t> octets;
  if (head.length.kind == LengthKind::counted) octets = head.length.bytes;
  encoder_ = means_.encoders.take(wanted_, octets);
  if (!encoder_) return false;
  block_ = means_.buffers.take();
  return true;
}

awaitable<Result<void>> CompressedExchange::send_encoded_head(const http::ResponseHead& head) {
  http::ResponseHead encoded = bare_copy(head);
  encoded.length = http::BodyLength::streamed();
  for (const http::Field& line : head.fields) {
    if (is_tag(line)) {
      add_weak(encoded.fields, line);  // other octets under the same name (RFC 9110 §8.8.1)
    } else if (!equal_ignoring_case(line.name, "Accept-Ranges")) {
      encoded.fields.add(line.name, line.value);  // what is encoded on the fly has no ranges
    }
  }
  encoded.fields.add("Content-Encoding", http::name(wanted_));
  add_vary(encoded.fields);
  co_return co_await inner().send_head(encoded);
}

/// As it is, but another client would have got it encoded.
awaitable<Result<void>> CompressedExchange::send_varying_head(const http::ResponseHead& head) {
  http::ResponseHead varying = bare_copy(head);
  for (const http::Field& line : head.fields) varying.fields.add(line.name, line.value);
  add_vary(varying.fields);
  co_return co_await inner().send_head(varying);
}

/// A cache that holds the encoded answer knows it by its weak tag: by a strong one it would not
/// find it to freshen (RFC 9111 §4.3.4).
awaitable<Result<void>> CompressedExchange::send_not_modified(const http::ResponseHead& head) {
  http::ResponseHead answer = bare_copy(head);
  const auto type = head.fields.find("Content-Type");
  for (const http::Field& line : head.fields) {
    std::string weak = "W/";
    const bool known_weak = is_tag(line) && line.value.starts_with('"') &&
                            none_match_.find(weak.append(line.value)) != std::string_view::npos;
    if (known_weak) {
      add_weak(answer.fields, line);
    } else {
      answer.fields.add(line.name, line.value);
    }
  }
  if (!type || is_text(*type)) add_vary(answer.fields);
  co_return co_await inner().send_head(answer);
}

Started<void> CompressedExchange::start_body(std::string_view bytes, http::End end) {
  if (!encoder_) return inner().start_body(bytes, end);
  return send_encoded(bytes, end);
}

awaitable<Result<void>> CompressedExchange::send_encoded(std::string_view bytes, http::End end) {
  const Until until = end == http::End::last ? Until::ended : Until::taken;
  auto encoded = co_await encode(bytes, until);
  if (!encoded || end == http::End::more) co_return encoded;
  auto sent = co_await pass_on(http::End::last);
  encoder_.give_back();
  block_.release();
  co_return sent;
}

awaitable<Result<void>> CompressedExchange::send_trailers(const http::Fields& trailers) {
  if (encoder_) {
    const std::string_view nothing_more;
    auto encoded = co_await encode(nothing_more, Until::ended);
    if (!encoded) co_return encoded;
    auto sent = co_await pass_on(http::End::more);
    encoder_.give_back();
    block_.release();
    if (!sent) co_return sent;
  }
  co_return co_await inner().send_trailers(trailers);
}

Started<void> CompressedExchange::start_flush() {
  if (!unflushed_ && held_ == 0) return inner().start_flush();
  return flush_encoder();
}

awaitable<Result<void>> CompressedExchange::flush_encoder() {
  if (unflushed_) {
    const std::string_view nothing_more;
    auto encoded = co_await encode(nothing_more, Until::flushed);
    if (!encoded) co_return encoded;
  }
  if (held_ > 0) {
    auto sent = co_await pass_on(http::End::more);
    if (!sent) co_return sent;
  }
  co_return co_await inner().flush();
}

/// What comes out stays in the block until that is full: small pieces leave together.
awaitable<Result<void>> CompressedExchange::encode(std::string_view bytes, Until until) {
  unflushed_ = until == Until::taken && (unflushed_ || !bytes.empty());
  since_pause_ += bytes.size();
  for (bool done = false; !done;) {
    if (held_ == block_.bytes().size()) {
      auto sent = co_await pass_on(http::End::more);
      if (!sent) co_return sent;
    }
    const auto step = encoder_->encode(bytes, block_.bytes().subspan(held_), until);
    if (!step) co_return Error(Fault::io, Side::self, "the body could not be compressed");
    held_ += step->written;
    done = step->done;
  }
  if (since_pause_ >= encoded_at_a_time) {
    since_pause_ = 0;
    co_await asio::post(asio::use_awaitable);
  }
  co_return Result<void>();
}

awaitable<Result<void>> CompressedExchange::pass_on(http::End end) {
  const std::string_view ready(block_.bytes().data(), held_);
  auto sent = co_await inner().send_body(ready, end);
  held_ = 0;
  co_return sent;
}

}  // namespace gatehouse::serve
