#include "proxy/control/fail.hpp"

#include <iostream>

namespace gatehouse::control {

int fail(const std::string& message, int status) {
  std::cerr << "gatehouse: " << message << '\n';
  return status;
}

}  // namespace gatehouse::control
