// Accept-Encoding, one line of the field to a line of input. What is chosen is acceptable and none
// weighs more; a line that names nothing changes nothing.

#include <array>
#include <cstdint>
#include <string_view>

#include "core/http/content_coding.hpp"

using namespace gatehouse::http;

namespace {

constexpr std::array all = {Coding::identity, Coding::gzip, Coding::br, Coding::zstd};
constexpr std::array offered = {Coding::zstd, Coding::br, Coding::gzip};

void require(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Fields fields;
  for (bool last = false; !last;) {
    const std::size_t end = text.find('\n');
    fields.add("Accept-Encoding", text.substr(0, end));
    last = end == std::string_view::npos;
    if (!last) text.remove_prefix(end + 1);
  }
  const AcceptedCodings accepted = AcceptedCodings::of(fields);
  const Coding best = accepted.best_of(offered);
  for (const Coding coding : all) {
    require(accepted.weight(coding) <= 1000);
    require(accepted.weight(coding) <= accepted.weight(best) || best == Coding::identity);
  }
  if (best == Coding::identity) {
    for (const Coding coding : offered) {
      require(accepted.weight(coding) == 0 ||
              accepted.weight(coding) < accepted.weight(Coding::identity));
    }
  }
  fields.add("accept-encoding", " , ,");
  require(AcceptedCodings::of(fields).best_of(offered) == best);
  return 0;
}
