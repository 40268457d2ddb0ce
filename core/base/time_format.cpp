#include "core/base/time_format.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/base/two_digits.hpp"

namespace gatehouse {
namespace {

constexpr std::array<const char*, 7> weekdays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// A date in UTC, taken apart.
struct Parts {
  int year;
  unsigned month;    // from 1
  unsigned day;      // from 1
  unsigned weekday;  // from Sunday, 0
  unsigned hour;
  unsigned minute;
  unsigned second;
  unsigned microsecond;
};

Parts utc(Wall when) {
  using namespace std::chrono;
  const sys_days day = floor<days>(when);
  const year_month_day date(day);
  const hh_mm_ss time(floor<microseconds>(when - day));
  return {int(date.year()),
          unsigned(date.month()),
          unsigned(date.day()),
          weekday(day).c_encoding(),
          static_cast<unsigned>(time.hours().count()),
          static_cast<unsigned>(time.minutes().count()),
          static_cast<unsigned>(time.seconds().count()),
          static_cast<unsigned>(time.subseconds().count())};
}

/// Writes the last `width` digits of `value`; returns where they end.
template <std::size_t width>
char* put_digits(char* at, unsigned value) {
  static_assert(width % 2 == 0);
  for (std::size_t i = width; i > 0; value /= 100) put_two_digits(at + (i -= 2), value % 100);
  return at + width;
}

Error no_date(std::string_view text) {
  return Error(Fault::bad_message, Side::self,
               "not a date: '" + std::string(text.substr(0, 64)) + "'");
}

/// Reads exactly `width` digits from the front of `rest`; -1 when they are not there.
int take_number(std::string_view& rest, std::size_t width) {
  if (rest.size() < width) return -1;
  int value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    if (rest[i] < '0' || rest[i] > '9') return -1;
    value = value * 10 + (rest[i] - '0');
  }
  rest.remove_prefix(width);
  return value;
}

bool take(std::string_view& rest, char wanted) {
  if (rest.empty() || (rest[0] | 0x20) != (wanted | 0x20)) return false;
  rest.remove_prefix(1);
  return true;
}

Result<Wall> from_parts(int year, int month, int day, int hour, int minute, int second,
                        std::string_view text) {
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(year),
                            std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day))};
  if (year < 0 || month < 1 || day < 1 || !date.ok()) return no_date(text);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
    return no_date(text);
  }
  return nearest_wall(sys_days(date).time_since_epoch() + hours(hour) + minutes(minute) +
                      seconds(second));
}

}  // namespace

Wall nearest_wall(std::chrono::seconds since_epoch) {
  using namespace std::chrono;
  constexpr seconds first = sys_days(year(1950) / 1 / 1).time_since_epoch();
  constexpr seconds last = sys_days(year(2200) / 1 / 1).time_since_epoch();
  return Wall(std::clamp(since_epoch, first, last));
}

std::string_view rfc3339(Wall when, DateRoom& room) {
  const Parts parts = utc(when);
  char* at = put_digits<4>(room.data(), static_cast<unsigned>(parts.year));
  *at++ = '-';
  at = put_digits<2>(at, parts.month);
  *at++ = '-';
  at = put_digits<2>(at, parts.day);
  *at++ = 'T';
  at = put_digits<2>(at, parts.hour);
  *at++ = ':';
  at = put_digits<2>(at, parts.minute);
  *at++ = ':';
  at = put_digits<2>(at, parts.second);
  *at++ = '.';
  at = put_digits<6>(at, parts.microsecond);
  *at++ = 'Z';
  return {room.data(), static_cast<std::size_t>(at - room.data())};
}

std::string rfc3339(Wall when) {
  DateRoom room;
  return std::string(rfc3339(when, room));
}

std::string rfc3339_seconds(Wall when) {
  std::string text = rfc3339(when);
  text.resize(text.size() - 8);
  return text + "Z";
}

