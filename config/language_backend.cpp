// [backend.NAME]
#include "config/detail/forms.hpp"

namespace gatehouse::config::detail {

void describe(Visitor& v, Backend& backend) {
  v.locate(backend.at);
  v.key("servers", backend.servers, List{ServerForm{}, Empty::refused});
  v.key("policy", backend.policy,
        Choice{{"two_choices", "round_robin", "least_requests", "random", "first", "client_hash",
                "path_hash", "header_hash", "cookie_hash"}});
  v.key("hash_key", backend.hash_key, Checked{parse_token, Empty::allowed});
  v.within("sticky", Visitor::Shape::in_line, [&backend](Visitor& sticky) {
    sticky.key("cookie", backend.sticky_cookie, Checked{parse_token, Empty::allowed});
  });
  v.key("resolve", backend.resolve, Span{Duration(100)});
  v.key("connect_timeout", backend.connect_timeout, Span{Duration(1)});
  v.key("response_timeout", backend.response_timeout, Span{});
  v.key("idle_connections", backend.idle_connections, Count{0, 65536});
  v.key("idle_timeout", backend.idle_timeout, Span{});
  v.key("retries", backend.retries, Count{0, 100});
  v.key("retry_on", backend.retry_on, List{Choice{{"connect", "timeout", "502", "503", "504"}}});
  v.key("retry_budget", backend.retry_budget, Share{Share::As::percent});
  v.group("health", backend.health);
  v.group("eject", backend.eject);
  v.key("slow_start", backend.slow_start, Span{});
  v.group("tls", backend.tls);
  v.key("proxy_protocol", backend.proxy_protocol, Count{0, 2});
}

void describe(Visitor& v, Health& health) {
  v.key("path", health.path, Checked{parse_prefix, Empty::allowed});
  v.key("interval", health.interval, Span{Duration(100)});
  v.key("timeout", health.timeout, Span{Duration(1)});
  v.key("status", health.status, Checked{parse_status_range});
  v.key("rise", health.rise, Count{1, 1000});
  v.key("fall", health.fall, Count{1, 1000});
}

void describe(Visitor& v, Eject& eject) {
  v.key("failures", eject.failures, Count{1, 1'000'000});
  v.key("within", eject.within, Span{Duration(1)});
  v.key("for", eject.for_, Span{Duration(1)});
  v.key("max_share", eject.max_share, Share{Share::As::percent});
}

void describe(Visitor& v, BackendTls& tls) {
  v.key("verify", tls.verify, Flag{});
  v.key("server_name", tls.server_name, Text{});
  v.key("roots", tls.roots, Text{});
  v.key("cert", tls.cert, Text{});
  v.key("key", tls.key, Text{});
}

}  // namespace gatehouse::config::detail
