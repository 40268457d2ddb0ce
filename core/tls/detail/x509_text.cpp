#include "core/tls/detail/x509_text.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <ctime>

#include "core/base/time_format.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {

Result<Wall> wall_of(const asn1_string_st* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    ERR_clear_error();
    return Error(Fault::bad_message, Side::self, "has a date that is none");
  }
  return nearest_wall(std::chrono::seconds(timegm(&parts)));
}

std::string address_text(std::string_view raw) {
  if (raw.size() == 4) {
    boost::asio::ip::address_v4::bytes_type bytes;
    std::copy(raw.begin(), raw.end(), bytes.begin());
    return boost::asio::ip::address_v4(bytes).to_string();
  }
  if (raw.size() == 16) {
    boost::asio::ip::address_v6::bytes_type bytes;
    std::copy(raw.begin(), raw.end(), bytes.begin());
    return boost::asio::ip::address_v6(bytes).to_string();
  }
  return {};
}

}  // namespace gatehouse::tls::detail
