#pragma once

#include <string>
#include <vector>

namespace gatehouse::control {

/// Rows of text in columns as wide as their widest cell, two blanks between; the last column is not
/// padded. What came from outside is escaped.
class Table {
 public:
  explicit Table(std::vector<std::string> titles) : rows_{std::move(titles)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace gatehouse::control
