#pragma once

#include <boost/asio/post.hpp>
#include <cassert>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "core/base/asio.hpp"

namespace gatehouse {

/// A completion handler that waits in place, to be called with a `What`: where one waits at a time,
/// that takes no memory, no lock and no queue. One thread.
template <class What>
class KeptHandler {
 public:
  KeptHandler() = default;
  KeptHandler(const KeptHandler&) = delete;
  KeptHandler& operator=(const KeptHandler&) = delete;
  ~KeptHandler() { drop(); }

  bool there() const { return finish_ != nullptr; }
  /// Requires: !there().
  template <class Handler>
  void put(Handler handler) {
    assert(!there());
    static_assert(sizeof(Handler) <= room_bytes && alignof(Handler) <= alignof(void*));
    ::new (static_cast<void*>(room_)) Handler(std::move(handler));
    finish_ = [](KeptHandler& self, asio::io_context* later, What what) {
      auto* const held = std::launder(reinterpret_cast<Handler*>(self.room_));
      Handler taken(std::move(*held));
      held->~Handler();
      self.finish_ = nullptr;
      if (later == nullptr) {
        std::move(taken)(what);
      } else {
        asio::post(*later, [taken = std::move(taken), what]() mutable { std::move(taken)(what); });
      }
    };
    drop_ = [](KeptHandler& self) {
      auto* const held = std::launder(reinterpret_cast<Handler*>(self.room_));
      [[maybe_unused]] const Handler taken(
          std::move(*held));  // what dies with it may come back here
      held->~Handler();
      self.finish_ = nullptr;
    };
  }
  /// Here and now. Requires: there().
  void finish(What what) { finish_(*this, nullptr, what); }
  void finish_later(asio::io_context& context, What what) { finish_(*this, &context, what); }
  /// It is never called, and dies.
  void drop() {
    if (there()) drop_(*this);
  }

 private:
  static_assert(std::is_trivially_copyable_v<What>);
  static constexpr std::size_t room_bytes = 6 * sizeof(void*);
  alignas(void*) std::byte room_[room_bytes];
  void (*finish_)(KeptHandler&, asio::io_context*, What) = nullptr;
  void (*drop_)(KeptHandler&) = nullptr;
};

}  // namespace gatehouse
