// Heads: found, parsed, and rewritten for a server.

#include <benchmark/benchmark.h>

#include "core/base/asio.hpp"
#include "core/http/h1.hpp"
#include "core/http/header_rules.hpp"
#include "proxy/serve/forwarded_fields.hpp"

namespace gatehouse {
namespace {

constexpr std::string_view small_request =
    "GET /1k HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n";

constexpr std::string_view browser_request =
    "GET /articles/2026/11/a-title-of-some-length?page=2&sort=new HTTP/1.1\r\n"
    "Host: www.shop.example\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Referer: https://www.shop.example/articles/2026/11\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes; cart=17\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n"
    "If-None-Match: \"0123456789abcdef\"\r\nPriority: u=0, i\r\n\r\n";

constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\nServer: app/1.0\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
    "Content-Type: text/html; charset=utf-8\r\nContent-Length: 1024\r\n"
    "Connection: keep-alive\r\nCache-Control: private, max-age=60\r\n"
    "ETag: \"0123456789abcdef\"\r\nVary: Accept-Encoding\r\n\r\n";

/// One that comes in pieces is found first; the others are found while they are split.
void find_head(benchmark::State& state, std::string_view head) {
  http::HeadScanner scanner;
  for (auto _ : state) {
    scanner.reset();
    benchmark::DoNotOptimize(scanner.scan(head));
  }
}
BENCHMARK_CAPTURE(find_head, small, small_request);
BENCHMARK_CAPTURE(find_head, browser, browser_request);

http::HeadText split(std::string_view bytes, http::Fields& into) {
  into.clear();
  return {bytes.substr(0, http::split_whole_head(bytes, {}, into)), true};
}

void parse_request(benchmark::State& state, std::string_view head) {
  http::RequestHead request;
  for (auto _ : state) {
    const http::HeadText text = split(head, request.fields);
    benchmark::DoNotOptimize(http::parse_request_head(text, http::Scheme::https, request));
  }
}
BENCHMARK_CAPTURE(parse_request, small, small_request);
BENCHMARK_CAPTURE(parse_request, browser, browser_request);

void parse_answer(benchmark::State& state) {
  http::ResponseHead head;
  for (auto _ : state) {
    const http::HeadText text = split(answer, head.fields);
    benchmark::DoNotOptimize(http::parse_response_head(text, {}, Side::server, head));
  }
}
BENCHMARK(parse_answer);

void rewrite_request(benchmark::State& state, std::string_view head) {
  http::RequestHead request;
  http::parse_request_head({head}, http::Scheme::https, request);
  const std::vector<http::Field> lines(request.fields.begin(), request.fields.end());
  serve::Hop hop;
  hop.peer = hop.client_ip = asio::ip::make_address("203.0.113.7");
  hop.scheme = "https";
  hop.authority = request.authority;
  hop.port = 443;
  hop.request_id = "0123456789abcdef0123456789abcdef";
  http::Fields fields;
  for (auto _ : state) {
    fields.clear();
    for (const http::Field& line : lines) fields.add(line.name, line.value);
    http::remove_hop_by_hop(fields, http::Direction::request);
    serve::remove_spoofable(fields, false);
    serve::write_forwarded(fields, hop);
    benchmark::DoNotOptimize(fields.size());
  }
}
BENCHMARK_CAPTURE(rewrite_request, small, small_request);
BENCHMARK_CAPTURE(rewrite_request, browser, browser_request);

}  // namespace
}  // namespace gatehouse
