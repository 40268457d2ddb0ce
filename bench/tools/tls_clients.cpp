// A client for the benchmarks: handshakes at full speed, or many idle connections.
//
//   tls_clients full    PORT SNI SECONDS THREADS    full TLS 1.3 handshakes, one after the other
//   tls_clients resumed PORT SNI SECONDS THREADS    the same with a session ticket each
//   tls_clients spread  PORT PATTERN SECONDS THREADS NAMES   full ones; "%" in PATTERN is a number
//   tls_clients paced   PORT SNI SECONDS THREADS RATE    full ones, so many a second
//   tls_clients hold    PORT SNI COUNT              opens them, a request each; "ready"; holds them
//                                                   until its input ends
//   tls_clients hold-h2 PORT SNI COUNT              the same over HTTP/2
// Prints one JSON object. It blocks in threads on purpose: only the server is measured.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using Session = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;

struct Options {
  std::string_view mode;
  std::uint16_t port = 0;
  std::string name;
  long amount = 0;  // seconds, or connections to hold
  int threads = 1;
  long names = 1;
  long rate = 0;  // handshakes a second of all threads together; 0: as many as there can be
};

class Connection {
 public:
  Connection(SSL_CTX* context, const Options& options, const std::string& name,
             SSL_SESSION* session)
      : fd_(::socket(AF_INET, SOCK_STREAM, 0)), ssl_(SSL_new(context)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(options.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return;
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL_set_fd(ssl_, fd_);
    SSL_set_tlsext_host_name(ssl_, name.c_str());
    if (session) SSL_set_session(ssl_, session);
    good_ = SSL_connect(ssl_) == 1;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    if (good_) await_goodbye();
    // No TIME_WAIT: the ports of this machine would not last a run.
    const linger none{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    SSL_free(ssl_);
    ::close(fd_);
  }

  bool good() const { return good_; }
  bool resumed() const { return SSL_session_reused(ssl_) == 1; }
  /// Says goodbye and waits for the server's. Gone at once, half of the servers would find the
  /// connection reset before they have read the end of the handshake, and be spared what follows.
  void await_goodbye() {
    SSL_shutdown(ssl_);
    char ignored[4096];
    while (::recv(fd_, ignored, sizeof ignored, 0) > 0) {
    }
  }
  /// One request; its answer fits into one read or two. It brings the tickets with it.
  bool ask(const std::string& name) {
    const std::string request = "GET /1k HTTP/1.1\r\nHost: " + name + "\r\n\r\n";
    if (SSL_write(ssl_, request.data(), static_cast<int>(request.size())) <= 0) return false;
    std::string answer;
    char room[4096];
    while (answer.size() < 1024) {
      const int got = SSL_read(ssl_, room, sizeof room);
      if (got <= 0) return false;
      answer.append(room, static_cast<std::size_t>(got));
    }
    return answer.starts_with("HTTP/1.1 200");
  }
  /// The same over HTTP/2.
  bool ask_h2(const std::string& name) {
    const auto field = [](const std::string& key, const std::string& value) {  // never indexed
      return std::string(1, '\0') + static_cast<char>(key.size()) + key +
             static_cast<char>(value.size()) + value;
    };
    const std::string head = field(":method", "GET") + field(":scheme", "https") +
                             field(":authority", name) + field(":path", "/1k");
    const std::string request = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, {}) +
                                frame(4, 1, 0, {}) + frame(1, 5, 1, head);
    if (SSL_write(ssl_, request.data(), static_cast<int>(request.size())) <= 0) return false;
    std::string came;
    char room[4096];
    for (;;) {
      while (came.size() >= 9) {
        const auto octet = [&](std::size_t at) { return static_cast<unsigned char>(came[at]); };
        const std::size_t size = 9 + (octet(0) << 16U | octet(1) << 8U | octet(2));
        if (came.size() < size) break;
        const bool ends = octet(8) == 1 && octet(3) == 0 && (octet(4) & 1U) != 0;
        if (ends) return true;
        came.erase(0, size);
      }
      const int got = SSL_read(ssl_, room, sizeof room);
      if (got <= 0) return false;
      came.append(room, static_cast<std::size_t>(got));
    }
  }
  Session session() { return {SSL_get1_session(ssl_), SSL_SESSION_free}; }

 private:
  static std::string frame(char type, char flags, char stream, const std::string& payload) {
    const std::string size = {0, 0, static_cast<char>(payload.size())};
    return size + type + flags + std::string(3, '\0') + stream + payload;
  }

  int fd_;
  SSL* ssl_;
  bool good_ = false;
};

std::string numbered(const std::string& pattern, long number) {
  const auto at = pattern.find('%');
  if (at == std::string::npos) return pattern;
  return pattern.substr(0, at) + std::to_string(number) + pattern.substr(at + 1);
}

struct Count {
  std::atomic<long> done{0};
  std::atomic<long> failed{0};
};

void shake_hands(SSL_CTX* context, const Options& options, unsigned seed,
                 std::chrono::steady_clock::time_point until, Count& count) {
  Session session(nullptr, SSL_SESSION_free);
  if (options.mode == "resumed") {
    Connection first(context, options, options.name, nullptr);
    if (first.good() && first.ask(options.name)) session = first.session();
  }
  std::minstd_rand random(seed);
  auto due = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() < until) {
    if (options.rate > 0) {
      due += std::chrono::microseconds(1'000'000L * options.threads / options.rate);
      std::this_thread::sleep_until(due);
    }
    const std::string name = numbered(options.name, static_cast<long>(random()) % options.names);
    const Connection connection(context, options, name, session.get());
    const bool as_wanted = connection.good() && connection.resumed() == (options.mode == "resumed");
    ++(as_wanted ? count.done : count.failed);
  }
}

