#include "proxy/serve/admission.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/proxy/serve/bench.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_certificates.hpp"

namespace admission_test {

using namespace gatehouse;
using namespace gatehouse::serve::test;
using config::TlsMode;
using serve::Admission;
using serve::Entrance;
using Kind = Admission::Kind;

namespace {

/// Sites a and b share a policy, c asks for TLS 1.3; the certificate shown covers a and b.
struct Gate {
  Gate() {
    auto strict = site_for({"c.example"}, TlsMode::files, {responding("c")});
    strict.tls.min_version = "1.3";
    auto rules = site_for({"rules.example"}, TlsMode::files,
                          {responding("admin", {"/admin/*"}), responding("api", {"/api/*"})});
    auto open = site_for({"open.example"}, TlsMode::files, {responding("o")});
    open.redirect_http = false;
    snapshot = snapshot_of(
        config_with({site_for({"a.example", "a2.example"}, TlsMode::files, {responding("a")}),
                     site_for({"b.example"}, TlsMode::files, {responding("b")}), strict, rules,
                     open, site_for({"plain.example"}, TlsMode::off, {responding("p")}),
                     site_for({"*.demand.example"}, TlsMode::on_demand, {responding("d")}),
                     site_for({"uncovered.example"}, TlsMode::files, {responding("u")})}));
    served = certificates_for({"a.example", "b.example", "c.example"});
    plain.listener = "plain";
    over_tls.listener = "tls";
    over_tls.tls = true;
    over_tls.sni = "a.example";
    over_tls.policy_id = snapshot->site("a.example")->policy->id();
    over_tls.served = served.get();
  }

  Admission ask(const Entrance& entrance, std::string_view host, std::string_view path = "/") {
    request.host = host;
    request.method = method;
    request.path = path;
    facts.tls = nullptr;
    return serve::admit(*snapshot, entrance, challenges, request, facts, certificates, room);
  }

