#pragma once

namespace gatehouse::tls::detail {

/// What OpenSSL gives back to the heap on this thread while one lives is wiped first. OpenSSL wipes
/// most of its secrets itself, but not those that lie in an SSL (the traffic secrets of TLS 1.3 and
/// the exporter's), nor what it seals into a ticket (a session's secret): they would stay where
/// they were, for whoever can read that memory later.
class WipedMemory {
 public:
  enum class From : bool { now, asked };
  /// `asked`: from ask() until enough(), because most of what is given back is nothing secret.
  explicit WipedMemory(From from = From::now);
  WipedMemory(const WipedMemory&) = delete;
  WipedMemory& operator=(const WipedMemory&) = delete;
  ~WipedMemory();

  // Nothing where none lives.
  static void ask();
  static void enough();
};

}  // namespace gatehouse::tls::detail
