#pragma once

#include <memory>

namespace gatehouse {

/// The same thing with a count of holders of its own, for a thread whose holders come and go with
/// each request: a count that several threads move wanders from CPU to CPU.
template <class T>
std::shared_ptr<T> counted_apart(const std::shared_ptr<T>& what) {
  return {std::make_shared<const std::shared_ptr<T>>(what), what.get()};
}

}  // namespace gatehouse
