#include "proxy/serve/handlers/files.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <charconv>

#include "core/base/bytes.hpp"
#include "core/base/time_format.hpp"
#include "core/http/conditions.hpp"
#include "core/http/header_rules.hpp"
#include "core/http/reason.hpp"
#include "proxy/serve/handlers/file_search.hpp"
#include "proxy/serve/handlers/media_types.hpp"
#include "proxy/serve/handlers/status.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {
namespace {

using http::ByteRange;
using http::Coding;
using http::RangeWish;

/// A client that takes as fast as we read must not keep the worker from the others.
constexpr std::uint64_t sent_at_a_time = 1024 * 1024;

std::string hex_of(std::uint64_t number) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return std::string(digits.data(), end.ptr);
}

/// Strong: whoever writes to a file changes its time, which counts nanoseconds. An encoded sibling
/// is another representation with a tag of its own.
std::string tag_of(const FoundFile& found) {
  std::string tag = "\"" + hex_of(static_cast<std::uint64_t>(found.file.modified_ns())) + "-" +
                    hex_of(found.file.size());
  if (found.coding != Coding::identity) tag.append("-").append(http::name(found.coding));
  return tag + "\"";
}

/// One answer out of a file that was found. Lives in answer_files()'s frame.
class FileAnswer {
 public:
  FileAnswer(Visit& visit, const FoundFile& found, bool varies)
      : visit_(visit),
        found_(found),
        varies_(varies),
        type_(media_type_of(found.name)),
        tag_(tag_of(found)) {
    // A date in the future would be one that no later change can pass (RFC 9110 §8.8.2.1).
    const Wall now = std::chrono::floor<std::chrono::seconds>(visit.worker.clock.wall());
    validators_.tag = tag_;
    validators_.modified = std::min(found.file.modified(), now);
    validators_.date_is_strong = found.file.modified() < now;
    modified_ = http_date(validators_.modified);
  }

  awaitable<void> send() {
    const http::RequestHead& request = visit_.request();
    switch (http::judge_conditions(request.fields, validators_)) {
      case http::Verdict::failed:
        co_await send_status(visit_.exchange, visit_.facts, 412);
        co_return;
      case http::Verdict::not_modified:
        co_await send_not_modified();
        co_return;
      case http::Verdict::go_on:
        break;
    }
    const RangeWish wish = wished(request);
    switch (wish.kind) {
      case RangeWish::Kind::whole:
        co_await send_whole();
        break;
      case RangeWish::Kind::unsatisfiable:
        co_await send_unsatisfiable();
        break;
      case RangeWish::Kind::parts:
        if (wish.ranges.size() == 1) {
          co_await send_part(wish.ranges.front());
        } else {
          co_await send_parts(wish.ranges);
        }
        break;
    }
  }

 private:
  /// Only GET has ranges (RFC 9110 §14.2).
  RangeWish wished(const http::RequestHead& request) const {
    const auto range = request.fields.find("Range");
    if (!range || request.method != "GET" || request.fields.count("Range") > 1) return {};
    if (!http::range_counts(request.fields, validators_)) return {};
    return http::read_range(*range, found_.file.size());
  }

  void add_common(http::ResponseHead& head, int status) {
    head.status = status;
    head.reason = http::reason_phrase(status);
    visit_.facts.status = status;
    head.fields.add("ETag", tag_);
    head.fields.add("Last-Modified", modified_);
    if (varies_) head.fields.add("Vary", "Accept-Encoding");
  }

  /// What tells of the octets that follow.
  void add_content(http::ResponseHead& head, std::string_view type, std::uint64_t length) {
    head.length = http::BodyLength::counted(length);
    head.fields.add_copy("Content-Type", type);
    if (found_.coding != Coding::identity) {
      head.fields.add("Content-Encoding", http::name(found_.coding));
    }
    head.fields.add("Accept-Ranges", "bytes");
  }

  awaitable<void> send_not_modified() {
    http::ResponseHead head;
    add_common(head, 304);
    co_await visit_.exchange.send_head(head);
  }

  awaitable<void> send_unsatisfiable() {
    http::Fields more;
    more.add_copy("Content-Range", "bytes */" + std::to_string(found_.file.size()));
    co_await send_status(visit_.exchange, visit_.facts, 416, more);
  }

