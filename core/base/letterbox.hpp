#pragma once

#include <atomic>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <memory>
#include <utility>

#include "core/base/asio.hpp"

namespace gatehouse {

/// What other threads want done on the thread of an io_context, handed over without a lock.
///
/// Asio's post() wakes the other thread while it holds the lock that this one takes first. Where
/// both share a CPU, and who posts gives way to others (give_way()), the thread that serves waits
/// then for everybody who gives way as well: milliseconds, in which no request goes on.
///
/// As with post(), the context outlives whoever hands over to it.
class Letterbox final : public boost::asio::execution_context::service {
 public:
  static boost::asio::execution_context::id id;

  explicit Letterbox(boost::asio::execution_context& context);
  ~Letterbox() override;

  /// Opens that of `context`, whose run() does not end by itself from then on. On its thread, or
  /// before it has one.
  static void open(asio::io_context& context);
  /// Null: there is none, as with most contexts. Any thread.
  static Letterbox* of(boost::asio::execution_context& context);

  class Letter {
   public:
    Letter() = default;
    Letter(const Letter&) = delete;
    Letter& operator=(const Letter&) = delete;
    virtual ~Letter() = default;
    virtual void open() = 0;

   private:
    friend class Letterbox;
    Letter* below_ = nullptr;
  };
  /// Opened on the context's thread, in the order of their coming; dropped when the context ends.
  /// Any thread.
  void put(std::unique_ptr<Letter> letter);

 private:
  void shutdown() override;
  void wait();
  void collect();
  void open_all();
  static void drop(Letter* letter);

  asio::io_context& context_;
  boost::asio::posix::stream_descriptor bell_;  // an eventfd
  const int bell_fd_;                           // the same, for other threads
  std::atomic<Letter*> latest_{nullptr};
  Letter* next_ = nullptr;  // collected, the oldest first
};

/// Runs `function`, which may be for moving only, on the thread of `executor`, soon.
template <class Executor, class Function>
void hand_over(const Executor& executor, Function function) {
  struct Sealed final : Letterbox::Letter {
    explicit Sealed(Function&& inside) : function(std::move(inside)) {}
    void open() override { std::move(function)(); }
    Function function;
  };
  Letterbox* const box = Letterbox::of(asio::query(executor, asio::execution::context));
  if (box != nullptr) {
    box->put(std::make_unique<Sealed>(std::move(function)));
  } else {
    asio::post(executor, std::move(function));
  }
}

}  // namespace gatehouse