  std::shared_ptr<const serve::Snapshot> snapshot;
  tls::CertificateHandle served;
  acme::ChallengeBoard challenges;
  tls::CertificateIndex certificates;
  http::RequestHead request;
  serve::RequestFacts facts;
  std::string_view method = "GET";
  std::string room;
  Entrance plain;
  Entrance over_tls;
};

}  // namespace

TEST_CASE("a host may be asked for over a connection when site, policy and certificate allow it") {
  Gate gate;
  struct Row {
    const char* what;
    const char* sni;
    const char* host;
    int status;  // 0: admitted
  };
  const Row rows[] = {
      {"the very name", "a.example", "a.example", 0},
      {"another host of the same site", "a.example", "a2.example", 0},
      {"same policy, covered by the certificate", "a.example", "b.example", 0},
      {"another policy, though covered", "a.example", "c.example", 421},
      {"same policy, not covered", "a.example", "uncovered.example", 421},
      {"no site at all", "a.example", "unknown.example", 421},
      {"a site without TLS", "a.example", "plain.example", 421},
      {"no server name, same policy", "", "b.example", 0},
      {"no server name, another policy", "", "c.example", 421},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    gate.over_tls.sni = row.sni;
    const Admission admission = gate.ask(gate.over_tls, row.host);
    CHECK(admission.status == row.status);
    CHECK((admission.kind == Kind::to_route) == (row.status == 0));
  }
}

TEST_CASE("a policy that a reload has changed is held against open connections, and ends them") {
  Gate gate;
  CHECK_FALSE(gate.ask(gate.over_tls, "c.example").last);
  gate.over_tls.policy_id = "what it was before";
  const Admission admission = gate.ask(gate.over_tls, "a.example");
  CHECK(admission.status == 421);
  CHECK(admission.last);
}

TEST_CASE("a site for clients with a certificate is reached by a handshake of its own alone") {
  const gatehouse::test::TemporaryFolder folder;
  const std::string roots = folder / "roots.pem";
  std::ofstream(roots) << gatehouse::test::test_root().certificate_pem();
  const auto site = [&](const char* host, const char* mode) {
    auto made = site_for({host}, TlsMode::files, {responding(host)});
    made.tls.client_auth.mode = mode;
    if (made.tls.client_auth.mode != "off") made.tls.client_auth.roots = roots;
    return made;
  };
  Gate gate;
  gate.snapshot = snapshot_of(
      config_with({site("open.example", "off"), site("asks.example", "request"),
                   site("locked.example", "require"), site("locked2.example", "require")}));
  gate.served =
      certificates_for({"open.example", "asks.example", "locked.example", "locked2.example"});
  gate.over_tls.served = gate.served.get();
  const auto status = [&](const char* sni, const char* host) {
    gate.over_tls.sni = sni;
    gate.over_tls.policy_id = gate.snapshot->site(sni)->policy->id();
    return gate.ask(gate.over_tls, host).status;
  };
  CHECK(status("locked.example", "locked.example") == 0);
  CHECK(status("locked.example", "locked2.example") == 0);  // all about their clients is the same
  CHECK(status("open.example", "locked.example") == 421);
  CHECK(status("asks.example", "locked.example") == 421);
  CHECK(status("open.example", "asks.example") == 421);
  CHECK(status("locked.example", "open.example") == 421);
  // In plain HTTP a proxy before us may have ended TLS: it was not to us that a certificate was
  // shown.
  CHECK(gate.ask(gate.plain, "locked.example").kind == Kind::to_https);
  gate.request.fields.add("X-Forwarded-Proto", "https");
  gate.facts.peer_trusted = true;
  CHECK(gate.ask(gate.plain, "locked.example").status == 421);
  CHECK(gate.ask(gate.plain, "asks.example").kind == Kind::to_route);
}

TEST_CASE("over plain HTTP a TLS site redirects, unless told not to or secured before us") {
  Gate gate;
  CHECK(gate.ask(gate.plain, "a.example").kind == Kind::to_https);
  CHECK(gate.ask(gate.plain, "open.example").kind == Kind::to_route);
  CHECK(gate.ask(gate.plain, "plain.example").kind == Kind::to_route);
  gate.request.fields.add("X-Forwarded-Proto", "https");
  CHECK(gate.ask(gate.plain, "a.example").kind == Kind::to_https);
  gate.facts.peer_trusted = true;
  CHECK(gate.ask(gate.plain, "a.example").kind == Kind::to_route);
}

TEST_CASE("a new name on demand waits for its certificate before it is redirected") {
  Gate gate;
  CHECK(gate.ask(gate.plain, "new.demand.example").kind == Kind::wait_then_to_https);
  gate.certificates.put("new.demand.example", gate.served, tls::CertificateIndex::Need::now);
  CHECK(gate.ask(gate.plain, "new.demand.example").kind == Kind::to_https);
}

TEST_CASE("a challenge answer comes before sites and redirects, and only when the token is ours") {
  Gate gate;
  gate.challenges.put_http("token-1", "token-1.thumb");
  const std::string path = "/.well-known/acme-challenge/token-1";
  for (const char* host : {"a.example", "plain.example", "unknown.example", "192.0.2.1", ""}) {
    INFO(host);
    const Admission admission = gate.ask(gate.plain, host, path);
    REQUIRE(admission.kind == Kind::challenge);
    CHECK(*admission.key_authorization == "token-1.thumb");
  }
  CHECK(gate.ask(gate.plain, "plain.example", "/.well-known/acme-challenge/other").kind ==
        Kind::to_route);
  CHECK(gate.ask(gate.plain, "a.example", "/.well-known/acme-challenge/").kind == Kind::to_https);
  CHECK(gate.ask(gate.over_tls, "a.example", path).kind == Kind::to_route);
  gate.method = "POST";
  CHECK(gate.ask(gate.plain, "plain.example", path).kind == Kind::to_route);
}

TEST_CASE("a path that others may read differently is refused where rules decide by path") {
  Gate gate;
  gate.over_tls.sni = "rules.example";
  CHECK(gate.ask(gate.over_tls, "rules.example", "/api/x").kind == Kind::to_route);
  CHECK(gate.ask(gate.over_tls, "rules.example", "/%61dmin/x").route->name == "/admin/*");
  CHECK(gate.ask(gate.over_tls, "rules.example", "/api/../admin/x").route->name == "/admin/*");
  CHECK(gate.ask(gate.over_tls, "rules.example", "/api/..%2fadmin").status == 400);
  CHECK(gate.ask(gate.over_tls, "rules.example", "/api;/admin").status == 400);
  CHECK(gate.ask(gate.over_tls, "rules.example", "/none").status == 404);
  gate.over_tls.sni = "a.example";
  CHECK(gate.ask(gate.over_tls, "a.example", "/a%2fb").kind == Kind::to_route);
}

TEST_CASE("an unknown host gets 421 over TLS, 404 in plain, or what the config says") {
  Gate gate;
  CHECK(gate.ask(gate.over_tls, "unknown.example").status == 421);
  CHECK(gate.ask(gate.plain, "unknown.example").status == 404);
  CHECK(gate.ask(gate.plain, "unknown.example").reason == "no_site");
  auto config = config_with({site_for({"a.example"}, TlsMode::off, {responding("")})});
  config.server.default_host_response = 403;
  gate.snapshot = snapshot_of(config);
  CHECK(gate.ask(gate.plain, "unknown.example").status == 403);
}

TEST_CASE("a request without a host goes to the site for every name or is malformed") {
  Gate gate;
  CHECK(gate.ask(gate.plain, "").status == 400);
  gate.snapshot = snapshot_of(config_with({site_for({"*"}, TlsMode::off, {responding("")})}));
  CHECK(gate.ask(gate.plain, "").kind == Kind::to_route);
}

TEST_CASE("a listener that a reload took away serves nothing more") {
  Gate gate;
  Entrance gone = gate.plain;
  gone.listener = "gone";
  const Admission admission = gate.ask(gone, "plain.example");
  CHECK(admission.status == 404);
  CHECK(admission.last);
}

}  // namespace admission_test
