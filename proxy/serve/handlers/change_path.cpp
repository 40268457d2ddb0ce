#include "proxy/serve/handlers/change_path.hpp"

#include "proxy/serve/path_edits.hpp"
#include "proxy/serve/request_path.hpp"
#include "proxy/serve/snapshot.hpp"

namespace gatehouse::serve {
namespace {

Target target_of(const http::RequestHead& request) {
  return {std::string(request.path), std::string(request.query), request.has_query};
}

void put(Visit& visit, const Target& target) {
  http::RequestHead& request = visit.request();
  if (!visit.facts.asked) visit.facts.asked = target_of(request);
  request.path = request.fields.keep(target.path);
  request.query = request.fields.keep(target.query);
  request.has_query = target.has_query;
}

}  // namespace

void settle_path(Visit& visit) {
  if (!visit.route.site.decides_by_path) return;
  std::string room;
  const RequestPath path = RequestPath::of(visit.request().path, room);
  if (path.text == visit.request().path) return;
  Target settled = target_of(visit.request());
  settled.path = path.text;
  put(visit, settled);
}

Refusal change_path(Visit& visit) {
  Target target = target_of(visit.request());
  if (visit.route.path_edits.apply(target)) put(visit, target);
  return {};
}

}  // namespace gatehouse::serve
