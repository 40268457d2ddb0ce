#pragma once

#include <functional>

#include "config/detail/book.hpp"

namespace gatehouse::config::detail {

/// The parts of check(), each over the whole config; they share nothing but the book.
void check_listeners(const Config& config, Book& book);
void check_backends(const Config& config, Book& book, const Surroundings& around);
void check_acme(const Config& config, Book& book, const Surroundings& around);
void check_site_tls(const Config& config, Book& book, const Surroundings& around);
void check_routes(const Config& config, Book& book, const Surroundings& around);
void check_passthrough(const Config& config, Book& book);

/// True for names and addresses that no public CA certifies; a wildcard is as local as the names
/// it stands for.
bool is_local_site_host(const std::string& host);

std::string site_path(std::size_t site);
std::string where(const Position& at);  // FILE:LINE:COL

/// Tells when a file that `key` below the path `table` names cannot be read.
void want_readable(const std::string& file, const std::string& table, std::string_view key,
                   Book& book, const Surroundings& around);
/// What is wrong with a value; empty when nothing is. It may be left out, and finds nothing then.
using Judge = std::function<std::string(const std::string& value)>;
/// The same, and what `wrong` has against a file that can be read.
void want_sound(const std::string& file, const std::string& table, std::string_view key,
                const Judge& wrong, Book& book, const Surroundings& around);

}  // namespace gatehouse::config::detail