  awaitable<void> send_whole() {
    http::ResponseHead head;
    add_common(head, 200);
    add_content(head, type_, found_.file.size());
    const auto begun = co_await visit_.exchange.send_head(head);
    if (!begun || visit_.request().method == "HEAD") co_return;
    if (found_.file.size() == 0) {
      const std::string_view nothing;
      co_await visit_.exchange.send_body(nothing, http::End::last);
      co_return;
    }
    const ByteRange all{0, found_.file.size() - 1};
    co_await send_octets(all, http::End::last);
  }

  awaitable<void> send_part(ByteRange range) {
    http::ResponseHead head;
    add_common(head, 206);
    add_content(head, type_, range.size());
    head.fields.add_copy("Content-Range", content_range(range, found_.file.size()));
    const auto begun = co_await visit_.exchange.send_head(head);
    if (begun) co_await send_octets(range, http::End::last);
  }

  awaitable<void> send_parts(const std::vector<ByteRange>& ranges) {
    const RangeParts parts(hex_of(visit_.worker.random()) + hex_of(visit_.worker.random()), type_,
                           found_.file.size());
    http::ResponseHead head;
    add_common(head, 206);
    add_content(head, parts.content_type(), parts.length(ranges));
    const auto begun = co_await visit_.exchange.send_head(head);
    if (!begun) co_return;
    for (const ByteRange& range : ranges) {
      const std::string before = parts.head(range);
      const auto sent = co_await visit_.exchange.send_body(before, http::End::more);
      if (!sent) co_return;
      const bool whole = co_await send_octets(range, http::End::more);
      if (!whole) co_return;
    }
    const std::string tail = parts.tail();
    co_await visit_.exchange.send_body(tail, http::End::last);
  }

  /// False: the client is gone, or the file has not got what was promised, and the answer was cut.
  awaitable<bool> send_octets(ByteRange range, http::End end) {
    const net::BufferPool::Block block = visit_.worker.buffers.take();
    std::uint64_t at = range.first;
    std::uint64_t left = range.size();
    std::uint64_t since_pause = 0;
    while (left > 0) {
      const std::size_t most = std::min<std::uint64_t>(left, block.bytes().size());
      const std::int64_t got = co_await read(at, block.bytes().first(most));
      if (got <= 0) {
        visit_.facts.error = got == 0 ? "'" + found_.name + "': shorter than it was"
                                      : "'" + found_.name + "': cannot be read on";
        visit_.exchange.abort();
        co_return false;
      }
      const auto count = static_cast<std::uint64_t>(got);
      at += count;
      left -= count;
      const std::string_view octets(block.bytes().data(), static_cast<std::size_t>(count));
      const http::End now = left == 0 ? end : http::End::more;
      const auto sent = co_await visit_.exchange.send_body(octets, now);
      if (!sent) co_return false;
      since_pause += count;
      if (since_pause < sent_at_a_time) continue;
      since_pause = 0;
      co_await asio::post(asio::use_awaitable);
    }
    co_return true;
  }

  /// From memory, else on a thread that may wait for the disk.
  awaitable<std::int64_t> read(std::uint64_t at, std::span<char> into) {
    const std::int64_t got = found_.file.read(at, into, Patience::none);
    if (got >= 0 || errno != EAGAIN) co_return got;
    HelperPool* const readers = visit_.worker.around.readers;
    if (readers == nullptr) co_return found_.file.read(at, into, Patience::wait);
    auto patient = [file = &found_.file, at, into] { return file->read(at, into, Patience::wait); };
    const std::int64_t read = co_await readers->run(std::move(patient));
    co_return read;
  }

  Visit& visit_;
  const FoundFile& found_;
  bool varies_;
  std::string_view type_;
  std::string tag_;
  std::string modified_;
  http::Validators validators_;
};

awaitable<FoundFile> find(Visit& visit, FileSearch search) {
  FoundFile found = find_file(search, Patience::none);
  if (found.what != Opening::cold) co_return found;
  HelperPool* const readers = visit.worker.around.readers;
  if (readers == nullptr) co_return find_file(search, Patience::wait);
  auto patient = [search = std::move(search)] { return find_file(search, Patience::wait); };
  found = co_await readers->run(std::move(patient));
  co_return found;
}

