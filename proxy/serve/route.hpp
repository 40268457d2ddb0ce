#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.hpp"
#include "core/base/cidr.hpp"
#include "core/http/content_coding.hpp"
#include "core/http/message.hpp"
#include "proxy/serve/error_pages.hpp"
#include "proxy/serve/header_edits.hpp"
#include "proxy/serve/matchers.hpp"
#include "proxy/serve/passwords.hpp"
#include "proxy/serve/path_edits.hpp"
#include "proxy/serve/route_state.hpp"
#include "proxy/serve/template.hpp"

namespace gatehouse::serve {

struct Site;
struct Step;

/// One route, compiled. Part of a Snapshot and immutable with it, but for what it counts.
struct Route {
  Route(const config::Route& from, const Site& owner, std::size_t place);

  /// Makes what can fail: expressions, address blocks, error pages. `kept`: what routes of the
  /// snapshot before this one have counted.
  Result<void> compile(const RouteStates& kept, ErrorPageFiles& pages, Entropy& entropy);

  /// `path` in the form of RequestPath.
  bool matches(const http::RequestHead& request, std::string_view path,
               const asio::ip::address& client) const;
  /// Same site, same matchers: what it has counted stays with it over a reload.
  std::string identity() const;

  const config::Route& settings;  // limits, backend name
  const Site& site;
  std::size_t index;  // place in the site, from 0
  std::string name;   // for logs: its first path, or "*"

  // --- when
  std::vector<PathPattern> paths;
  std::vector<Pattern> expressions;  // of paths
  std::vector<FieldRule> fields;
  std::vector<QueryRule> query;
  std::vector<Cidr> clients;

  // --- what
  std::vector<const Step*> steps;     // its handlers in their order; empty: it only forwards
  std::vector<http::Coding> codings;  // of `compress`, the most wanted first
  std::vector<Cidr> allow;
  std::vector<Cidr> deny;
  std::shared_ptr<RouteState> state;   // null: it counts nothing
  std::shared_ptr<const Users> users;  // null: it has no basic_auth
  Template redirect_to;                // of `redirect`
  PathEdits path_edits;
  HeaderEdits request_edits;
  HeaderEdits answer_edits;
  ErrorPages error_pages;
};

}  // namespace gatehouse::serve
