#include "proxy/serve/request_facts.hpp"

namespace gatehouse::serve {

void RequestFacts::next_request() {
  id = {};
  client_ip = peer;
  peer_trusted = false;
  cleaned = false;
  snapshot = nullptr;
  site = nullptr;
  route = nullptr;
  user_agent = {};
  referer = {};
  asked.reset();
  status = 0;
  bytes_in = 0;
  bytes_out = 0;
  rejected = {};
  error.clear();
  own_answer = false;
  backend = {};
  server.clear();
  attempts = 0;
  reused = false;
  backend_time = {};
  tunnel = false;
  passed_through = false;
}

}  // namespace gatehouse::serve
