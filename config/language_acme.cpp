// [acme] and what lies below it. The keys of AcmeSettings may also stand in [site.tls].
#include "config/detail/forms.hpp"

namespace gatehouse::config::detail {

void describe(Visitor& v, Acme& acme) {
  describe(v, acme.settings);
  v.named("issuer", acme.issuer);
  v.table("on_demand", acme.on_demand);
  v.named("dns", acme.dns);
}

void describe(Visitor& v, AcmeSettings& settings) {
  // Made once: they are asked for at every site.
  static const List proofs{Choice{{"tls-alpn-01", "http-01", "dns-01", "dns-persist-01"}},
                           Empty::refused};
  static const List types{Choice{{"p256", "p384", "ed25519", "rsa2048", "rsa3072", "rsa4096"}},
                          Empty::refused};
  static const Choice looks_before{{"auto", "off", "warn", "gate"}};
  v.key("ca", settings.ca, List{Words{}, Empty::refused});
  v.key("email", settings.email, Text{});
  v.key("challenges", settings.challenges, proofs);
  v.key("key_type", settings.key_type, types);
  v.key("reuse_key", settings.reuse_key, Flag{});
  v.key("profile", settings.profile, Text{});
  v.key("must_staple", settings.must_staple, Flag{});
  v.key("preferred_chain", settings.preferred_chain, Text{});
  // At 0 a certificate is renewed without end, at 1 when it is too late.
  v.key("renew_at", settings.renew_at, Share{Share::As::fraction, 0.05, 0.95});
  v.list("renew_windows", Visitor::Shape::in_line, settings.renew_windows);
  v.key("preflight", settings.preflight, looks_before);
  v.key("standby_ca", settings.standby_ca, Text{});
  v.group("propagation", settings.propagation);
}

void describe(Visitor& v, RenewWindow& window) {
  v.key("days", window.days, Checked{parse_days});
  v.key("from", window.from, Checked{parse_time_of_day});
  v.key("to", window.to, Checked{parse_time_of_day});
  v.key("tz", window.tz, Text{});
}

void describe(Visitor& v, Propagation& propagation) {
  v.key("delay", propagation.delay, Span{});
  v.key("timeout", propagation.timeout, Span{});
  v.key("resolvers", propagation.resolvers, List{Words{}});
}

void describe(Visitor& v, Issuer& issuer) {
  v.locate(issuer.at);
  v.key("directory", issuer.directory, Checked{parse_http_url, Empty::allowed});
  v.key("roots", issuer.roots, Text{});
  v.maybe("eab", issuer.eab);
  v.key("staging", issuer.staging, Checked{parse_http_url, Empty::allowed});
}

void describe(Visitor& v, Eab& eab) {
  v.key("key_id", eab.key_id, Words{});
  v.key("hmac_key", eab.hmac_key, Hidden{parse_hmac_key});
}

void describe(Visitor& v, OnDemand& on_demand) {
  constexpr Span positive{Duration(1)};
  v.key("allow", on_demand.allow, List{Checked{parse_site_host}});
  v.key("ask", on_demand.ask, Checked{parse_http_url, Empty::allowed});
  v.key("ask_timeout", on_demand.ask_timeout, positive);
  v.key("deny_for", on_demand.deny_for, Span{});
  v.key("wait", on_demand.wait, positive);
  v.key("max_waiting", on_demand.max_waiting, Count{0, 1'000'000});
  v.key("rate", on_demand.rate, RateForm{});
  v.key("rate_per_domain", on_demand.rate_per_domain, RateForm{});
  v.key("rate_per_client", on_demand.rate_per_client, RateForm{});
}

void describe(Visitor& v, DnsProvider& provider) {
  v.locate(provider.at);
  v.key("zones", provider.zones, List{Checked{parse_site_host}, Empty::refused});
  v.key("provider", provider.provider,
        Choice{{"rfc2136", "cloudflare", "route53", "azure", "google", "powerdns", "acme-dns",
                "exec", "http", "responder"}});
  v.rest(provider.keys);
}

}  // namespace gatehouse::config::detail
