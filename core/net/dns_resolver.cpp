// The door to c-ares.
#define CARES_NO_DEPRECATED
#include "core/net/dns_resolver.hpp"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "core/base/clock.hpp"
#include "core/base/host.hpp"
#include "core/base/log.hpp"
#include "core/base/no_signals.hpp"

namespace gatehouse::net {
namespace {

using namespace std::chrono_literals;

// Three tries at each server in turn: what has not answered by then is away.
constexpr int try_ms = 1500;
constexpr int tries = 3;
constexpr auto look_at_files_every = 5s;
constexpr int longest_ttl_s = 24 * 3600;

/// Where an answer goes: to a coroutine that waits on its own thread, or left meanwhile.
template <class T>
class Post {
 public:
  Post(asio::any_io_executor executor, asio::steady_timer& over)
      : executor_(std::move(executor)), over_(&over) {}

  /// On the resolver's thread. What is posted runs before the waiting thread's end: whoever waits
  /// there has not left yet.
  void deliver(std::shared_ptr<Post> self, Result<T> answer) {
    const std::lock_guard lock(mutex_);
    if (over_ == nullptr) return;
    asio::post(executor_, [self = std::move(self), answer = std::move(answer)]() mutable {
      self->arrived(std::move(answer));
    });
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    over_ = nullptr;
  }
  std::optional<Result<T>>& answer() { return answer_; }

 private:
  void arrived(Result<T> answer) {
    answer_.emplace(std::move(answer));
    if (over_ != nullptr) over_->cancel();  // only this thread ever empties it
  }

  asio::any_io_executor executor_;
  std::mutex mutex_;
  asio::steady_timer* over_;  // a condition in the frame of who waits; null: it has left
  std::optional<Result<T>> answer_;
};

Error failure(const std::string& name, int status) {
  const bool unknown = status == ARES_ENOTFOUND || status == ARES_ENODATA;
  const Fault fault = unknown                   ? Fault::not_found
                      : status == ARES_ETIMEOUT ? Fault::timeout
                                                : Fault::refused;
  return Error(fault, Side::server, "resolve " + name + ": " + ares_strerror(status));
}

std::chrono::seconds ttl_of(int seconds) {
  return std::chrono::seconds(std::clamp(seconds, 1, longest_ttl_s));
}

Resolver::Found found_in(const ares_addrinfo& info) {
  Resolver::Found found;
  int ttl = longest_ttl_s;
  for (const ares_addrinfo_node* at = info.nodes; at != nullptr; at = at->ai_next) {
    if (found.addresses.size() == DnsResolver::most_addresses) break;
    asio::ip::address address;
    if (at->ai_family == AF_INET && at->ai_addrlen >= sizeof(sockaddr_in)) {
      sockaddr_in v4{};
      std::memcpy(&v4, at->ai_addr, sizeof v4);
      address = asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
    } else if (at->ai_family == AF_INET6 && at->ai_addrlen >= sizeof(sockaddr_in6)) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, at->ai_addr, sizeof v6);
      asio::ip::address_v6::bytes_type octets;
      std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
      address = asio::ip::address_v6(octets, v6.sin6_scope_id);
    } else {
      continue;
    }
    auto& all = found.addresses;
    if (std::find(all.begin(), all.end(), address) == all.end()) all.push_back(address);
    ttl = std::min(ttl, at->ai_ttl);
  }
  // The hosts file knows no time: its answers are looked up again like those of unknown age.
  if (ttl > 0) found.ttl = ttl_of(ttl);
  return found;
}

bool names_other_sources(const std::string& nsswitch_conf) {
  std::ifstream file(nsswitch_conf);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    if (!(words >> word) || word != "hosts:") continue;
    while (words >> word) {
      if (word != "files" && word != "dns" && !word.starts_with('[')) return true;
    }
  }
  return false;
}

