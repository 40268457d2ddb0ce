#include "acme/order_store.hpp"

#include <algorithm>

namespace gatehouse::acme {

std::string ca_storage_name(std::string_view directory_url) {
  const std::size_t scheme = directory_url.find("://");
  if (scheme != std::string_view::npos) directory_url.remove_prefix(scheme + 3);
  directory_url = directory_url.substr(0, directory_url.find_first_of("?#"));
  while (directory_url.ends_with('/')) directory_url.remove_suffix(1);
  std::string name(directory_url);
  const auto awkward = [](char c) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_';
    return !plain;
  };
  std::replace_if(name.begin(), name.end(), awkward, '-');
  if (name.starts_with('.')) name[0] = '_';
  return name.empty() ? "ca" : name;
}

}  // namespace gatehouse::acme
