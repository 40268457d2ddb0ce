#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/base/kept_handler.hpp"
#include "core/http/h2_server.hpp"
#include "core/net/crew.hpp"
#include "core/net/deadline_wheel.hpp"
#include "proxy/serve/detail/transaction.hpp"
#include "proxy/serve/live_connections.hpp"

namespace gatehouse::serve::detail {

/// The transactions of one HTTP/2 connection. To begin a coroutine costs more than most of what is
/// done for a request, so one that has carried a request waits for the next. Those that wait go
/// home once the connection has been idle for a while, which holds none of them then.
class Streams final : public http::H2Road {
 public:
  using Make = std::function<std::unique_ptr<Transaction>()>;
  Streams(Worker& worker, LiveConnections::Place& place, Make make);
  ~Streams() override;

  void request(std::unique_ptr<http::ServerExchange> exchange) override;
  void refused(const http::Refusal& refusal) override;
  /// From here on nobody waits for another request. Then await under_way().gone().
  void finish();
  net::Crew& under_way() { return under_way_; }

 private:
  static constexpr std::size_t most_waiting = 64;
  static constexpr std::chrono::seconds patience{1};
  enum class Call : std::uint8_t { carry, go_home };

  /// A coroutine of ours, for as long as it lives.
  struct Carrier {
    std::unique_ptr<http::ServerExchange> next;
    KeptHandler<Call> waits;
  };
  struct Wait;
  struct Busy;

  awaitable<void> carry(std::unique_ptr<http::ServerExchange> first);
  void leave(Carrier& carrier);
  void send_home();
  static void idle(void* self) noexcept;

  Worker& worker_;
  LiveConnections::Place& place_;
  Make make_;
  net::Crew under_way_;
  std::size_t busy_ = 0;           // so many of them carry a request
  std::vector<Carrier*> waiting_;  // those that carry none
  bool finished_ = false;
  net::DeadlineWheel::Entry idle_;
};

}  // namespace gatehouse::serve::detail
