// The path of a request: whatever comes in, the form that rules see is settled, no reading of it
// leaves the root, and what is sure has no other reading.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proxy/serve/path_edits.hpp"
#include "proxy/serve/request_path.hpp"

using namespace gatehouse;
using serve::OtherReadings;
using serve::PathEdits;
using serve::RequestPath;
using serve::Target;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool has_dot_segment(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    if (segment == "." || segment == "..") return true;
    path.remove_prefix(segment.size());
  }
  return false;
}

void require_settled(std::string_view path) {
  require(path.starts_with('/'));
  require(!has_dot_segment(path));
  std::string room;
  require(RequestPath::of(path, room).text == path);
}

PathEdits some_edits() {
  config::Route route;
  route.strip_prefix = "/a";
  route.add_prefix = "/b";
  route.rewrite = config::Rewrite{"^/b/(.)(.*)$", "/$2$1?q=$1"};
  return PathEdits::make(route).value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string path = "/";
  for (std::size_t i = 0; i < size; ++i) {
    // What the head's parser lets through.
    if (data[i] > 0x20 && data[i] < 0x7F && data[i] != '#' && data[i] != '?') {
      path += static_cast<char>(data[i]);
    }
  }
  std::string room;
  const RequestPath seen = RequestPath::of(path, room);
  require(seen.text.size() <= path.size());
  require(seen.text.starts_with('/') && !has_dot_segment(seen.text));
  if (!seen.unreadable) {
    require_settled(seen.text);
    OtherReadings readings(seen.text);
    std::string reading;
    while (readings.next(reading)) {
      require(reading.starts_with('/'));
      require(!has_dot_segment(reading));
      require(seen.unsure || reading == seen.text);
    }
  }
  static const PathEdits edits = some_edits();
  Target target{std::string(seen.text), "x=y", true};
  edits.apply(target);
  require_settled(target.path);
  require(target.query.ends_with("x=y"));
  return 0;
}
