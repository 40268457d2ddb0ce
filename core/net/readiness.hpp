#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/asio.hpp"
#include "core/base/kept_handler.hpp"
#include "core/net/stream.hpp"

namespace gatehouse::net {

/// Tells the sockets of one io_context when they may move again. It is an epoll set of its own,
/// looked at when the io_context says that something is in it. A socket enters once and for all
/// (edge-triggered), so that a wait costs no system call, where Asio's own costs one each time;
/// and what has come for a socket is known before anyone waits for it. There is one for each
/// io_context, used on its thread only.
class Readiness final : public asio::execution_context::service {
 public:
  static asio::execution_context::id id;
  enum class End : std::uint8_t { ready, given_up };
  class Watch;

  explicit Readiness(asio::execution_context& context);
  ~Readiness() override;
  /// That of the io_context behind `executor`.
  static Readiness& of(const asio::any_io_executor& executor);

 private:
  using Waiter = KeptHandler<End>;
  struct Place {
    Watch* watch = nullptr;
    std::uint32_t turn = 0;  // of the sockets that had this place: events of an older one are void
  };

  void shutdown() override;
  std::uint64_t enter(Watch& watch);
  void leave(std::uint64_t ticket);
  Watch* find(std::uint64_t ticket) const;
  void began_waiting();
  void ended_waiting();
  void arm();
  void deliver();
  void go_on();

  asio::io_context& context_;
  int set_ = -1;
  asio::posix::stream_descriptor inbox_;  // `set_`, as the io_context sees it
  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
  std::size_t waiting_ = 0;
  bool armed_ = false;
  bool told_all_ =
      false;  // by the last look at the set, and it is looked at whenever something comes
  // What came and was not told yet.
  std::vector<std::uint64_t> due_;
  std::size_t told_ = 0;
};

/// One socket. Enters with its descriptor, which is to be non-blocking, and leaves before that is
/// closed. Whoever moves octets says how that ended.
class Readiness::Watch {
 public:
  Watch(Readiness& readiness, int descriptor);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { leave(); }
  /// Who waits is given up. May be called twice.
  void leave();

  /// There was not as much as was asked for: nothing is left, except that the end is to be read.
  void ran_dry() { dry_ = !ended_, came_ = ended_; }
  /// Something is there, however that was found out.
  void found() { dry_ = false, came_ = true; }
  /// It took nothing.
  void ran_full() { takes_ = false; }

  /// A read would say "not yet".
  bool dry() const { return dry_; }
  /// Nothing was seen of anything to be read.
  bool nothing_came() const { return !came_; }
  /// All was read, and nothing had come since when the set was looked at last, which was when
  /// something came for anybody.
  bool known_dry() const { return dry_ && !came_ && readiness_.told_all_; }
  bool ready(Want want) const { return want == Want::read ? came_ : takes_; }

  /// Completes when the direction is ready. Requires: it is not, and nobody waits for it.
  auto wait(Want want) {
    return asio::async_initiate<const asio::deferred_t, void(End)>(Start{this, want},
                                                                   asio::deferred);
  }
  /// The same for a function of an End that moves, but is not copied. Called soon where the
  /// direction is ready already.
  template <class Call>
  void tell(Want want, Call call) {
    if (ready(want)) {
      asio::post(readiness_.context_,
                 [call = std::move(call)]() mutable { std::move(call)(End::ready); });
    } else {
      Start{this, want}(std::move(call));
    }
  }
  /// Completes the wait, if there is one, soon.
  void give_up(Want want);

 private:
  friend class Readiness;
  struct Start {
    Watch* watch;
    Want want;
    template <class Handler>
    void operator()(Handler&& handler) const {
      auto slot = asio::get_associated_cancellation_slot(handler);
      watch->waiter(want).put(std::forward<Handler>(handler));
      watch->readiness_.began_waiting();
      if (slot.is_connected()) slot.template emplace<GiveUp>(watch, want);
    }
  };
  struct GiveUp {
    GiveUp(Watch* socket, Want direction) : watch(socket), want(direction) {}
    void operator()(asio::cancellation_type) const { watch->give_up(want); }
    Watch* watch;
    Want want;
  };
  Waiter& waiter(Want want) { return want == Want::read ? reader_ : writer_; }
  void mark(std::uint32_t events);

  Readiness& readiness_;
  std::uint64_t ticket_ = 0;  // 0: it has left
  Waiter reader_;
  Waiter writer_;
  bool dry_ = false;
  bool came_ = false;
  bool ended_ = false;  // the peer's side is over: no further edge will tell
  bool takes_ = true;
};

}  // namespace gatehouse::net
