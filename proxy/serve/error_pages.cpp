#include "proxy/serve/error_pages.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>

#include "core/http/header_rules.hpp"

namespace gatehouse::serve {
namespace {

std::string_view type_of(std::string_view file) {
  using Row = std::pair<std::string_view, std::string_view>;
  constexpr std::array<Row, 4> rows = {{{".txt", "text/plain; charset=utf-8"},
                                        {".json", "application/json"},
                                        {".xml", "application/xml"},
                                        {".svg", "image/svg+xml"}}};
  for (const auto& [ending, type] : rows) {
    if (file.ends_with(ending)) return type;
  }
  return "text/html; charset=utf-8";
}

int number_of(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Error cannot(const std::string& file, std::string_view why) {
  return Error(Fault::io, Side::self, "error page '" + file + "' " + std::string(why));
}

Result<std::shared_ptr<const ErrorPage>> read_page(const std::string& file) {
  auto page = std::make_shared<ErrorPage>();
  page->type = type_of(file);
  std::ifstream in(file, std::ios::binary);
  page->body.resize(config::most_error_page_bytes + 1);
  in.read(page->body.data(), static_cast<std::streamsize>(page->body.size()));
  if (in.bad() || (!in.is_open())) return cannot(file, "cannot be read");
  page->body.resize(static_cast<std::size_t>(in.gcount()));
  if (page->body.size() > config::most_error_page_bytes) return cannot(file, "is too large");
  page->body.shrink_to_fit();
  return std::shared_ptr<const ErrorPage>(std::move(page));
}

}  // namespace

Result<ErrorPages> ErrorPages::load(const config::Pairs& errors, ErrorPageFiles& read) {
  ErrorPages pages;
  for (const auto& [statuses, file] : errors) {
    auto& page = read[file];
    if (!page) {
      auto made = read_page(file);
      if (!made) return made.error();
      page = std::move(*made);
    }
    // "404", "500-504", "5xx", or several with commas.
    http::for_each_member(statuses, [&](std::string_view part) {
      Range range{number_of(part), number_of(part), page};
      if (part.ends_with("xx")) range = {(part[0] - '0') * 100, (part[0] - '0') * 100 + 99, page};
      const std::size_t dash = part.find('-');
      if (dash != std::string_view::npos) range.last = number_of(part.substr(dash + 1));
      pages.ranges_.push_back(std::move(range));
    });
  }
  std::stable_sort(pages.ranges_.begin(), pages.ranges_.end(), [](const auto& a, const auto& b) {
    return a.last - a.first < b.last - b.first;
  });
  return pages;
}

const ErrorPage* ErrorPages::find(int status) const {
  for (const Range& range : ranges_) {
    if (status >= range.first && status <= range.last) return range.page.get();
  }
  return nullptr;
}

}  // namespace gatehouse::serve
