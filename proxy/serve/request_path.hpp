#pragma once

#include <string>
#include <string_view>

namespace gatehouse::serve {

/// A request's path in the one form that rules see: dot segments resolved and escapes of unreserved
/// octets undone, which is the same path for everybody who reads it by RFC 3986 (§6.2.2). Where
/// routes decide by path, servers get this form too, so that they cannot come to another one.
/// Common paths lie in that form already; only others are copied, into `room`.
struct RequestPath {
  static RequestPath of(std::string_view path, std::string& room);

  std::string_view text;
  /// Some servers read it as another path: an escaped '/', '\', ';' or '%', a plain '\' or ';', an
  /// empty segment. OtherReadings tells which.
  bool unsure = false;
  /// A broken escape, an escaped NUL, or unsure and very long: nobody can tell what it will be.
  bool unreadable = false;
};

/// What else servers may take an unsure path for: escapes undone once more or twice, backslashes as
/// slashes, parameters after ';' dropped, slashes merged, in every combination.
class OtherReadings {
 public:
  /// `path` in the form of RequestPath; outlives this.
  explicit OtherReadings(std::string_view path) : path_(path) {}
  /// The next one into `out`. False: that was all.
  bool next(std::string& out);

 private:
  static constexpr unsigned ways = 3 * 2 * 2 * 2;
  std::string_view path_;
  unsigned way_ = 1;  // 0 is the path as it is
};

/// A percent-encoded octet at `at`: its value, or -1 when there is none.
int escaped_octet(std::string_view text, std::size_t at);

}  // namespace gatehouse::serve