Result<Wall> parse_rfc3339(std::string_view text) {
  std::string_view rest = text;
  const int year = take_number(rest, 4);
  const bool dash = take(rest, '-');
  const int month = take_number(rest, 2);
  const bool dash2 = take(rest, '-');
  const int day = take_number(rest, 2);
  const bool tee = take(rest, 'T') || take(rest, ' ');
  const int hour = take_number(rest, 2);
  const bool colon = take(rest, ':');
  const int minute = take_number(rest, 2);
  const bool colon2 = take(rest, ':');
  const int second = take_number(rest, 2);
  if (!dash || !dash2 || !tee || !colon || !colon2) return no_date(text);
  auto when = from_parts(year, month, day, hour, minute, second, text);
  if (!when) return when;
  if (take(rest, '.')) {
    std::int64_t fraction = 0;
    std::int64_t unit = 1'000'000'000;
    std::size_t digits = 0;
    while (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
      if (unit > 1) fraction += (rest[0] - '0') * (unit /= 10);
      rest.remove_prefix(1);
      ++digits;
    }
    if (digits == 0) return no_date(text);
    *when += std::chrono::duration_cast<Wall::duration>(std::chrono::nanoseconds(fraction));
  }
  if (take(rest, 'Z')) return rest.empty() ? when : Result<Wall>(no_date(text));
  if (rest.empty() || (rest[0] != '+' && rest[0] != '-')) return no_date(text);
  const int sign = rest[0] == '-' ? -1 : 1;
  rest.remove_prefix(1);
  const int off_hour = take_number(rest, 2);
  const bool off_colon = take(rest, ':');
  const int off_minute = take_number(rest, 2);
  if (off_hour < 0 || off_hour > 23 || !off_colon || off_minute < 0 || off_minute > 59 ||
      !rest.empty()) {
    return no_date(text);
  }
  return *when - sign * (std::chrono::hours(off_hour) + std::chrono::minutes(off_minute));
}

std::string http_date(Wall when) {
  const Parts parts = utc(when);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02u %s %04d %02u:%02u:%02u GMT", weekdays[parts.weekday],
                parts.day, months[parts.month - 1], parts.year, parts.hour, parts.minute,
                parts.second);
  return text;
}

namespace {

/// 1 to 12; 0 when it is none.
int month_named(std::string_view text) {
  for (std::size_t i = 0; i < months.size(); ++i) {
    if (text == months[i]) return static_cast<int>(i) + 1;
  }
  return 0;
}

/// "01:40:00" and all before and after it.
Result<Wall> from_texts(std::string_view year, std::string_view month, std::string_view day,
                        std::string_view time, std::string_view whole) {
  if (time.size() != 8 || time[2] != ':' || time[5] != ':') return no_date(whole);
  const auto number = [](std::string_view digits) { return take_number(digits, digits.size()); };
  return from_parts(number(year), month_named(month), number(day), number(time.substr(0, 2)),
                    number(time.substr(3, 2)), number(time.substr(6)), whole);
}

/// "Saturday, 21-Nov-26 01:40:00 GMT", the comma at `comma`: years from 1970 to 2069.
Result<Wall> parse_rfc850_date(std::string_view text, std::size_t comma) {
  const std::string_view rest = text.substr(comma);
  if (rest.size() != 24 || !rest.starts_with(", ") || !rest.ends_with(" GMT") || rest[4] != '-' ||
      rest[8] != '-' || rest[11] != ' ') {
    return no_date(text);
  }
  const std::string_view year = rest.substr(9, 2);
  const std::string century = year >= "70" ? "19" : "20";
  return from_texts(century + std::string(year), rest.substr(5, 3), rest.substr(2, 2),
                    rest.substr(12, 8), text);
}

/// "Sun Nov  6 08:49:37 1994"
Result<Wall> parse_asctime_date(std::string_view text) {
  if (text[3] != ' ' || text[7] != ' ' || text[10] != ' ' || text[19] != ' ') return no_date(text);
  const std::string_view day = text[8] == ' ' ? text.substr(9, 1) : text.substr(8, 2);
  return from_texts(text.substr(20, 4), text.substr(4, 3), day, text.substr(11, 8), text);
}

}  // namespace

Result<Wall> parse_http_date(std::string_view text) {
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos) {
    return text.size() == 24 ? parse_asctime_date(text) : Result<Wall>(no_date(text));
  }
  if (comma > 3) return parse_rfc850_date(text, comma);
  // "Sat, 21 Nov 2026 01:40:00 GMT": fixed width.
  if (text.size() != 29 || !text.ends_with(" GMT") || text.substr(3, 2) != ", " || text[7] != ' ' ||
      text[11] != ' ' || text[16] != ' ') {
    return no_date(text);
  }
  return from_texts(text.substr(12, 4), text.substr(8, 3), text.substr(5, 2), text.substr(17, 8),
                    text);
}

}  // namespace gatehouse
