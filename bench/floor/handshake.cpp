// The floor of a TLS handshake: one thread and one epoll set accept, shake hands by OpenSSL's
// libssl with Gatehouse's key schedule, which costs less than OpenSSL's own, answer a request if
// there is one, and close. No proxy, no coroutines, no policies, no timeouts. What a server that
// uses libssl costs beyond this is its own.
//
//   handshake PORT CERTIFICATE KEY [TICKETS]
//
// Runs until it is killed.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "core/tls/detail/key_schedule.hpp"

namespace {

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

struct Connection {
  explicit Connection(int descriptor, SSL_CTX* context)
      : fd(descriptor), ssl(SSL_new(context), SSL_free) {
    SSL_set_fd(ssl.get(), fd);
    SSL_set_accept_state(ssl.get());
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    ssl.reset();
    ::close(fd);
  }
  int fd;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl;
};

bool waits(SSL* ssl, int result) {
  const int code = SSL_get_error(ssl, result);
  return code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE;
}

const std::string& answer() {
  static const std::string text =
      "HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + std::string(1024, 'x');
  return text;
}

/// False: it is over.
bool go_on(Connection& connection) {
  SSL* const ssl = connection.ssl.get();
  if (SSL_is_init_finished(ssl) == 0) {
    const int result = SSL_do_handshake(ssl);
    if (result != 1) return waits(ssl, result);
  }
  std::array<char, 4096> request;
  for (;;) {
    const int got = SSL_read(ssl, request.data(), static_cast<int>(request.size()));
    if (got <= 0) return waits(ssl, got);
    // A request fits into one read; the answer into the socket's buffer.
    if (SSL_write(ssl, answer().data(), static_cast<int>(answer().size())) <= 0) return false;
  }
}

int listen_on(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // inherited by what is accepted
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) return -1;
  return ::listen(fd, 4096) == 0 ? fd : -1;
}

void watch(int set, int fd, void* whom) {
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  wanted.data.ptr = whom;
  ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted);
}

void accept_all(int set, int listening, SSL_CTX* context) {
  for (;;) {
    const int fd = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    watch(set, fd, new Connection(fd, context));
  }
}

void serve(int listening, SSL_CTX* context) {
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  watch(set, listening, nullptr);
  std::array<epoll_event, 128> events;
  for (;;) {
    const int count = ::epoll_wait(set, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      void* const whom = events[static_cast<std::size_t>(i)].data.ptr;
      if (whom == nullptr) {
        accept_all(set, listening, context);
      } else if (auto* connection = static_cast<Connection*>(whom); !go_on(*connection)) {
        delete connection;
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: floor_handshake PORT CERTIFICATE KEY [TICKETS]\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const char* const query = gatehouse::tls::detail::provider_query();
  const Context context(SSL_CTX_new_ex(nullptr, query, TLS_server_method()), SSL_CTX_free);
  // Without it OpenSSL looks for a chain in each handshake.
  SSL_CTX_set_mode(context.get(), SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set1_groups_list(context.get(), "X25519:P-256");
  const std::string_view id = "floor";
  SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>(id.data()),
                                 static_cast<unsigned>(id.size()));
  if (argc > 4) SSL_CTX_set_num_tickets(context.get(), std::strtoul(argv[4], nullptr, 10));
  const int listening = listen_on(static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10)));
  if (listening < 0 || SSL_CTX_use_certificate_chain_file(context.get(), argv[2]) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), argv[3], SSL_FILETYPE_PEM) != 1) {
    std::fprintf(stderr, "floor_handshake: cannot listen, or no certificate or key\n");
    return 1;
  }
  serve(listening, context.get());
}
