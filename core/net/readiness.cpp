#include "core/net/readiness.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/query.hpp>
#include <cerrno>
#include <system_error>

namespace gatehouse::net {
namespace {

constexpr std::size_t most_at_once = 128;

[[noreturn]] void throw_last(const char* doing) {
  throw std::system_error(errno, std::generic_category(), doing);
}

int new_set() {
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) throw_last("epoll_create1");
  return set;
}

}  // namespace

asio::execution_context::id Readiness::id;

Readiness::Readiness(asio::execution_context& context)
    : service(context),
      context_(static_cast<asio::io_context&>(context)),
      set_(new_set()),
      inbox_(context_, set_),
      places_(1) {}  // the first is nobody's: a ticket is never 0

Readiness::~Readiness() = default;

Readiness& Readiness::of(const asio::any_io_executor& executor) {
  asio::execution_context& context = asio::query(executor, asio::execution::context);
  return asio::use_service<Readiness>(context);
}

/// The io_context ends: so do all that wait, and what their frames hold leaves by itself.
void Readiness::shutdown() {
  boost::system::error_code ignored;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].watch != nullptr) places_[i].watch->reader_.drop();
    if (places_[i].watch != nullptr) places_[i].watch->writer_.drop();
  }
  inbox_.close(ignored);
}

std::uint64_t Readiness::enter(Watch& watch) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(places_.size()));
    places_.emplace_back();
  }
  const std::uint32_t at = free_.back();
  free_.pop_back();
  places_[at].watch = &watch;
  return std::uint64_t{places_[at].turn} << 32 | at;
}

void Readiness::leave(std::uint64_t ticket) {
  Place& place = places_[static_cast<std::uint32_t>(ticket)];
  place.watch = nullptr;
  ++place.turn;
  free_.push_back(static_cast<std::uint32_t>(ticket));
}

Readiness::Watch* Readiness::find(std::uint64_t ticket) const {
  const Place& place = places_[static_cast<std::uint32_t>(ticket)];
  return place.turn == ticket >> 32 ? place.watch : nullptr;
}

void Readiness::began_waiting() {
  ++waiting_;
  arm();
}

/// An io_context on which nobody waits for anything has no work left.
void Readiness::ended_waiting() {
  if (--waiting_ > 0 || !armed_) return;
  boost::system::error_code ignored;
  inbox_.cancel(ignored);
}

void Readiness::arm() {
  if (armed_ || waiting_ == 0) return;
  armed_ = true;
  inbox_.async_wait(asio::posix::stream_descriptor::wait_read,
                    [this](const boost::system::error_code& failed) {
                      if (!failed) deliver();
                      armed_ = false;
                      arm();
                      if (failed || !armed_) told_all_ = false;
                    });
}

/// All are marked before anyone goes on: whoever goes on first knows what has come for others, so
/// that nobody takes a connection from the idle ones whose end has been told already.
void Readiness::deliver() {
  std::array<epoll_event, most_at_once> events;
  const int count = ::epoll_wait(set_, events.data(), static_cast<int>(events.size()), 0);
  told_all_ = count >= 0 && static_cast<std::size_t>(count) < events.size();
  for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(count, 0)); ++i) {
    const std::uint64_t ticket = events[i].data.u64;  // a copy: the kernel's struct is packed
    Watch* const watch = find(ticket);
    if (watch == nullptr) continue;
    watch->mark(events[i].events);
    due_.push_back(ticket);
  }
  go_on();
}

void Readiness::go_on() {
  struct Rest {  // somebody threw: it is our bug, and no reason why the others should wait for ever
    Readiness& self;
    ~Rest() {
      if (self.told_ == self.due_.size()) {
        self.due_.clear();
        self.told_ = 0;
      } else {
        asio::post(self.context_, [&readiness = self] { readiness.go_on(); });
      }
    }
  };
  const Rest rest{*this};
  while (told_ < due_.size()) {
    const std::uint64_t ticket = due_[told_++];
    for (const Want want : {Want::read, Want::write}) {
      Watch* const watch = find(ticket);  // who went on may have ended it
      if (watch == nullptr || !watch->waiter(want).there() || !watch->ready(want)) continue;
      --waiting_;
      watch->waiter(want).finish(End::ready);
    }
  }
}

Readiness::Watch::Watch(Readiness& readiness, int descriptor)
    : readiness_(readiness), ticket_(readiness.enter(*this)) {
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  wanted.data.u64 = ticket_;
  if (::epoll_ctl(readiness_.set_, EPOLL_CTL_ADD, descriptor, &wanted) == 0) return;
  // No memory, or too many watches of this user: nobody would hear of the socket again. It is ended
  // for good, so that whoever uses it learns that now, and does not ask it for ever.
  ::shutdown(descriptor, SHUT_RDWR);
  ended_ = came_ = true;
}

void Readiness::Watch::leave() {
  if (ticket_ == 0) return;
  readiness_.leave(std::exchange(ticket_, 0));
  give_up(Want::read);
  give_up(Want::write);
}

void Readiness::Watch::give_up(Want want) {
  Waiter& waiting = waiter(want);
  if (!waiting.there()) return;
  waiting.finish_later(readiness_.context_, End::given_up);
  readiness_.ended_waiting();
}

void Readiness::Watch::mark(std::uint32_t events) {
  const std::uint32_t over = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if ((events & (EPOLLIN | over)) != 0) found();
  if ((events & over) != 0) ended_ = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) takes_ = true;
}

}  // namespace gatehouse::net
