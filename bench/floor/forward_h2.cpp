// What no proxy gets below that speaks HTTP/2 to clients and HTTP/1.1 to the backend: per request
// one send and one receive on the backend's side, and what OpenSSL takes for the records of a
// client's connection, as many frames in each as came in one turn. No field is decoded, each
// request is sent on as the same one and each answer's fields are the same; nothing is routed,
// limited, timed or logged, nobody's window is looked at. For the comparison in bench/, not for
// use.
//
//   forward_h2 HTTP_PORT HTTPS_PORT BACKEND_PORT CERTIFICATE KEY
//
// HTTP_PORT is not used: all floors are called alike.
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serving.hpp"

namespace {

struct Side {
  enum Kind { door, client, server } kind;
  int fd = -1;
};

struct Client : Side {
  SSL* ssl = nullptr;
  std::string in;   // a frame that is not all there
  std::string out;  // of this turn
  bool greeted = false;
  bool over = false;
};

struct Server : Side {
  std::shared_ptr<Client> asked_by;
  std::uint32_t stream = 0;
};

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::string_view request =
    "GET /1k HTTP/1.1\r\nhost: localhost\r\nuser-agent: floor\r\nx-forwarded-for: "
    "127.0.0.1\r\n\r\n";
// :status 200, content-length 1024, server "nginx/1.22.1", content-type "text/plain" (RFC 7541).
constexpr std::string_view fields =
    "\x88\x0f\x0d\x04"
    "1024\x0f\x27\x0c"
    "nginx/1.22.1\x0f\x10\x0a"
    "text/plain";
enum Frame : unsigned char { data = 0, headers = 1, settings = 4 };

int poller = -1;
sockaddr_in backend{};
SSL_CTX* context = nullptr;
std::array<char, 64 * 1024> buffer;
std::vector<std::shared_ptr<Client>> clients;  // by descriptor
std::vector<std::shared_ptr<Client>> touched;  // of this turn
std::vector<Server*> idle;

void watch(Side& side) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &side;
  if (epoll_ctl(poller, EPOLL_CTL_ADD, side.fd, &event) != 0) fail("epoll_ctl");
}

void put_frame(std::string& out, std::size_t length, Frame type, unsigned char flags,
               std::uint32_t stream) {
  const auto octet = [&out](std::size_t value) { out += static_cast<char>(value & 0xff); };
  octet(length >> 16);
  octet(length >> 8);
  octet(length);
  octet(type);
  octet(flags);
  for (const int shift : {24, 16, 8, 0}) octet(stream >> shift);
}

void touch(const std::shared_ptr<Client>& client) {
  if (touched.empty() || touched.back() != client) touched.push_back(client);
}

void end(Client& client) {
  if (client.over) return;
  client.over = true;
  SSL_shutdown(client.ssl);
  SSL_free(client.ssl);
  close(client.fd);
}

Server* take_server() {
  if (!idle.empty()) {
    Server* const out = idle.back();
    idle.pop_back();
    return out;
  }
  Server* const out = new Server{{Side::server}, nullptr, 0};
  out->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(out->fd, reinterpret_cast<sockaddr*>(&backend), sizeof backend) != 0) fail("connect");
  no_delay(out->fd);
  watch(*out);
  return out;
}

