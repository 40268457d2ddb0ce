#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/model.hpp"
#include "core/base/error.hpp"

/// The small languages inside strings. Every parse_… gives the value in its normal form or an
/// error whose detail continues the sentence "'KEY' …".
namespace gatehouse::config::detail {

/// "… cannot be 'TEXT': WANTED"
Error wrong(std::string_view text, std::string_view wanted);

Result<Duration> parse_duration(std::string_view text);
std::string write_duration(Duration span);
Result<std::uint64_t> parse_size(std::string_view text);
std::string write_size(std::uint64_t bytes);
Result<Rate> parse_rate(std::string_view text);
std::string write_rate(const Rate& rate);
/// "2/3", "0.5" or "50%", from 0 to 1.
Result<double> parse_share(std::string_view text);
std::string write_fraction(double share);
std::string write_percent(double share);

Result<Listen> parse_listen(std::string_view text);
Result<BackendServer> parse_server(std::string_view text);
/// ADDRESS or ADDRESS:PORT of a DNS server; always with its port.
Result<std::string> parse_resolver(std::string_view text);

/// A site's host: name (U-labels become A-labels), `*.parent`, `*`, or an IP address.
Result<std::string> parse_site_host(std::string_view text);
/// A pattern of [acme.on_demand] allow: the same forms.
Result<std::string> parse_block(std::string_view text);  // CIDR or "private"
Result<std::string> parse_path(std::string_view text);
Result<std::string> parse_prefix(std::string_view text);
Result<std::string> parse_index(std::string_view text);
Result<std::string> parse_try(std::string_view text);
Result<std::string> parse_copied_field(std::string_view text);
Result<std::string> parse_expression(std::string_view text);   // RE2
Result<std::string> parse_match_value(std::string_view text);  // a text or "~ EXPRESSION"
Result<std::string> parse_match_field(std::string_view text);  // a field that routes can see
Result<std::string> parse_rewrite_to(std::string_view text);
Result<std::string> parse_token(std::string_view text);  // method, field name (RFC 9110 §5.6.2)
/// Fields that header edits may name: none of framing or of one connection only. A request's Host
/// may be set.
Result<std::string> parse_request_edit(std::string_view text);
Result<std::string> parse_request_set(std::string_view text);
Result<std::string> parse_answer_edit(std::string_view text);
Result<std::string> parse_method(std::string_view text);
Result<std::string> parse_http_url(std::string_view text);
Result<std::string> parse_admin_listen(std::string_view text);
Result<std::string> parse_metrics_listen(std::string_view text);
Result<std::string> parse_hsts(std::string_view text);
Result<std::string> parse_status_range(std::string_view text);
Result<std::string> parse_error_status(std::string_view text);  // 400 and above
Result<std::string> parse_file_name(std::string_view text);
Result<std::string> parse_file_mode(std::string_view text);
Result<std::string> parse_password_hash(std::string_view text);
Result<std::string> parse_master_key(std::string_view text);
Result<std::string> parse_hmac_key(std::string_view text);
Result<std::string> parse_days(std::string_view text);
Result<std::string> parse_time_of_day(std::string_view text);
Result<std::string> parse_socket(std::string_view text);
Result<std::string> parse_limit_key(std::string_view text);
Result<std::string> parse_field_value(std::string_view text);

/// The shortest text that reads as that number again.
std::string write_number(double number);
/// A TOML basic string.
std::string in_quotes(std::string_view text);
/// A key, quoted where it must be.
std::string quoted_key(std::string_view key);

}  // namespace gatehouse::config::detail
