#include <doctest/doctest.h>

#include "bench.hpp"

namespace gatehouse::config::errors_test {
namespace {

TEST_CASE("each mistake in a value or a key is told with its place and the way out") {
  check_rows(
      {
          {"unknown key",
           "[server]\nworkerz = 1\n",
           {"g.toml:2:1: unknown key 'workerz' in [server]; did you mean 'workers'?"}},
          {"unknown key, nothing near",
           "[server]\nxyzzy = 1\n",
           {"g.toml:2:1: unknown key 'xyzzy' in [server]"}},
          {"unknown table",
           "[sever]\n",
           {"g.toml:1:2: unknown key 'sever' in the file; did you mean 'server'?"}},
          {"swapped letters",
           "[[site]]\nhosst = \"a.example\"\nhosts = \"a.example\"\n"
           "backend = \"unix:/b\"\n",
           {"g.toml:2:1: unknown key 'hosst' in [[site]]; did you mean 'hosts'?"}},
          {"wrong type",
           "[server]\nworkers = \"3\"\n",
           {"g.toml:2:11: 'workers' must be a whole number, not a string"}},
          {"out of range",
           "[server]\nworkers = 5000\n",
           {"g.toml:2:11: 'workers' must be from 0 to 1024, not 5000"}},
          {"table wanted",
           "server = 3\n",
           {"g.toml:1:10: [server] must be a table, not a whole number"}},
          {"duration without unit",
           "[server]\ngraceful_timeout = 30\n",
           {"g.toml:2:20: 'graceful_timeout' must be a duration with its unit, like \"30s\" or "
            "\"5m\""}},
          {"bad duration",
           "[server]\ngraceful_timeout = \"30 s\"\n",
           {"g.toml:2:20: 'graceful_timeout' cannot be '30 s': a duration is a number and ms, s, "
            "m, h or d, like \"30s\""}},
          {"duration too short",
           "[server.timeouts]\nidle = \"0s\"\n",
           {"g.toml:2:8: 'idle' must be at least 1ms"}},
          {"bad size",
           "[server.limits]\nbody = \"10 megs\"\n",
           {"g.toml:2:8: 'body' cannot be '10 megs': a size is a number and B, KiB, MiB, GiB or "
            "TiB, like \"64KiB\""}},
          {"negative size",
           "[server.limits]\nbody = -1\n",
           {"g.toml:2:8: 'body' must not be negative"}},
          {"too large to be meant",
           "[server]\ncertificates_in_memory = 1.5\n[server.timeouts]\nidle = \"10000d\"\n"
           "handshake = \"99999999999999999999s\"\n[server.limits]\nbody = \"99999999TiB\"\n"
           "[acme.on_demand]\nrate = \"0/1m\"\nrate_per_domain = \"4294967296/1h\"\n"
           "rate_per_client = \"5/0s\"\nask_timeout = \"d\"\n",
           {"g.toml:2:26: 'certificates_in_memory' must be a whole number, not 1.5",
            "g.toml:4:8: 'idle' cannot be '10000d': a duration is at most 3650d",
            "g.toml:5:13: 'handshake' cannot be '99999999999999999999s': a duration is at most "
            "3650d",
            "g.toml:7:8: 'body' cannot be '99999999TiB': a size is at most 8388607TiB",
            "g.toml:9:8: 'rate' cannot be '0/1m': a rate is at least 1 in a span of time",
            "g.toml:10:19: 'rate_per_domain' cannot be '4294967296/1h': a rate is at most "
            "4294967295 in a span of time",
            "g.toml:11:19: 'rate_per_client' cannot be '5/0s': the span of a rate is at least 1ms",
            "g.toml:12:15: 'ask_timeout' cannot be 'd': a duration is a number and ms, s, m, h or "
            "d, like \"30s\""}},
          {"a rate in too long a span",
           "[acme.on_demand]\nrate = \"5/9999d\"\n",
           {"g.toml:2:8: 'rate' cannot be '5/9999d': a duration is at most 3650d"}},
          {"bounds that keep a server alive",
           "[server.limits]\nheader_bytes = 1\n",
           {"g.toml:2:16: 'header_bytes' must be from 1KiB to 16MiB, not 1"}},
          {"bounds that keep its memory",
           "[server.limits]\nheader_bytes = \"1TiB\"\n",
           {"g.toml:2:16: 'header_bytes' must be from 1KiB to 16MiB, not 1TiB"}},
          {"renewal all the time",
           "[acme]\nrenew_at = \"0\"\n",
           {"g.toml:2:12: 'renew_at' must be from 0.05 to 0.95, not 0"}},
          {"renewal too late",
           "[acme]\nrenew_at = 1\n",
           {"g.toml:2:12: 'renew_at' must be from 0.05 to 0.95, not 1"}},
          {"bad rate",
           "[acme.on_demand]\nrate = \"20\"\n",
           {"g.toml:2:8: 'rate' cannot be '20': a rate is a number per span of time, like "
            "\"20/1m\""}},
          {"share out of range",
           "[acme]\nrenew_at = \"3/2\"\n",
           {"g.toml:2:12: 'renew_at' cannot be '3/2': a share is from 0 to 1"}},
          {"word",
           "[log]\nlevel = \"wran\"\n",
           {"g.toml:2:9: 'level' cannot be 'wran'; did you mean 'warn'?"}},
          {"word, nothing near",
           "[log]\nlevel = \"loud\"\n",
           {"g.toml:2:9: 'level' cannot be 'loud'; one of: trace, debug, info, warn, error"}},
          {"no field of the access log",
           "[log]\naccess_fields = { drop = [\"clientip\"], hash = \"user_agnet\", redact = [] }\n",
           {"g.toml:2:27: 'drop' cannot be 'clientip'; did you mean 'client_ip'?",
            "g.toml:2:47: 'hash' cannot be 'user_agnet'; did you mean 'user_agent'?"}},
          {"listen as number",
           "[server]\nhttps = 443\n",
           {"g.toml:2:9: 'https' must be a string: write \":443\""}},
          {"listen on a name",
           "[server]\nhttp = \"localhost:80\"\n",
           {"g.toml:2:8: 'http' cannot be 'localhost:80': an address is \":443\", "
            "\"127.0.0.1:443\", \"[::1]:443\", \"unix:/path\" or \"fd:3\""}},
          {"address block",
           "[server]\ntrusted_proxies = [\"private\", \"10.0.0.0/33\"]\n",
           {"g.toml:2:31: 'trusted_proxies' cannot be '10.0.0.0/33': an address block is like "
            "\"10.0.0.0/8\" or \"private\""}},
          {"a DNS server by name",
           "[server]\nresolvers = \"ns1.example.com\"\n",
           {"g.toml:2:13: 'resolvers' cannot be 'ns1.example.com': a DNS server is an address, "
            "like \"192.0.2.53\" or \"[::1]:5353\""}},
          {"a service with a port",
           "[backend.x]\nservers = \"srv+https://_web._tcp.example.com:80\"\n",
           {"g.toml:2:11: 'servers' cannot be 'srv+https://_web._tcp.example.com:80': a service is "
            "a name alone, as in srv+http://_web._tcp.example.com: DNS says which hosts and ports "
            "offer it"}},
          {"a service at an address",
           "[backend.x]\nservers = \"srv+http://192.0.2.1\"\n",
           {"g.toml:2:11: 'servers' cannot be 'srv+http://192.0.2.1': a service is a name alone, "
            "as in srv+http://_web._tcp.example.com: DNS says which hosts and ports offer it"}},
          {"host with port",
           "[[site]]\nhosts = \"a.example:80\"\nbackend = \"unix:/b\"\n",
           {"g.toml:2:9: 'hosts' cannot be 'a.example:80': a host has no port; 'https' and 'http' "
            "say where it is served"}},
          {"inner wildcard",
           "[[site]]\nhosts = \"a.*.example\"\nbackend = \"unix:/b\"\n",
           {"g.toml:2:9: 'hosts' cannot be 'a.*.example': '*' stands for the whole left-most "
            "label, as in \"*.example.com\""}},
          {"server without port",
           "[backend.b]\nservers = \"http://x/y\"\n",
           {"g.toml:2:11: 'servers' cannot be 'http://x/y': a server has no path; add_prefix puts "
            "one before each request's"}},
          {"lower-case method",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\nmethod = \"get\"\n",
           {"g.toml:4:10: 'method' cannot be 'get': methods are case-sensitive: write \"GET\""}},
          {"path",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\npath = \"/a*\"\n",
           {"g.toml:4:8: 'path' cannot be '/a*': '*' stands only at the end, after a '/'"}},
          {"single site table",
           "[site]\nhosts = \"a.example\"\n",
           {"g.toml:1:2: 'site' must be a list of tables: write [[site]]"}},
          {"password in clear",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\nbasic_auth = { users = { a = "
           "\"hunter2\" } }\n",
           {"g.toml:4:30: 'a' is no password hash; 'gatehouse hash-password' makes one"}},
          {"redacted secret",
           "[storage]\nencryption_key = \"<redacted>\"\n",
           {"g.toml:2:18: 'encryption_key' was redacted when this config was printed: write the "
            "secret itself"}},
          {"short master key",
           "[storage]\nencryption_key = \"c2hvcnQ=\"\n",
           {"g.toml:2:18: 'encryption_key' must be 32 bytes in base64"}},
      },
      Features::whole_language);
}

TEST_CASE("each broken rule across keys is told with its place and the way out") {
  check_rows(
      {
          {"no hosts", "[[site]]\nbackend = \"unix:/b\"\n", {"g.toml:1:1: [[site]] needs 'hosts'"}},
          {"host twice",
           "[[site]]\nhosts = [\"a.example\"]\nbackend = \"unix:/b\"\n[[site]]\nhosts = "
           "[\"b.example\", \"A.Example.\"]\nbackend = \"unix:/b\"\n",
           {"g.toml:5:23: host 'a.example' is named twice; first at g.toml:2:10"}},
          {"no answer",
           "[[site]]\nhosts = \"a.example\"\n",
           {"g.toml:1:1: nothing answers here: write one of 'backend', 'redirect', 'respond', "
            "'files'"}},
          {"two answers",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\nredirect = { to = \"/x\" }\n",
           {"g.toml:3:1: 'backend' and 'redirect' cannot both answer one route: keep one"}},
          {"redirect without to",
           "[[site]]\nhosts = \"a.example\"\nredirect = {}\n",
           {"g.toml:3:1: 'redirect' needs 'to'"}},
          {"echo and body",
           "[[site]]\nhosts = \"a.example\"\nrespond = { echo = true, body = \"x\" }\n",
           {"g.toml:3:26: 'echo' writes the body itself: leave 'body' out"}},
          {"unknown backend",
           "[backend.shop]\nservers = \"h:1\"\n[[site]]\nhosts = \"a.example\"\nbackend = "
           "\"shpo\"\n",
           {"g.toml:5:11: 'backend' names no [backend.shpo], and a server is HOST:PORT; did you "
            "mean 'shop'?"}},
          {"backend without servers",
           "[backend.b]\nretries = 1\n",
           {"g.toml:1:10: [backend.b] needs 'servers'"}},
          {"unknown CA",
           "[acme]\nca = [\"letsencrypt\", \"leetsencrypt-staging\"]\n",
           {"g.toml:2:22: 'leetsencrypt-staging' is no built-in CA, and there is no "
            "[acme.issuer.leetsencrypt-staging]; did you mean 'letsencrypt-staging'?"}},
          {"CA wants a binding",
           "[acme]\nca = \"zerossl\"\n",
           {"g.toml:2:1: 'zerossl' wants an account of its own: write [acme.issuer.zerossl] with "
            "eab = { key_id = \"...\", hmac_key = \"...\" }"}},
          {"a CA that is no more",
           "[acme]\nca = [\"letsencrypt\", \"buypass\"]\n",
           {"g.toml:2:22: 'buypass' ended its ACME service in 2025: use one of letsencrypt, "
            "letsencrypt-staging, zerossl, google, google-staging, sslcom, or a CA of your own, "
            "[acme.issuer.NAME]"}},
          {"issuer without directory",
           "[acme.issuer.x]\nstaging = \"https://x/\"\n",
           {"g.toml:1:14: [acme.issuer.x] needs 'directory'"}},
          {"wildcard with acme",
           "[[site]]\nhosts = \"*.a.example\"\nbackend = \"unix:/b\"\n",
           {"g.toml:2:1: '*.a.example' needs the challenge dns-01 or dns-persist-01 with mode = "
            "\"acme\"; mode = \"on_demand\" gets a certificate for each name"}},
          {"every name with acme",
           "[[site]]\nhosts = \"*\"\nbackend = \"unix:/b\"\n",
           {"g.toml:2:1: \"*\" stands for no certain name: use mode = \"on_demand\""}},
          {"open on_demand",
           "[[site]]\nhosts = [\"*\"]\nbackend = \"unix:/b\"\ntls.mode = \"on_demand\"\n",
           {"g.toml:2:10: '*' with mode = \"on_demand\" needs 'allow' or 'ask' in "
            "[acme.on_demand]: else anyone could spend the CA's limits"}},
          {"local name at a public CA",
           "[[site]]\nhosts = \"nas.internal\"\nbackend = \"unix:/b\"\ntls.mode = \"acme\"\n",
           {"g.toml:2:1: 'nas.internal' is a local name, which 'letsencrypt' does not certify: "
            "use mode = \"internal\" or a CA of your own"}},
          {"local and public names",
           "[[site]]\nhosts = [\"a.example\", \"localhost\"]\nbackend = \"unix:/b\"\n",
           {"g.toml:2:23: 'localhost' is a local name and 'a.example' is not: make two sites, or "
            "choose a mode in [site.tls]"}},
          {"passthrough without servers",
           "[[site]]\nhosts = \"a.example\"\ntls.mode = \"passthrough\"\n",
           {"g.toml:3:5: 'mode' passthrough needs 'backend': the servers that end TLS"}},
          {"passthrough that looks into requests",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"b:443\"\nredirect_http = false\n"
           "compress = \"gzip\"\ntls.mode = \"passthrough\"\ntls.min_version = \"1.3\"\n",
           {"g.toml:4:1: 'redirect_http' = false leaves nothing to answer with: mode = "
            "\"passthrough\" has no plain HTTP of its own",
            "g.toml:5:1: 'compress' needs the request, which mode = \"passthrough\" never sees",
            "g.toml:7:5: 'min_version' is the server's own affair with mode = \"passthrough\""}},
          {"passthrough with routes",
           "[[site]]\nhosts = \"a.example\"\ntls.mode = \"passthrough\"\n[[site.route]]\n"
           "path = \"/a\"\nbackend = \"b:443\"\n[[site.route]]\nbackend = \"c:443\"\n",
           {"g.toml:5:1: 'path' needs the request, which mode = \"passthrough\" never sees",
            "g.toml:7:1: mode = \"passthrough\" sees no request that could choose a route: write "
            "'backend' in [[site]] and no [[site.route]]"}},
          {"passthrough to TLS in TLS",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"https://b\"\n"
           "tls.mode = \"passthrough\"\n",
           {"g.toml:3:1: server 'https://b' cannot be passed through to: the client's own TLS goes "
            "there, so write HOST:PORT"}},
          {"passthrough to a backend that speaks HTTP",
           "[backend.b]\nservers = \"b:443\"\nhealth.path = \"/up\"\npolicy = \"path_hash\"\n"
           "[[site]]\nhosts = \"a.example\"\nbackend = \"b\"\ntls.mode = \"passthrough\"\n",
           {"g.toml:3:8: 'health.path' speaks HTTP, and the site 'a.example' with mode = "
            "\"passthrough\" uses this backend",
            "g.toml:4:1: 'policy' speaks HTTP, and the site 'a.example' with mode = "
            "\"passthrough\" uses this backend"}},
          {"client certificates without roots",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\n"
           "tls.client_auth = { mode = \"require\" }\n",
           {"g.toml:4:5: 'client_auth' needs 'roots'"}},
          {"client certificates that are not asked for",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\n"
           "tls.client_auth = { roots = \"/pem\" }\n",
           {"g.toml:4:5: 'client_auth' needs 'mode': \"request\" or \"require\"",
            "g.toml:4:21: 'roots': cannot read '/pem'"}},
          {"client certificates without TLS",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\ntls.mode = \"off\"\n"
           "tls.client_auth = { mode = \"request\", roots = \"/pem\" }\n",
           {"g.toml:5:5: 'client_auth' needs TLS, but tls.mode is \"off\"",
            "g.toml:5:39: 'roots': cannot read '/pem'"}},
          {"a way round client certificates",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\nredirect_http = false\n"
           "tls.client_auth = { mode = \"require\", roots = \"/pem\" }\n",
           {"g.toml:4:1: 'redirect_http' = false cannot serve a site in plain HTTP that requires a "
            "client certificate: leave it out",
            "g.toml:5:39: 'roots': cannot read '/pem'"}},
          {"address by DNS",
           "[[site]]\nhosts = \"203.0.114.1\"\nbackend = \"unix:/b\"\ntls.challenges = "
           "\"dns-01\"\n",
           {"g.toml:2:1: an IP address is proved by http-01 or tls-alpn-01 only"}},
          {"ed25519",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\ntls.key_type = \"ed25519\"\n",
           {"g.toml:4:5: 'key_type' ed25519 is not signed by 'letsencrypt' or any public CA"}},
          {"files without files",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\ntls.mode = \"files\"\n",
           {"g.toml:4:5: 'mode' files needs 'cert'", "g.toml:4:5: 'mode' files needs 'key'"}},
          {"unreadable file",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\ntls = { mode = \"files\", "
           "cert = \"/c\", key = \"/k\" }\n",
           {"g.toml:4:25: 'cert': cannot read '/c'", "g.toml:4:38: 'key': cannot read '/k'"}},
          {"files in another mode",
           "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\ntls.cert = \"/c\"\n",
           {"g.toml:4:5: 'cert' goes with mode = \"files\""}},
          {"one address, two uses",
           "[server]\nhttp = \":8443\"\nhttps = [\":443\", \":8443\"]\n",
           {"g.toml:3:18: address ':8443' cannot serve https: it serves http at g.toml:2:1"}},
          {"address twice",
           "[server]\nhttp = [\":80\", \":80\"]\n",
           {"g.toml:2:16: address ':80' is listed twice"}},
          {"admin on a taken address",
           "[server]\nhttp = \"127.0.0.1:80\"\n[admin]\nlisten = "
           "\"127.0.0.1:80\"\n",
           {"g.toml:4:1: address '127.0.0.1:80' cannot serve the admin API: it serves http at "
            "g.toml:2:1"}},
          {"one address, two uses, one of them by default",
           "[server]\nhttp = \":443\"\n",
           {"g.toml:2:1: address ':443' cannot serve http: it serves https by default"}},
          {"one address of the kernel's choice, two uses",
           "[server]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\n",
           {"g.toml:3:1: address '127.0.0.1:0' cannot serve https: it serves http at g.toml:2:1"}},
          {"one address, two uses, in sites",
           "[[site]]\nhosts = \"a.example\"\nrespond = {}\nhttp = \":8443\"\nhttps = []\n"
           "[[site]]\nhosts = \"b.example\"\nrespond = {}\nhttps = [\":8443\"]\n",
           {"g.toml:9:10: address ':8443' cannot serve https: it serves http at g.toml:4:1"}},
          {"one address in two spellings",
           "[server]\nhttp = [\"[::1]:80\", \"[0:0::1]:80\"]\n",
           {"g.toml:2:21: address '[0:0::1]:80' is '[::1]:80' at g.toml:2:9: write both the same "
            "way"}},
          {"an address beside every address",
           "[server]\nhttps = [\":443\", \"192.0.2.1:443\"]\n",
           {"g.toml:2:18: address '192.0.2.1:443' cannot be had beside ':443' at g.toml:2:10, "
            "which "
            "covers it: keep one of them or change a port"}},
          {"every address beside one, for another use",
           "[server]\nhttp = \"[::1]:8080\"\nhttps = \":8080\"\n",
           {"g.toml:3:1: address ':8080' cannot be had beside '[::1]:8080' at g.toml:2:1, which it "
            "covers: keep one of them or change a port"}},
          {"an IPv4 address beside every IPv4 address",
           "[server]\nhttp = [\"0.0.0.0:80\", \"127.0.0.1:80\"]\n",
           {"g.toml:2:23: address '127.0.0.1:80' cannot be had beside '0.0.0.0:80' at g.toml:2:9, "
            "which covers it: keep one of them or change a port"}},
          {"an IPv4 address in IPv6 clothes",
           "[server]\nhttp = \"[::ffff:127.0.0.1]:80\"\n",
           {"g.toml:2:8: 'http' cannot be '[::ffff:127.0.0.1]:80': write the IPv4 address itself"}},
          {"admin on every address of a listener",
           "[server]\nhttp = \":80\"\n[admin]\nlisten = \"127.0.0.1:80\"\n",
           {"g.toml:4:1: address '127.0.0.1:80' cannot be had beside ':80' at g.toml:2:1, which "
            "covers it: keep one of them or change a port"}},
          {"a listener on the admin socket",
           "[server]\ndata_dir = \"/d\"\nhttp = \"unix:/d/admin.sock\"\n",
           {"g.toml:3:1: address 'unix:/d/admin.sock' cannot serve http: it serves the admin API "
            "by "
            "default"}},
          {"PROXY from nobody",
           "[server]\nproxy_protocol = true\n",
           {"g.toml:2:1: 'proxy_protocol' needs 'trusted_proxies': without them no connection "
            "brings a PROXY header that is believed"}},
          {"nothing to hash by",
           "[backend.a]\nservers = \"h:1\"\npolicy = \"cookie_hash\"\n",
           {"g.toml:3:1: 'cookie_hash' needs 'hash_key': the name of the cookie to go by"}},
          {"a hash key without a hash",
           "[backend.a]\nservers = \"h:1\"\nhash_key = \"X-User\"\n",
           {"g.toml:3:1: 'hash_key' is for the policies header_hash and cookie_hash"}},
          {"no h1", "[server]\nprotocols = \"h2\"\n", {"g.toml:2:1: 'protocols' must hold \"h1\""}},
      },
      Features::whole_language);
}

TEST_CASE("what files, forward_auth and compress are told is looked at word by word") {
  const auto in_route = [](const std::string& line) {
    return problems("[[site]]\nhosts = \"a.example\"\n" + line + "\n", {}, Features::this_version);
  };
  CHECK(in_route("files = { root = \"/srv\", try = [\"{path}\", \"{path}.html\", \"/i.html\"] }") ==
        Strings{});
  CHECK(in_route("files = { index = [] }") == Strings{"g.toml:3:1: 'files' needs 'root'"});
  CHECK(in_route("files = { root = \"/srv\", index = \"a/b\" }") ==
        Strings{"g.toml:3:34: 'index' cannot be 'a/b': an index is the name of a file, like "
                "\"index.html\""});
  CHECK(in_route("files = { root = \"/srv\", try = [\"{path}\", \"i.html\"] }") ==
        Strings{"g.toml:3:43: 'try' cannot be 'i.html': what is tried begins with '/' or {path}"});
  CHECK(in_route("files = { root = \"/srv\", try = \"/{host}/{path}\" }") ==
        Strings{"g.toml:3:32: 'try' cannot be '/{host}/{path}': the only placeholder here is "
                "{path}"});
  CHECK(in_route("files = { root = \"/srv\", try = \"/../x\" }") ==
        Strings{"g.toml:3:32: 'try' cannot be '/../x': no '.' or '..' may stand between slashes"});
  CHECK(in_route("backend = \"unix:/b\"\nforward_auth = { copy = \"X-User\" }") ==
        Strings{"g.toml:4:1: 'forward_auth' needs 'url'"});
  CHECK(in_route("backend = \"unix:/b\"\n"
                 "forward_auth = { url = \"http://a/\", copy = [\"X-User\", \"Connection\"] }") ==
        Strings{"g.toml:4:55: 'copy' cannot be 'Connection': this field is about the connection "
                "to a server, and not to be copied"});
  CHECK(in_route("backend = \"unix:/b\"\nforward_auth.url = \"ftp://a/\"").size() == 1);
  CHECK(in_route("backend = \"unix:/b\"\ncompress = [\"br\", \"deflate\"]").size() == 1);
}

TEST_CASE("a key of a feature that does not exist yet is refused, and its off value is not") {
  const auto in_site = [](const std::string& line) {
    return problems(good_site + line + "\n", {}, Features::this_version);
  };
  CHECK(in_site("tls.must_staple = true") ==
        Strings{"g.toml:4:5: 'must_staple': OCSP must-staple is not available in this version"});
  CHECK(in_site("tls.alpn = [\"h2\", \"http/1.1\"]").empty());
  CHECK(in_site("[server]\nprotocols = [\"h1\", \"h2\"]").empty());
  CHECK(in_site("[server]\nprotocols = [\"h1\", \"h3\"]") ==
        Strings{"g.toml:5:1: 'protocols': HTTP/3 is not available in this version"});
  CHECK(in_site("[acme.dns.x]\nzones = \"example\"\nprovider = \"exec\"\ncommand = \"/x\"") ==
        Strings{"g.toml:4:7: 'dns': the DNS challenges are not available in this version"});
  CHECK(in_site("[backend.x]\nservers = \"h2c://h:1\"").empty());
  CHECK(in_site("[backend.x]\nservers = \"srv+http://h\"").empty());
  CHECK(in_site("[docker]\nenabled = true") ==
        Strings{"g.toml:4:2: 'docker': sites from containers are not available in this version"});
  CHECK(in_site("[server]\nlean_records = false").empty());
  CHECK(in_site("[docker]\nenabled = false").empty());
  CHECK(in_site("[acme]\npreflight = \"off\"").empty());
  CHECK(in_site("[acme]\npreflight = \"warn\"").size() == 1);
}

TEST_CASE("mistakes in a route are told with their place and the way out") {
  struct Mistake {
    const char* what;
    const char* line;  // the site's fourth
    const char* told;  // without file and line
  };
  const std::vector<Mistake> rows = {
      {"an expression in a list of paths", R"x(path = ["/a", "~ ^/b("])x",
       "15: 'path' cannot be '~ ^/b(': no regular expression: missing ): ^/b("},
      {"nothing after the mark", R"x(path = "~ ")x",
       "8: 'path' cannot be '~ ': a regular expression follows the '~'"},
      {"an expression for a field", R"x(header = { "X-A" = "1", "Accept" = "~ [z-a]" })x",
       "36: 'Accept' cannot be '~ [z-a]': no regular expression: invalid character class range: "
       "z-a"},
      {"a field that routes do not see", R"x(header = { "content-length" = "0" })x",
       "12: 'content-length' tells where a message ends and is not seen by routes"},
      {"an expression for a parameter", R"x(query = { page = "~ *" })x",
       "18: 'page' cannot be '~ *': no regular expression: no argument for repetition operator: *"},
      {"an address block", R"x(allow = ["10.0.0.0/8", "10.0.0.0/40"])x",
       "24: 'allow' cannot be '10.0.0.0/40': an address block is like \"10.0.0.0/8\" or "
       "\"private\""},
      {"no number of requests", R"x(rate_limit = { per = "1s" })x",
       "1: 'rate_limit' needs 'requests'"},
      {"an unknown key of a limit", R"x(rate_limit = { requests = 1, key = "cookie" })x",
       "36: 'key' cannot be 'cookie': requests are counted by client_ip, host or header:NAME"},
      {"a hash that crypt(3) cannot check",
       R"x(basic_auth = { users = { a = "$argon2id$v=19$x" } })x",
       "30: 'a' is a hash that this system's crypt(3) cannot check ($argon2id$); 'gatehouse "
       "hash-password' makes one that it can"},
      {"a hash that was cut short", R"x(basic_auth = { users = { a = "$2b$04$abcdefghijk" } })x",
       "30: 'a' is a password hash that is not whole"},
      {"a prefix with a query", R"x(add_prefix = "/a?b=")x",
       "14: 'add_prefix' cannot be '/a?b=': a path begins with '/' and has no '*', query, fragment "
       "or space"},
      {"an expression to rewrite by", R"x(rewrite = { match = "(", to = "/" })x",
       "21: 'match' cannot be '(': no regular expression: missing ): ("},
      {"a group that is not there", R"x(rewrite = { match = "^/(a)", to = "/$1/$2" })x",
       "30: 'to' names $2, and 'match' has 1 group"},
      {"a target with a space", R"x(rewrite = { match = "a", to = "/a b" })x",
       "31: 'to' cannot be '/a b': a path and query as they are sent: no space, fragment or raw "
       "octets"},
      {"a field of the connection", R"x(request_headers = { set = { "Connection" = "close" } })x",
       "29: 'Connection' belongs to one connection or to framing: Gatehouse writes it itself"},
      {"framing", R"x(response_headers = { remove = ["Server", "content-length"] })x",
       "42: 'remove' belongs to one connection or to framing: Gatehouse writes it itself"},
      {"a second Host", R"x(request_headers = { add = { Host = "b" } })x",
       "29: 'Host' stands once in every request: 'set' gives it another value"},
      {"Host of an answer", R"x(response_headers = { set = { Host = "b" } })x",
       "30: 'Host' is a field of requests only"},
      {"two lines in a value", R"x(response_headers = { set = { "X-A" = "a\r\nb" } })x",
       "38: 'X-A' must not hold control characters"},
      {"an error page that is not there", R"x(errors = { "404" = "/no", "502" = "/page" })x",
       "20: '404': cannot read '/no'"},
      {"an error page that is too large", R"x(errors = { "5xx" = "/large" })x",
       "20: '5xx': '/large' has more than 1 MiB"},
      {"an error page for no error", R"x(errors = { "200" = "/page" })x",
       "12: '200' cannot be '200': error pages are for statuses from 400 on"},
      {"hsts without TLS", R"x(tls = { mode = "off", hsts = "1y" })x",
       "23: 'hsts' is told over TLS only, and this site has none"},
      {"hsts that no browser preloads", R"x(tls.hsts = "30d; includeSubDomains; preload")x",
       "12: 'hsts' cannot be '30d; includeSubDomains; preload': browsers preload only with "
       "includeSubDomains and at least 1y"},
  };
  Machine machine;
  machine.files["/page"] = "<h1>";
  machine.files["/large"] = std::string(most_error_page_bytes + 1, 'x');
  for (const Mistake& row : rows) {
    INFO(std::string(row.what));
    const auto told = problems(good_site + std::string(row.line) + "\n", machine);
    REQUIRE(told.size() == 1);
    CHECK(told[0] == std::string("g.toml:4:") + row.told);
  }
  for (const char* good :
       {R"x(request_headers = { set = { Host = "b" } })x", R"x(errors = { "502" = "/page" })x",
        R"x(rewrite = { match = "a(b)", to = "/$0$1$?x=$1" })x",
        R"x(header = { Accept = "~ json" })x", R"x(query = { a = "" })x",
        R"x(tls.hsts = "2y; includeSubDomains; preload")x", R"x(path = ["~ ^/b(c|d)"])x"}) {
    INFO(std::string(good));
    for (const std::string& told :
         problems(good_site + std::string(good) + "\n", machine, Features::this_version)) {
      CHECK(told == "");
    }
  }
}

TEST_CASE("addresses that can be had side by side are left alone") {
  const auto with = [](const std::string& server, const std::string& site) {
    return problems("[server]\n" + server + "\n" + good_site + site + "\n");
  };
  CHECK(with("http = [\"0.0.0.0:80\", \"[::]:80\"]", "").empty());
  CHECK(with("http = [\"127.0.0.1:80\", \"127.0.0.2:80\", \"[::1]:80\"]", "").empty());
  CHECK(
      with("http = [\"127.0.0.1:0\", \"[::1]:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"", "").empty());
  // Nobody is served by [server]'s list, so it is not opened.
  CHECK(with("", "https = \"192.0.2.1:443\"").empty());
  CHECK(with("http = []", "https = []\nhttp = \":443\"").empty());
  // Two sites may share a listener.
  CHECK(
      with("", "http = \":8080\"\n[[site]]\nhosts = \"b.example\"\nrespond = {}\nhttp = \":8080\"")
          .empty());
}

TEST_CASE("all problems come in one run, in the order of the text") {
  CHECK(problems("[server]\nworkers = \"x\"\nuzer = \"\"\n[log]\nlevel = 3\n") ==
        Strings{"g.toml:2:11: 'workers' must be a whole number, not a string",
                "g.toml:3:1: unknown key 'uzer' in [server]; did you mean 'user'?",
                "g.toml:5:9: 'level' must be a string, not a whole number"});
}

TEST_CASE("a CA of one's own may certify local names on demand") {
  CHECK(
      problems("[acme]\nca = \"p\"\n[acme.issuer.p]\ndirectory = \"https://127.0.0.1:14000/dir\"\n"
               "[acme.on_demand]\nallow = \"*.localhost\"\n[[site]]\nhosts = \"*.localhost\"\n"
               "respond = { echo = true }\ntls.mode = \"on_demand\"\n",
               {}, Features::this_version)
          .empty());
}

}  // namespace
}  // namespace gatehouse::config::errors_test
