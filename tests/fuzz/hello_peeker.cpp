// The first octets of a connection on a listener where TLS may be somebody else's. However they are
// cut into pieces the same must come out, and never a name that is no host's.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/host.hpp"
#include "core/tls/hello_peeker.hpp"

using namespace gatehouse;
using tls::HelloPeeker;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

std::string answer(std::string_view bytes, std::size_t step) {
  HelloPeeker peeker;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const auto before = peeker.state();
    peeker.feed(bytes.substr(at, step));
    if (before != HelloPeeker::State::more) require(peeker.state() == before);
  }
  const std::string& name = peeker.server_name();
  if (!name.empty()) {
    require(peeker.state() == HelloPeeker::State::whole && !peeker.bad_server_name());
    const auto normal = normal_host(name);
    require(normal && *normal == name && !as_address(name));
  }
  return std::to_string(static_cast<int>(peeker.state())) + ' ' + name +
         (peeker.bad_server_name() ? " bad" : "");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Beyond the bound it depends on the pieces where reading ends.
  size = std::min(size, HelloPeeker::most_on_wire - 1);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = answer(bytes, size + 1);
  require(answer(bytes, 1) == whole);
  require(answer(bytes, 5) == whole);
  return 0;
}
