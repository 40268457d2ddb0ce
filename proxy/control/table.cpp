#include "proxy/control/table.hpp"

#include <algorithm>

#include "core/base/log.hpp"

namespace gatehouse::control {

std::string Table::text() const {
  std::vector<std::size_t> widths;
  std::vector<std::vector<std::string>> cells;
  for (const auto& row : rows_) {
    auto& escaped = cells.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i) {
      escaped.push_back(row[i].empty() ? "-" : log::escaped(row[i], 400));
      if (widths.size() <= i) widths.resize(i + 1);
      widths[i] = std::max(widths[i], escaped.back().size());
    }
  }
  std::string text;
  for (const auto& row : cells) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] - row[i].size() + 2, ' ');
    }
    text += '\n';
  }
  return text;
}

}  // namespace gatehouse::control
