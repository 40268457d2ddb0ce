#include "proxy/serve/header_edits.hpp"

#include <algorithm>

#include "core/base/bytes.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::serve {
namespace {

/// RFC 9110 §5.5: what no field value may hold becomes a space.
void make_harmless(std::string& value) {
  std::replace_if(
      value.begin(), value.end(),
      [](char c) {
        const auto octet = static_cast<unsigned char>(c);
        return (octet < 0x20 && c != '\t') || octet == 0x7F;
      },
      ' ');
}

}  // namespace

HeaderEdits::HeaderEdits(const config::HeaderEdits& from)
    : remove_(from.remove), set_(lines(from.set)), add_(lines(from.add)) {
  const auto host = std::find_if(set_.begin(), set_.end(), [](const Line& line) {
    return equal_ignoring_case(line.name, "Host");
  });
  if (host == set_.end()) return;
  host_.push_back(std::move(*host));
  set_.erase(host);
}

std::vector<HeaderEdits::Line> HeaderEdits::lines(const config::Pairs& pairs) {
  std::vector<Line> made;
  for (const auto& [name, value] : pairs) made.push_back({name, Template(value)});
  return made;
}

std::string_view HeaderEdits::value(const Line& line, http::Fields& keeper,
                                    const http::RequestHead& request, const RequestFacts& facts) {
  if (const std::string* fixed = line.value.fixed()) return *fixed;
  std::string filled = line.value.text(request, facts);
  make_harmless(filled);
  return keeper.keep(http::trim(filled));
}

void HeaderEdits::apply(http::Fields& fields, const http::RequestHead& request,
                        const RequestFacts& facts) const {
  for (const std::string& name : remove_) fields.remove(name);
  for (const Line& line : set_) fields.set(line.name, value(line, fields, request, facts));
  for (const Line& line : add_) fields.add(line.name, value(line, fields, request, facts));
}

void HeaderEdits::apply_to(http::RequestHead& request, const RequestFacts& facts) const {
  apply(request.fields, request, facts);
  for (const Line& line : host_) {
    request.authority = value(line, request.fields, request, facts);
  }
}

}  // namespace gatehouse::serve
