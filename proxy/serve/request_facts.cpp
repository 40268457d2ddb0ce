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
  own_words = std::string();
}

void RequestFacts::leave_head() {
  std::string words;
  for (const std::string_view* each : {&id, &user_agent, &referer}) words.append(*each);
  own_words = std::move(words);
  std::string_view rest = own_words;
  for (std::string_view* each : {&id, &user_agent, &referer}) {
    *each = rest.substr(0, each->size());
    rest.remove_prefix(each->size());
  }
}

}  // namespace gatehouse::serve
