#include <llhttp.h>

#include "core/base/bytes.hpp"
#include "core/http/detail/h1_head.hpp"
#include "core/http/header_rules.hpp"

#if LLHTTP_VERSION_MAJOR < 9 && !LLHTTP_STRICT_MODE
#error "llhttp 8 without strict mode lets a bare CR end a line"
#endif

namespace gatehouse::http::detail {
namespace {

// --- the second opinion -------------------------------------------------------------------------

int at_headers_complete(llhttp_t*) noexcept { return HPE_PAUSED; }

const llhttp_settings_t& settings() {
  static const llhttp_settings_t made = [] {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_headers_complete = &at_headers_complete;
    return s;
  }();
  return made;
}

llhttp_errno_t judge(llhttp_type_t type, std::string_view head) {
  llhttp_t parser;
  llhttp_init(&parser, type, &settings());
  const llhttp_errno_t verdict = llhttp_execute(&parser, head.data(), head.size());
  if (verdict != HPE_PAUSED) return verdict == HPE_OK ? HPE_INVALID_EOF_STATE : verdict;
  // Paused at the last octet of the head, or just past it.
  const auto seen = static_cast<std::size_t>(llhttp_get_error_pos(&parser) - head.data());
  return seen + 1 >= head.size() ? HPE_OK : HPE_STRICT;
}

// --- framing ------------------------------------------------------------------------------------

/// 1 to 18 digits: cannot overflow, and nobody sends more.
bool parse_length(std::string_view digits, std::uint64_t& into) {
  if (digits.empty() || digits.size() > 18) return false;
  into = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    into = into * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

/// Every member counts here, empty ones too: `, chunked` is read differently by different parsers.
void read_codings(std::string_view list, Framing& into) {
  for (;;) {
    const std::size_t comma = list.find(',');
    const std::string_view coding = trim(list.substr(0, comma));
    if (!is_token(coding)) into.bad_coding = true;
    into.chunked_last = equal_ignoring_case(coding, "chunked");
    into.chunked += into.chunked_last ? 1 : 0;
    ++into.codings;
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

Opinion second_opinion(HeadKind kind, std::string_view head) {
  const llhttp_errno_t verdict =
      judge(kind == HeadKind::request ? HTTP_REQUEST : HTTP_RESPONSE, head);
  Opinion out;
  out.fine = verdict == HPE_OK;
  out.unknown_method = verdict == HPE_INVALID_METHOD || verdict == HPE_INVALID_CONSTANT;
  out.name = llhttp_errno_name(verdict);
  return out;
}

Framing take_framing(Fields& fields) {
  Framing out;
  fields.take(FieldName::content_length, [&](std::string_view value) {
    ++out.length_lines;
    out.bad_length = !parse_length(value, out.length) || out.length_lines > 1;
  });
  fields.take(FieldName::transfer_encoding, [&](std::string_view value) {
    ++out.coding_lines;
    read_codings(value, out);
  });
  return out;
}

}  // namespace gatehouse::http::detail
