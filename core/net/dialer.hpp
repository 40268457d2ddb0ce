#pragma once

#include <memory>
#include <string>

#include "core/net/resolver.hpp"
#include "core/net/socket_stream.hpp"

namespace gatehouse::net {

/// Where a connection goes: a host and port, or a unix socket's path.
struct Target {
  std::string host;  // name or IP literal; empty for unix
  std::uint16_t port = 0;
  std::string unix_path;

  std::string text() const;
};

/// Opens plain connections. `dial` may be called on the worker whose wheel is handed in; the stream
/// belongs to that worker.
class Dialer {
 public:
  virtual ~Dialer() = default;
  /// Tries the target's addresses in order until `deadline`, each for its share of the time that is
  /// left. Errors say "dial HOST:PORT: …" and are Fault::refused or Fault::timeout: nothing was
  /// sent.
  virtual awaitable<Result<std::unique_ptr<Stream>>> dial(Target target, Steady deadline,
                                                          DeadlineWheel& wheel, Side side) = 0;
};

class SystemDialer final : public Dialer {
 public:
  SystemDialer(Clock& clock, Resolver& resolver) : clock_(clock), resolver_(resolver) {}
  awaitable<Result<std::unique_ptr<Stream>>> dial(Target target, Steady deadline,
                                                  DeadlineWheel& wheel, Side side) override;

 private:
  Clock& clock_;
  Resolver& resolver_;
};

}  // namespace gatehouse::net
