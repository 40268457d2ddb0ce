// The first bytes of a connection behind a load balancer. However they are cut into pieces the same
// must come out, and never a header longer than what came.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/net/proxy_header.hpp"

using namespace gatehouse::net;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

/// The first answer other than "more" as the bytes come in one by one.
std::string answer(std::string_view bytes, std::size_t step) {
  for (std::size_t there = 0;; there += step) {
    there = std::min(there, bytes.size());
    const auto header = parse_proxy_header(bytes.substr(0, there));
    if (!header) return "refused";
    if (header->length != 0) {
      require(header->length <= there && header->length <= most_proxy_header);
      if (header->local) return "local " + std::to_string(header->length);
      return header->source.to_string() + " " + header->destination.to_string() + " " +
             std::to_string(header->source_port) + " " + std::to_string(header->destination_port) +
             " " + std::to_string(header->length);
    }
    require(there < most_proxy_header);
    if (there == bytes.size()) return "more";
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = answer(bytes, size + 1);
  require(answer(bytes, 1) == whole);
  return 0;
}
