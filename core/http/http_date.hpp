#pragma once

#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/base/time_format.hpp"

namespace gatehouse::http {

/// The value of Date fields, formatted once a second. One per worker, touched on it only.
class HttpDate {
 public:
  explicit HttpDate(Clock& clock) : clock_(clock) {}

  /// Valid until the next call.
  std::string_view now() {
    const auto second = std::chrono::floor<std::chrono::seconds>(clock_.wall());
    if (second != second_ || text_.empty()) {
      second_ = second;
      text_ = http_date(second);
    }
    return text_;
  }

 private:
  Clock& clock_;
  std::chrono::sys_seconds second_{};
  std::string text_;
};

}  // namespace gatehouse::http
