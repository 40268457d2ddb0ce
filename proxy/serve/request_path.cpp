#include "proxy/serve/request_path.hpp"

#include <algorithm>

#include "core/base/bytes.hpp"

namespace gatehouse::serve {
namespace {

// Every reading of an unsure path is made and matched: a bound on what one request may cost.
constexpr std::size_t most_unsure_octets = 4096;

/// '%', ';', '\', an empty or a dot segment is all that can be read in more than one way.
bool plain(std::string_view path) {
  char before = 'x';
  for (const char c : path) {
    if (c == '%' || c == ';' || c == '\\') return false;
    if (before == '/' && (c == '/' || c == '.')) return false;
    before = c;
  }
  return true;
}

/// RFC 3986 §2.3
bool unreserved(int octet) {
  return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
         (octet >= '0' && octet <= '9') || octet == '-' || octet == '.' || octet == '_' ||
         octet == '~';
}

bool separates(int octet) { return octet == '/' || octet == '\\' || octet == ';' || octet == '%'; }

/// Undoes escapes of unreserved octets; says what is doubtful about the others.
void undo_escapes(std::string_view path, std::string& out, RequestPath& about) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    const int octet = c == '%' ? escaped_octet(path, i) : -1;
    if (unreserved(octet)) {
      out += static_cast<char>(octet);
      i += 2;
      continue;
    }
    if (c == '%') {
      const bool twice = octet == '%' && path.substr(i + 3).starts_with("00");
      about.unreadable = about.unreadable || octet <= 0 || twice;
    }
    about.unsure = about.unsure || c == ';' || c == '\\' || separates(octet);
    out += c;
  }
}

/// One more round of what a server might do: separators become real too.
void undo_separators(std::string& path) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const int octet = path[i] == '%' ? escaped_octet(path, i) : -1;
    const bool undone = unreserved(octet) || separates(octet);
    path[end++] = undone ? static_cast<char>(octet) : path[i];
    if (undone) i += 2;
  }
  path.resize(end);
}

void drop_parameters(std::string& path) {
  bool dropping = false;
  std::erase_if(path, [&](char c) {
    if (c == '/') dropping = false;
    if (c == ';') dropping = true;
    return dropping;
  });
}

enum class Empty : bool { kept, dropped };

/// RFC 3986 §5.2.4 in place. What is written never overtakes what is read.
void resolve_segments(std::string& path, Empty empty) {
  std::size_t end = 0;  // of what is written
  std::size_t at = 0;
  bool open = false;  // the path ends in '/' though nothing more is written
  while (at < path.size()) {
    ++at;  // the '/'
    const std::size_t border = std::min(path.find('/', at), path.size());
    const std::size_t length = border - at;
    const bool dot = length == 1 && path[at] == '.';
    const bool dots = length == 2 && path[at] == '.' && path[at + 1] == '.';
    const bool left_out = dot || dots || (length == 0 && empty == Empty::dropped);
    if (dots) end = end == 0 ? 0 : path.rfind('/', end - 1);
    if (!left_out) {
      path[end] = '/';
      std::copy_n(path.begin() + static_cast<std::ptrdiff_t>(at), length,
                  path.begin() + static_cast<std::ptrdiff_t>(end) + 1);
      end += length + 1;
    }
    open = left_out;
    at = border;
  }
  path.resize(end);
  if (open) path += '/';
}

}  // namespace

int escaped_octet(std::string_view text, std::size_t at) {
  if (text.size() - at < 3 || text[at] != '%') return -1;
  const int high = hex_digit(text[at + 1]);
  const int low = hex_digit(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

RequestPath RequestPath::of(std::string_view path, std::string& room) {
  RequestPath made;
  made.text = path;
  if (plain(path) || !path.starts_with('/')) return made;
  room.clear();
  undo_escapes(path, room, made);
  resolve_segments(room, Empty::kept);
  made.text = room;
  made.unsure = made.unsure || room.find("//") != std::string::npos;
  made.unreadable = made.unreadable || (made.unsure && room.size() > most_unsure_octets);
  return made;
}

bool OtherReadings::next(std::string& out) {
  if (way_ == ways) return false;
  const unsigned way = way_++;
  out = path_;
  for (unsigned round = 0; round < way / 8; ++round) undo_separators(out);
  if ((way & 1) != 0) std::replace(out.begin(), out.end(), '\\', '/');
  if ((way & 2) != 0) drop_parameters(out);
  resolve_segments(out, (way & 4) != 0 ? Empty::dropped : Empty::kept);
  return true;
}

}  // namespace gatehouse::serve
