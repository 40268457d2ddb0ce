#include "proxy/serve/handlers/edited_answer.hpp"

#include "proxy/serve/hsts.hpp"
#include "proxy/serve/snapshot.hpp"

namespace gatehouse::serve {

bool EditedAnswer::wanted(const Route& route, const RequestFacts& facts) {
  return !route.answer_edits.empty() || (facts.secure() && !route.site.hsts.empty());
}

const http::ResponseHead& EditedAnswer::edited(const http::ResponseHead& head) {
  edited_.version = head.version;
  edited_.status = head.status;
  edited_.reason = head.reason;
  edited_.length = head.length;
  edited_.websocket = head.websocket;
  edited_.fields.clear();
  for (const http::Field& line : head.fields) edited_.fields.add(line.name, line.value);
  route_.answer_edits.apply(edited_.fields, request(), facts_);
  // Nobody may keep a refusal or an error of our own, whatever the route's good answers allow.
  if (facts_.own_answer) edited_.fields.set("Cache-Control", "no-store");
  // RFC 6797 §7.1: one field, over a secure connection only.
  if (facts_.secure() && !route_.site.hsts.empty()) edited_.fields.set(hsts_name, route_.site.hsts);
  return edited_;
}

Started<void> EditedAnswer::start_head(const http::ResponseHead& head) {
  return inner().start_head(edited(head));
}

awaitable<Result<http::ServerExchange::Raw>> EditedAnswer::upgrade(const http::ResponseHead& head) {
  return inner().upgrade(edited(head));
}

}  // namespace gatehouse::serve