void ask(const std::shared_ptr<Client>& client, std::uint32_t stream) {
  Server* const server = take_server();
  server->asked_by = client;
  server->stream = stream;
  if (send(server->fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    fail("send to the backend");
  }
}

std::uint32_t number(std::string_view octets) {
  std::uint32_t out = 0;
  for (const char c : octets) out = out << 8 | static_cast<unsigned char>(c);
  return out;
}

void take_frames(const std::shared_ptr<Client>& client) {
  std::string_view left = client->in;
  if (!client->greeted && left.size() >= preface.size()) {
    left.remove_prefix(preface.size());
    put_frame(client->out, 0, settings, 0, 0);
    client->greeted = true;
  }
  constexpr std::size_t head = 9;
  while (client->greeted && left.size() >= head) {
    const std::size_t length = number(left.substr(0, 3));
    if (left.size() < head + length) break;
    const auto type = static_cast<unsigned char>(left[3]);
    const bool acknowledges = (left[4] & 1) != 0;
    if (type == headers) ask(client, number(left.substr(5, 4)));
    if (type == settings && !acknowledges) put_frame(client->out, 0, settings, 1, 0);
    left.remove_prefix(head + length);
  }
  client->in.erase(0, client->in.size() - left.size());
  if (!client->out.empty()) touch(client);
}

void from_client(const std::shared_ptr<Client>& client) {
  if (!SSL_is_init_finished(client->ssl)) {
    const int done = SSL_do_handshake(client->ssl);
    if (done != 1) {
      if (SSL_get_error(client->ssl, done) != SSL_ERROR_WANT_READ) end(*client);
      return;
    }
  }
  do {
    const int got = SSL_read(client->ssl, buffer.data(), static_cast<int>(buffer.size()));
    if (got <= 0) {
      if (SSL_get_error(client->ssl, got) != SSL_ERROR_WANT_READ) end(*client);
      break;
    }
    client->in.append(buffer.data(), static_cast<std::size_t>(got));
  } while (SSL_has_pending(client->ssl) == 1);
  if (!client->over) take_frames(client);
}

void from_server(Server& server) {
  const ssize_t got = recv(server.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0 || !server.asked_by) fail("the backend");
  const std::string_view answer(buffer.data(), static_cast<std::size_t>(got));
  const std::string_view body = answer.substr(answer.find("\r\n\r\n") + 4);
  const std::shared_ptr<Client> client = std::move(server.asked_by);
  if (!client->over) {
    put_frame(client->out, fields.size(), headers, 4, server.stream);
    client->out += fields;
    put_frame(client->out, body.size(), data, 1, server.stream);
    client->out += body;
    touch(client);
  }
  idle.push_back(&server);
}

void accept_all(const Side& door) {
  for (;;) {
    const int fd = accept4(door.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    no_delay(fd);
    auto client = std::make_shared<Client>();
    client->kind = Side::client;
    client->fd = fd;
    client->ssl = SSL_new(context);
    SSL_set_fd(client->ssl, fd);
    SSL_set_accept_state(client->ssl);
    watch(*client);
    if (clients.size() <= static_cast<std::size_t>(fd))
      clients.resize(static_cast<std::size_t>(fd) + 1);
    clients[static_cast<std::size_t>(fd)] = std::move(client);
  }
}

void serve(Side& side) {
  if (side.kind == Side::door) return accept_all(side);
  if (side.kind == Side::server) return from_server(static_cast<Server&>(side));
  const std::shared_ptr<Client> client = clients[static_cast<std::size_t>(side.fd)];
  if (client.get() == &side && !client->over) from_client(client);
}

}  // namespace

int main(int count, char** words) {
  if (count != 6) {
    std::fputs("forward_h2 HTTP_PORT HTTPS_PORT BACKEND_PORT CERTIFICATE KEY\n", stderr);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  backend = local_address(std::atoi(words[3]));
  context = server_context(words[4], words[5], "\x02h2");
  SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  poller = epoll_create1(EPOLL_CLOEXEC);
  Side door{Side::door, listen_on(std::atoi(words[2]))};
  watch(door);
  std::array<epoll_event, 512> events;
  for (;;) {
    const int ready = epoll_wait(poller, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) serve(*static_cast<Side*>(events[i].data.ptr));
    for (const std::shared_ptr<Client>& client : touched) {
      // What a turn brings fits into the socket's buffer; a client that does not read is cut off.
      const int size = static_cast<int>(client->out.size());
      if (size == 0 || client->over) continue;
      if (SSL_write(client->ssl, client->out.data(), size) != size) end(*client);
      client->out.clear();
    }
    touched.clear();
  }
}
