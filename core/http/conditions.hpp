#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/http/message.hpp"

namespace gatehouse::http {

/// What tells one state of a resource from another (RFC 9110 §8.8).
struct Validators {
  std::string_view tag;  // with its quotes: "\"abc\"" or "W/\"abc\""
  Wall modified;         // in whole seconds
  /// The resource has been as it is for a second at least: a date names one state of it only.
  bool date_is_strong = false;
};

/// What a request's conditions make of a GET or HEAD.
enum class Verdict : std::uint8_t {
  go_on,
  not_modified,  // 304
  failed,        // 412
};

/// If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of RFC 9110
/// §13.2.2. Dates that cannot be read are ignored.
Verdict judge_conditions(const Fields& request, const Validators& current);

/// Whether Range counts: there is no If-Range, or it names the current state (RFC 9110 §13.1.5).
bool range_counts(const Fields& request, const Validators& current);

/// True when a list of entity tags holds `tag`, weakly compared, or is "*".
bool lists_tag(std::string_view list, std::string_view tag);

}  // namespace gatehouse::http
