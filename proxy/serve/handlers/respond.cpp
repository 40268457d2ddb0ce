#include "proxy/serve/handlers/respond.hpp"

#include <utility>
#include <vector>

#include "core/http/reason.hpp"

namespace gatehouse::serve {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view html_head =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\"><title>Gatehouse</title><style>"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:3rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td{padding:.25rem .75rem .25rem 0;"
    "border-bottom:1px solid #8884;vertical-align:top;overflow-wrap:anywhere}"
    "td:first-child{white-space:nowrap;opacity:.7}code{font-size:.95em}"
    "@media(prefers-color-scheme:dark){body{background:#16181c;color:#e6e6e6}}"
    "</style></head><body><h1>Gatehouse works</h1>"
    "<p>This page is built in. It shows the request as it arrived.</p>";

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string request_line(const http::RequestHead& request) {
  std::string line(request.method);
  line.append(" ").append(request.path);
  if (request.has_query) line.append("?").append(request.query);
  return line.append(" ").append(http::version_text(request.version));
}

Rows connection_rows(const RequestFacts& facts) {
  Rows rows;
  rows.emplace_back("client", facts.client_ip.to_string());
  if (facts.client_ip != facts.peer) rows.emplace_back("through", facts.peer.to_string());
  if (facts.tls == nullptr) {
    rows.emplace_back("tls", "none");
  } else {
    std::string session(facts.tls->version);
    session.append(", ").append(facts.tls->cipher);
    rows.emplace_back("tls", session + (facts.tls->resumed ? ", resumed" : ""));
    rows.emplace_back("server name", facts.tls->sni.empty() ? "none" : facts.tls->sni);
  }
  if (facts.site) rows.emplace_back("site", facts.site->name);
  rows.emplace_back("request id", std::string(facts.id));
  rows.emplace_back("served by", "Gatehouse");
  return rows;
}

Rows field_rows(const http::RequestHead& request) {
  Rows rows;
  if (!request.authority.empty()) rows.emplace_back("Host", std::string(request.authority));
  for (const http::Field& field : request.fields) rows.emplace_back(field.name, field.value);
  return rows;
}

void add_text(std::string& out, const Rows& rows) {
  for (const auto& [name, value] : rows) out.append(name).append(": ").append(value).append("\n");
}

void add_table(std::string& out, const Rows& rows) {
  out += "<table>";
  for (const auto& [name, value] : rows) {
    out += "<tr><td>" + html_escaped(name) + "</td><td><code>" + html_escaped(value) +
           "</code></td></tr>";
  }
  out += "</table>";
}

}  // namespace

EchoPage EchoPage::of(const http::RequestHead& request, const RequestFacts& facts) {
  EchoPage page;
  const auto accept = request.fields.find("Accept");
  if (accept && accept->find("text/html") != std::string_view::npos) {
    page.type = "text/html; charset=utf-8";
    page.body = html_head;
    page.body += "<h2><code>" + html_escaped(request_line(request)) + "</code></h2>";
    add_table(page.body, field_rows(request));
    page.body += "<h2>Connection</h2>";
    add_table(page.body, connection_rows(facts));
    page.body += "</body></html>\n";
    return page;
  }
  page.type = "text/plain; charset=utf-8";
  page.body = request_line(request) + "\n";
  add_text(page.body, field_rows(request));
  page.body += "\n";
  add_text(page.body, connection_rows(facts));
  return page;
}

awaitable<void> send_respond(http::ServerExchange& exchange, RequestFacts& facts,
                             const config::Respond& respond) {
  EchoPage echo;
  if (respond.echo) echo = EchoPage::of(exchange.request(), facts);
  const std::string& body = respond.echo ? echo.body : respond.body;
  http::ResponseHead head;
  head.status = respond.status;
  head.reason = http::reason_phrase(respond.status);
  head.length = http::BodyLength::counted(body.size());
  const std::string& type = respond.echo ? echo.type : respond.type;
  if (!body.empty() && !type.empty()) head.fields.add("Content-Type", type);
  if (respond.echo) {
    // The page repeats what the client sent: nobody may keep it, no browser may guess its type.
    head.fields.add("Cache-Control", "no-store");
    head.fields.add("X-Content-Type-Options", "nosniff");
    head.fields.add("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
  }
  facts.status = respond.status;
  const auto begun = co_await exchange.send_head(head);
  if (!begun) co_return;
  co_await exchange.send_body(body, http::End::last);
}

}  // namespace gatehouse::serve