int run(SSL_CTX* context, const Options& options) {
  Count count;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(options.amount);
  std::vector<std::thread> threads;
  for (int i = 0; i < options.threads; ++i) {
    threads.emplace_back(shake_hands, context, std::cref(options), 7U + static_cast<unsigned>(i),
                         until, std::ref(count));
  }
  for (std::thread& thread : threads) thread.join();
  std::printf("{\"done\": %ld, \"failed\": %ld}\n", count.done.load(), count.failed.load());
  return 0;
}

int hold(SSL_CTX* context, const Options& options) {
  const bool h2 = options.mode == "hold-h2";
  const unsigned char offer[] = {2, 'h', '2'};
  if (h2) SSL_CTX_set_alpn_protos(context, offer, sizeof offer);
  std::vector<std::unique_ptr<Connection>> held;
  long failed = 0;
  for (long i = 0; i < options.amount; ++i) {
    held.push_back(std::make_unique<Connection>(context, options, options.name, nullptr));
    Connection& made = *held.back();
    const bool answered = made.good() && (h2 ? made.ask_h2(options.name) : made.ask(options.name));
    if (!answered) ++failed;
  }
  std::printf("{\"ready\": %ld, \"failed\": %ld}\n", options.amount - failed, failed);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(
        stderr,
        "usage: tls_clients full|resumed|spread|paced|hold|hold-h2 PORT SNI AMOUNT [THREADS "
        "[NAMES or RATE]]\n");
    return 2;
  }
  Options options;
  options.mode = argv[1];
  options.port = static_cast<std::uint16_t>(std::strtoul(argv[2], nullptr, 10));
  options.name = argv[3];
  options.amount = std::strtol(argv[4], nullptr, 10);
  if (argc > 5) options.threads = static_cast<int>(std::strtol(argv[5], nullptr, 10));
  if (argc > 6) {
    (options.mode == "paced" ? options.rate : options.names) = std::strtol(argv[6], nullptr, 10);
  }
  const Context context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  // Nobody is authenticated here: the certificates are the benchmark's own.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  return options.mode.starts_with("hold") ? hold(context.get(), options)
                                          : run(context.get(), options);
}
