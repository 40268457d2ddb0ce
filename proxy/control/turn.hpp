#pragma once

#include <boost/asio/steady_timer.hpp>

namespace gatehouse::control {

/// One change of what runs at a time: whoever waits is woken when the turn ends, however it ends.
class Turn {
 public:
  Turn(bool& taken, boost::asio::steady_timer& ended) : taken_(taken), ended_(ended) {
    taken_ = true;
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    taken_ = false;
    ended_.cancel();
  }

 private:
  bool& taken_;
  boost::asio::steady_timer& ended_;
};

}  // namespace gatehouse::control