/// Siblings that the client takes, the one it likes best first; ours go in the order of how small
/// they make things.
std::vector<Coding> codings_for(const http::Fields& request) {
  std::vector<Coding> wanted = {Coding::zstd, Coding::br, Coding::gzip};
  const auto accepted = http::AcceptedCodings::of(request);
  const unsigned plain = accepted.weight(Coding::identity);
  std::erase_if(wanted, [&](Coding coding) {
    return accepted.weight(coding) == 0 || accepted.weight(coding) < plain;
  });
  std::stable_sort(wanted.begin(), wanted.end(),
                   [&](Coding a, Coding b) { return accepted.weight(a) > accepted.weight(b); });
  return wanted;
}

awaitable<void> send_method_refused(Visit& visit) {
  http::Fields more;
  more.add("Allow", "GET, HEAD");
  if (!visit.exchange.body_finished()) visit.exchange.close_after();
  co_await send_status(visit.exchange, visit.facts, 405, more);
}

/// What the client asked for, before the route changed it.
Target asked_for(const Visit& visit) {
  if (visit.facts.asked) return *visit.facts.asked;
  const http::RequestHead& request = visit.request();
  return {std::string(request.path), std::string(request.query), request.has_query};
}

/// To the path that the client knows with a slash behind it: relative to its last segment, which is
/// never read as a host or a scheme.
awaitable<void> send_to_folder(Visit& visit, const Target& asked) {
  std::string to = "./";
  to.append(asked.path.substr(asked.path.rfind('/') + 1)).append("/");
  if (asked.has_query) to.append("?").append(asked.query);
  http::Fields more;
  more.add("Location", to);
  co_await send_status(visit.exchange, visit.facts, 308, more);
}

FileSearch search_for(const Visit& visit, const FilePath& path) {
  const config::Files& files = *visit.settings().files;
  FileSearch search;
  search.root = files.root;
  search.index = files.index;
  search.tries = names_tried(files, path);
  if (files.precompressed) search.codings = codings_for(visit.request().fields);
  return search;
}

bool names_folder(const FoundFile& found, const FilePath& path) {
  return found.what == Opening::folder && !path.folder && found.name == path.name;
}

int status_of(Opening what) {
  switch (what) {
    case Opening::forbidden:
      return 403;
    case Opening::failed:
    case Opening::cold:
      return 503;
    case Opening::file:
    case Opening::folder:
    case Opening::absent:
      return 404;
  }
  return 404;
}

}  // namespace

std::string content_range(const ByteRange& range, std::uint64_t size) {
  return "bytes " + std::to_string(range.first) + "-" + std::to_string(range.last) + "/" +
         std::to_string(size);
}

std::string RangeParts::head(const ByteRange& range) const {
  return "\r\n--" + boundary_ + "\r\nContent-Type: " + type_ +
         "\r\nContent-Range: " + content_range(range, size_) + "\r\n\r\n";
}

std::uint64_t RangeParts::length(const std::vector<ByteRange>& ranges) const {
  std::uint64_t octets = tail().size();
  for (const ByteRange& range : ranges) octets += head(range).size() + range.size();
  return octets;
}

awaitable<bool> answer_files(Visit& visit) {
  const http::RequestHead& request = visit.request();
  if (request.method != "GET" && request.method != "HEAD") {
    co_await send_method_refused(visit);
    co_return true;
  }
  auto path = FilePath::of(request.path);
  if (!path) {
    co_await send_status(visit.exchange, visit.facts, 404);
    co_return true;
  }
  const config::Files& files = *visit.settings().files;
  FoundFile found = co_await find(visit, search_for(visit, *path));
  bool wants_slash = names_folder(found, *path);
  const Target asked = wants_slash ? asked_for(visit) : Target();
  if (wants_slash && asked.path.ends_with('/')) {
    // The route took the slash away: a redirect would lead here again.
    path->folder = true;
    found = co_await find(visit, search_for(visit, *path));
    wants_slash = false;
  }
  if (found.what == Opening::file) {
    const bool varies = files.precompressed && may_have_siblings(found.name);
    FileAnswer answer(visit, found, varies);
    co_await answer.send();
  } else if (wants_slash) {
    co_await send_to_folder(visit, asked);
  } else {
    visit.facts.error = std::move(found.why);
    co_await send_status(visit.exchange, visit.facts, status_of(found.what));
  }
  co_return true;
}

}  // namespace gatehouse::serve
