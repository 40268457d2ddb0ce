#include "core/http/field_name.hpp"

#include <doctest/doctest.h>

#include <string>

#include "core/base/bytes.hpp"

namespace field_name_test {

using gatehouse::http::field_name;
using gatehouse::http::FieldName;
using gatehouse::http::FieldNames;

TEST_CASE("a name is known in either case, and only as a whole") {
  struct Row {
    std::string name;
    FieldName which;
  };
  const Row rows[] = {{"Alt-Svc", FieldName::alt_svc},
                      {"Authorization", FieldName::authorization},
                      {"Client-Cert", FieldName::client_cert},
                      {"Client-Cert-Chain", FieldName::client_cert},
                      {"Connection", FieldName::connection},
                      {"Content-Length", FieldName::content_length},
                      {"Cookie", FieldName::cookie},
                      {"Date", FieldName::date},
                      {"Expect", FieldName::expect},
                      {"Forwarded", FieldName::forwarded},
                      {"Host", FieldName::host},
                      {"HTTP2-Settings", FieldName::http2_settings},
                      {"Keep-Alive", FieldName::keep_alive},
                      {"Proxy", FieldName::proxy},
                      {"Proxy-Authenticate", FieldName::proxy_authenticate},
                      {"Proxy-Authentication-Info", FieldName::proxy_authentication_info},
                      {"Proxy-Authorization", FieldName::proxy_authorization},
                      {"Proxy-Connection", FieldName::proxy_connection},
                      {"Referer", FieldName::referer},
                      {"Set-Cookie", FieldName::set_cookie},
                      {"TE", FieldName::te},
                      {"Trailer", FieldName::trailer},
                      {"Transfer-Encoding", FieldName::transfer_encoding},
                      {"Upgrade", FieldName::upgrade},
                      {"User-Agent", FieldName::user_agent},
                      {"Via", FieldName::via},
                      {"WWW-Authenticate", FieldName::www_authenticate},
                      {"X-Client-Verify", FieldName::client_cert},
                      {"X-Real-IP", FieldName::x_real_ip},
                      {"X-Request-Id", FieldName::x_request_id}};
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(field_name(row.name) == row.which);
    CHECK(field_name(gatehouse::to_lower(row.name)) == row.which);
    for (std::size_t i = 0; i < row.name.size(); ++i) {
      std::string other = row.name;
      other[i] = other[i] == 'q' ? 'z' : 'q';
      CHECK(field_name(other) == FieldName::other);
    }
    if (row.name != "Client-Cert") CHECK(field_name(row.name + "x") == FieldName::other);
  }
}

TEST_CASE("families are known by how their names begin") {
  CHECK(field_name("X-Forwarded-For") == FieldName::x_forwarded);
  CHECK(field_name("x-forwarded-") == FieldName::x_forwarded);
  CHECK(field_name("x-forwarded") == FieldName::other);
  CHECK(field_name("X-ACCEL-redirect") == FieldName::x_accel);
  CHECK(field_name("x-client-certificate") == FieldName::client_cert);
  CHECK(field_name("x-client") == FieldName::other);
  CHECK(field_name("x") == FieldName::other);
}

TEST_CASE("a '_' may stand for a '-', whatever the name begins with") {
  CHECK(field_name("content_length") == FieldName::underscored);
  CHECK(field_name("x-forwarded-for_") == FieldName::underscored);
  CHECK(field_name("_") == FieldName::underscored);
}

TEST_CASE("no octets are a name of their own") {
  CHECK(field_name("") == FieldName::other);
  CHECK(field_name(std::string(5000, 'x')) == FieldName::other);
  CHECK(field_name("\xFF\x80\xA1") == FieldName::other);
}

TEST_CASE("a set has what was put into it") {
  constexpr FieldNames set = {FieldName::via, FieldName::te};
  CHECK(set.has(FieldName::via));
  CHECK_FALSE(set.has(FieldName::host));
  CHECK(set.has_any({FieldName::host, FieldName::te}));
  CHECK_FALSE(set.has_any({FieldName::host}));
  CHECK_FALSE(set.has_any({}));
  CHECK((set | FieldNames{FieldName::host}).has(FieldName::host));
}

}  // namespace field_name_test
