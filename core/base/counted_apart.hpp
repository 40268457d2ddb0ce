#pragma once

#include <memory>

namespace gatehouse {

/// One cell per worker, read and replaced on that worker only: a request takes the current value
/// without a lock and keeps it to its end. Reference counts stay on the worker's core, because
/// each cell has a control block of its own around the shared value.
template <class T>
class WorkerCell {
 public:
  using Held = std::shared_ptr<const std::shared_ptr<const T>>;

  void put(std::shared_ptr<const T> next) {
    held_ = std::make_shared<const std::shared_ptr<const T>>(std::move(next));
  }
  /// Null before the first put().
  Held take() const { return held_; }

 private:
  Held held_;
};

/// The same thing with a count of holders of its own, for a thread whose holders come and go with
/// each request: a count that several threads move wanders from CPU to CPU.
template <class T>
std::shared_ptr<T> counted_apart(const std::shared_ptr<T>& what) {
  return {std::make_shared<const std::shared_ptr<T>>(what), what.get()};
}

}  // namespace gatehouse
