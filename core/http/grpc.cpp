#include "core/http/grpc.hpp"

#include "core/base/bytes.hpp"

namespace gatehouse::http {

bool speaks_grpc(const RequestHead& request) {
  if (request.version != Version::http2) return false;
  constexpr std::string_view grpc = "application/grpc";
  const std::string_view type = request.fields.find("content-type").value_or(std::string_view());
  if (!equal_ignoring_case(type.substr(0, grpc.size()), grpc)) return false;
  const std::string_view rest = type.substr(grpc.size());
  return rest.empty() || rest.front() == '+' || rest.front() == ';';
}

std::string_view grpc_status(int status) {
  switch (status) {
    case 400:
      return "13";  // internal
    case 401:
      return "16";  // unauthenticated
    case 403:
      return "7";  // permission denied
    case 404:
      return "12";  // unimplemented
    case 408:
    case 504:
      return "4";  // deadline exceeded
    case 413:
      return "8";  // resource exhausted
    case 429:
    case 502:
    case 503:
      return "14";  // unavailable: try again
    default:
      return "2";  // unknown
  }
}

}  // namespace gatehouse::http