/// One c-ares channel: its sockets and its clock in an io_context. Lives until its last question
/// is answered.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  explicit Channel(asio::io_context& io) : io_(io), timer_(io) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() {
    if (channel_ != nullptr) ares_destroy(channel_);
  }

  Result<void> open(const DnsResolver::Files& files, const std::string& servers) {
    ares_options options{};
    options.timeout = try_ms;
    options.tries = tries;
    options.sock_state_cb = &Channel::socket_changed;
    options.sock_state_cb_data = this;
    std::string path = files.resolv_conf;
    options.resolvconf_path = path.data();
    const int wanted =
        ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;
    int status = ares_init_options(&channel_, &options, wanted);
    if (status == ARES_SUCCESS && !servers.empty()) {
      status = ares_set_servers_ports_csv(channel_, servers.c_str());
    }
    if (status == ARES_SUCCESS) return {};
    return Error(Fault::io, Side::self, std::string("resolver: ") + ares_strerror(status));
  }

  /// Ends every question with an error, now.
  void cancel() { ares_cancel(channel_); }

  template <class T>
  struct Question {
    std::shared_ptr<Channel> channel;
    std::string name;
    std::shared_ptr<Post<T>> post;
  };

  void ask_addresses(std::string name, std::shared_ptr<Post<Resolver::Found>> post) {
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    auto* question = new Question<Resolver::Found>{shared_from_this(), name, std::move(post)};
    ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, &Channel::addresses_came, question);
    set_timer();
  }
  void ask_services(std::string name, std::shared_ptr<Post<ServiceAnswer>> post) {
    auto* question = new Question<ServiceAnswer>{shared_from_this(), name, std::move(post)};
    ares_query(channel_, name.c_str(), ns_c_in, ns_t_srv, &Channel::services_came, question);
    set_timer();
  }

 private:
  /// A socket of the channel, which owns it; here it is only waited for.
  struct Watch {
    explicit Watch(asio::io_context& io) : descriptor(io) {}
    ~Watch() { leave(); }
    void leave() {
      if (descriptor.is_open()) descriptor.release();
    }
    asio::posix::stream_descriptor descriptor;
    bool want_read = false;
    bool want_write = false;
    bool reading = false;  // a wait is under way
    bool writing = false;
  };

  static void addresses_came(void* argument, int status, int, ares_addrinfo* info) noexcept {
    const std::unique_ptr<Question<Resolver::Found>> question(
        static_cast<Question<Resolver::Found>*>(argument));
    Result<Resolver::Found> answer(failure(question->name, status));
    if (info != nullptr) {
      if (status == ARES_SUCCESS) {
        Resolver::Found found = found_in(*info);
        answer = failure(question->name, ARES_ENODATA);
        if (!found.addresses.empty()) answer = std::move(found);
      }
      ares_freeaddrinfo(info);
    }
    question->post->deliver(question->post, std::move(answer));
  }
  static void services_came(void* argument, int status, int, unsigned char* octets,
                            int length) noexcept {
    const std::unique_ptr<Question<ServiceAnswer>> question(
        static_cast<Question<ServiceAnswer>*>(argument));
    Result<ServiceAnswer> answer(failure(question->name, status));
    if (status == ARES_SUCCESS && octets != nullptr && length > 0) {
      const auto* text = reinterpret_cast<const char*>(octets);
      answer = parse_services({text, static_cast<std::size_t>(length)});
      if (answer && answer->records.empty()) answer = failure(question->name, ARES_ENODATA);
    }
    question->post->deliver(question->post, std::move(answer));
  }

  static void socket_changed(void* self, ares_socket_t fd, int readable, int writable) noexcept {
    Channel& channel = *static_cast<Channel*>(self);
    if (readable == 0 && writable == 0) {
      // c-ares closes it next, and the number may be somebody else's at once: a handler that still
      // holds the watch must find nothing left to do.
      const auto gone = channel.watches_.extract(fd);
      if (gone) gone.mapped()->leave();
      return;
    }
    auto& watch = channel.watches_[fd];
    if (!watch) {
      watch = std::make_shared<Watch>(channel.io_);
      boost::system::error_code failed;
      watch->descriptor.assign(fd, failed);
      if (failed) return;  // the question runs out of time
    }
    watch->want_read = readable != 0;
    watch->want_write = writable != 0;
    channel.wait_for(fd, watch);
  }

  void wait_for(int fd, const std::shared_ptr<Watch>& watch) {
    using Descriptor = asio::posix::stream_descriptor;
    const std::weak_ptr<Channel> self = weak_from_this();
    const std::weak_ptr<Watch> seen = watch;
    if (watch->want_read && !std::exchange(watch->reading, true)) {
      watch->descriptor.async_wait(Descriptor::wait_read, [self, seen, fd](const auto& failed) {
        const auto channel = self.lock();
        const auto there = seen.lock();
        if (!channel || !there || failed) return;
        there->reading = false;
        channel->ready(fd, there, fd, ARES_SOCKET_BAD);
      });
    }
    if (watch->want_write && !std::exchange(watch->writing, true)) {
      watch->descriptor.async_wait(Descriptor::wait_write, [self, seen, fd](const auto& failed) {
        const auto channel = self.lock();
        const auto there = seen.lock();
        if (!channel || !there || failed) return;
        there->writing = false;
        channel->ready(fd, there, ARES_SOCKET_BAD, fd);
      });
    }
  }

  void ready(int fd, const std::shared_ptr<Watch>& watch, ares_socket_t read, ares_socket_t write) {
    ares_process_fd(channel_, read, write);
    const auto still = watches_.find(fd);
    if (still != watches_.end() && still->second == watch) wait_for(fd, watch);
    set_timer();
  }

  /// c-ares tries again, or gives up, when its time is up.
  void set_timer() {
    timeval wait{};
    if (ares_timeout(channel_, nullptr, &wait) == nullptr) {
      timer_.cancel();
      return;
    }
    timer_.expires_after(std::chrono::seconds(wait.tv_sec) +
                         std::chrono::microseconds(wait.tv_usec) + 1ms);
    timer_.async_wait([self = weak_from_this()](const auto& failed) {
      const auto channel = self.lock();
      if (!channel || failed) return;
      ares_process_fd(channel->channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      channel->set_timer();
    });
  }

  asio::io_context& io_;
  asio::steady_timer timer_;
  ares_channel channel_ = nullptr;
  std::map<int, std::shared_ptr<Watch>> watches_;
};

}  // namespace

