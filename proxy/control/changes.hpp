#pragma once

#include <string>
#include <vector>

#include "config/model.hpp"

namespace gatehouse::control {

/// What a reload means, told to operators: one line each ("site a.example added").
struct Changes {
  std::vector<std::string> applied;
  /// Settings that a running process keeps: it was started with the old value.
  std::vector<std::string> needs_restart;
};

Changes compare(const config::Config& before, const config::Config& after);

}  // namespace gatehouse::control
