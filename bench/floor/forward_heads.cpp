// The least that a proxy for HTTP does: what forward.cpp does, and each head is read, judged,
// rewritten for the next hop and written anew. Still no routes, no pool, no limits, no timeouts, no
// counts, no errors, and no message in pieces.
struct Kept {};
#include "forward.hpp"
#include "heads.hpp"

static std::string_view for_server(std::string_view octets, bool secure, Kept&) {
  return request_for_server(octets, secure);
}
static std::string_view for_client(std::string_view octets, Kept&) {
  return answer_for_client(octets);
}

int main(int count, char** words) {
  const RecyclingThread recycling;
  hop.peer = hop.client_ip = asio::ip::make_address("127.0.0.1");
  hop.port = 443;
  hop.request_id = "0123456789abcdef0123456789abcdef";
  return forward(count, words);
}