/// The thread on which all questions are asked, and the channel of the day.
class DnsResolver::Thread {
 public:
  explicit Thread(Files files) : files_(std::move(files)), work_(io_.get_executor()) {
    ares_library_init(ARES_LIB_INIT_ALL);
    thread_ = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), "resolver");
      take_no_signals();
      io_.run();
    });
  }
  ~Thread() {
    asio::post(io_, [this] {
      if (channel_) channel_->cancel();
      channel_.reset();
      work_.reset();
      io_.stop();
    });
    thread_.join();
    ares_library_cleanup();
  }

  void ask_servers(std::string servers) {
    asio::post(io_, [this, servers = std::move(servers)]() mutable {
      if (servers == servers_) return;
      servers_ = std::move(servers);
      channel_.reset();  // questions under way keep theirs
    });
  }

  template <class T>
  using Ask = void (Channel::*)(std::string, std::shared_ptr<Post<T>>);

  /// On the caller's thread.
  template <class T>
  awaitable<Result<T>> ask(std::string name, Ask<T> how) {
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer over(executor, Steady::max());
    auto mail = std::make_shared<Post<T>>(executor, over);
    struct Leave {
      Post<T>& post;
      ~Leave() { post.leave(); }
    };
    const Leave leave{*mail};
    asio::post(io_, [this, name, how, mail] { begin<T>(name, how, mail); });
    co_await over.async_wait(as_result);
    if (mail->answer()) co_return std::move(*mail->answer());
    co_return Error(Fault::closed, Side::self, "resolve " + name + ": cancelled");
  }

 private:
  template <class T>
  void begin(const std::string& name, Ask<T> how, const std::shared_ptr<Post<T>>& post) {
    const auto opened = refresh();
    if (!opened) {
      post->deliver(post, opened.error());
      return;
    }
    const std::shared_ptr<Channel> channel = channel_;  // may answer at once, and more may follow
    ((*channel).*how)(name, post);
  }

  /// Opens a new channel where the files changed; questions under way end on the old one.
  Result<void> refresh() {
    const Steady now = std::chrono::steady_clock::now();
    if (channel_ && now < look_again_) return {};
    look_again_ = now + look_at_files_every;
    struct stat facts {};
    timespec changed{};
    if (::stat(files_.resolv_conf.c_str(), &facts) == 0) changed = facts.st_mtim;
    const bool same = changed.tv_sec == changed_.tv_sec && changed.tv_nsec == changed_.tv_nsec;
    if (channel_ && same) return {};
    auto next = std::make_shared<Channel>(io_);
    if (auto opened = next->open(files_, servers_.empty() ? files_.servers : servers_); !opened)
      return opened;
    if (channel_) log::info("resolver changed", {{"file", files_.resolv_conf}});
    changed_ = changed;
    channel_ = std::move(next);
    return {};
  }

  Files files_;
  std::string servers_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::shared_ptr<Channel> channel_;
  Steady look_again_{};
  timespec changed_{};
  std::thread thread_;
};

DnsResolver::DnsResolver(Resolver& system) : DnsResolver(system, Files()) {}

DnsResolver::DnsResolver(Resolver& system, Files files)
    : system_(system), system_knows_more_(names_other_sources(files.nsswitch_conf)) {
  thread_ = std::make_unique<Thread>(std::move(files));
}

DnsResolver::~DnsResolver() = default;

void DnsResolver::ask_servers(std::string servers) {
  own_servers_ = !servers.empty();
  thread_->ask_servers(std::move(servers));
}

awaitable<Result<Resolver::Found>> DnsResolver::look_up(std::string host) {
  if (const auto literal = as_address(host)) {
    Found found;
    found.addresses.push_back(*literal);
    co_return found;
  }
  auto found = co_await thread_->ask<Found>(host, &Channel::ask_addresses);
  if (found || !system_knows_more_ || own_servers_) co_return found;
  auto by_system = co_await system_.look_up(std::move(host));
  if (by_system) co_return by_system;
  co_return found;
}

awaitable<Result<std::vector<asio::ip::address>>> DnsResolver::resolve(std::string host) {
  auto found = co_await look_up(std::move(host));
  if (!found) co_return found.error();
  co_return std::move(found->addresses);
}

awaitable<Result<ServiceAnswer>> DnsResolver::services(std::string name) {
  auto answer = co_await thread_->ask<ServiceAnswer>(std::move(name), &Channel::ask_services);
  co_return answer;
}

}  // namespace gatehouse::net
