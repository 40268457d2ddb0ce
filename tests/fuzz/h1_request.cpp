// A client's bytes: any number of requests after one another. However they are cut into pieces the
// same must come out, an accepted head written anew must be read as the same again, and llhttp must
// agree with every head that was accepted, whether it was asked or not.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/chunked.hpp"
#include "core/http/detail/h1_head.hpp"
#include "core/http/h1.hpp"

using namespace gatehouse::http;

namespace {

constexpr std::size_t most_requests = 16;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

std::string written(const RequestHead& head) {
  std::string out(head.method);
  out.append(" ").append(head.path);
  if (head.has_query) out.append("?").append(head.query);
  out.append(head.version == Version::http10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  if (!head.authority.empty()) out.append("Host: ").append(head.authority).append("\r\n");
  if (head.length.kind == BodyLength::Kind::counted) {
    out.append("Content-Length: ").append(std::to_string(head.length.bytes)).append("\r\n");
  } else if (head.length.kind == BodyLength::Kind::streamed) {
    out.append("Transfer-Encoding: chunked\r\n");
  }
  for (const Field& line : head.fields) {
    out.append(line.name).append(": ").append(line.value).append("\r\n");
  }
  return out + "\r\n";
}

void check_stable(const RequestHead& head) {
  const std::string once = written(head);
  RequestHead again;
  require(!parse_request_head({once}, Scheme::any, again));
  require(written(again) == once);
  require(again.host == head.host && again.port == head.port);
  require(again.websocket == head.websocket && again.expects_continue == head.expects_continue);
}

/// A head that is there as a whole is split the same, or left to the scanner.
void check_whole(std::string_view bytes) {
  const HeadLimits limits;
  HeadScanner scanner(limits);
  Fields lines;
  const bool fine = scanner.scan(bytes) == HeadScanner::State::complete && scanner.begin() == 0 &&
                    !split_fields(bytes.substr(bytes.find("\r\n") + 2), lines);
  Fields whole;
  const std::size_t size = split_whole_head(bytes, limits, whole);
  require(size == (fine ? scanner.end() : 0));
  require(whole.size() == (fine ? lines.size() : 0));
  const auto same = [](const Field& a, const Field& b) {
    return a.name == b.name && a.value == b.value && a.which == b.which;
  };
  require(std::equal(whole.begin(), whole.end(), lines.begin(), same));
}

/// What a connection would make of the bytes, as text, if they came in pieces of `step` octets.
std::string events(std::string_view bytes, std::size_t step) {
  std::string seen;
  std::size_t at = 0;  // where the unread part begins
  for (std::size_t request = 0; request < most_requests; ++request) {
    check_whole(bytes.substr(at));
    HeadScanner scanner;
    HeadScanner::State state = HeadScanner::State::more;
    for (std::size_t there = at; state == HeadScanner::State::more && there < bytes.size();) {
      there = std::min(bytes.size(), there + step);
      state = scanner.scan(bytes.substr(at, there - at));
    }
    if (state == HeadScanner::State::more) return seen + "more";
    if (state == HeadScanner::State::refused) {
      return seen + std::to_string(scanner.refusal().status) + " " +
             std::string(scanner.refusal().reason);
    }
    const std::string_view text =
        bytes.substr(at + scanner.begin(), scanner.end() - scanner.begin());
    at += scanner.end();
    RequestHead head;
    if (const Refusal refusal = parse_request_head({text}, Scheme::any, head)) {
      return seen + std::to_string(refusal.status) + " " + std::string(refusal.reason);
    }
    require(detail::second_opinion(detail::HeadKind::request, text).fine);
    check_stable(head);
    seen += written(head);
    if (head.length.kind == BodyLength::Kind::counted) {
      const auto take = std::min<std::uint64_t>(head.length.bytes, bytes.size() - at);
      at += static_cast<std::size_t>(take);
      if (take < head.length.bytes) return seen + "more";
    } else if (head.length.kind == BodyLength::Kind::streamed) {
      ChunkedDecoder chunks;
      while (!chunks.done() && chunks.failure().empty() && at < bytes.size()) {
        const ChunkedDecoder::Step got = chunks.decode(bytes.substr(at, step));
        require(got.consumed > 0 || !chunks.failure().empty());
        require(got.consumed <= bytes.size() - at);
        at += got.consumed;
        seen += got.data;
      }
      if (!chunks.failure().empty()) return seen + std::string(chunks.failure());
      if (!chunks.done()) return seen + "more";
      for (const Field& line : chunks.trailers()) seen.append(line.name).append(line.value);
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = events(bytes, size + 1);
  require(events(bytes, 1) == whole);
  require(events(bytes, 7) == whole);
  return 0;
}
