#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "core/base/log.hpp"
#include "tests/support/temporary_folder.hpp"

namespace gatehouse::test {

/// Sends the log to a file of its own, and back to stderr afterwards.
class LogFile {
 public:
  explicit LogFile(log::Format format = log::Format::text) : path_(folder_ / "log") {
    REQUIRE(log::open(log::Level::info, format, path_));
  }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  ~LogFile() { log::open(log::Level::info, log::Format::text, "stderr"); }

  std::string text() const {
    std::ifstream in(path_);
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
  }
  bool holds(const std::string& part) const { return text().find(part) != std::string::npos; }
  const std::string& path() const { return path_; }

 private:
  TemporaryFolder folder_;
  std::string path_;
};

}  // namespace gatehouse::test
