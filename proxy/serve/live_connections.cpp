#include "proxy/serve/live_connections.hpp"

#include "core/http/exchange.hpp"

namespace gatehouse::serve {

LiveConnections::Place::Place(LiveConnections& list, net::Stream* stream, std::string_view listener)
    : list_(list), stream_(stream), listener_(listener), back_(list.end_) {
  *back_ = this;
  list.end_ = &next_;
  ++list.total_;
  ++list.by_state_[static_cast<std::size_t>(state_)];
}

LiveConnections::Place::~Place() {
  *back_ = next_;
  (next_ ? next_->back_ : list_.end_) = back_;
  --list_.total_;
  --list_.by_state_[static_cast<std::size_t>(state_)];
  if (list_.on_leave_) list_.on_leave_();
}

void LiveConnections::Place::state(State next) {
  --list_.by_state_[static_cast<std::size_t>(state_)];
  state_ = next;
  ++list_.by_state_[static_cast<std::size_t>(state_)];
}

void LiveConnections::retire(std::string_view listener) {
  for (Place* place = first_; place; place = place->next_) {
    if (!listener.empty() && place->listener_ != listener) continue;
    place->closing_ = true;
    if (place->requests_) place->requests_->drain();
  }
}

std::size_t LiveConnections::make_way(std::size_t most) {
  std::size_t asked = 0;
  for (Place* place = first_; place && asked < most; place = place->next_) {
    const bool may_go = place->state_ == State::idle && place->requests_;
    if (may_go && place->requests_->make_way()) ++asked;
  }
  return asked;
}

void LiveConnections::close_streams() {
  for (Place* place = first_; place; place = place->next_) {
    if (place->requests_) place->requests_->take_leave();
    if (place->stream_) place->stream_->close();
  }
}

}  // namespace gatehouse::serve
