// What no proxy gets below that speaks HTTP/2 to clients by libnghttp2 and HTTP/1.1 to the backend:
// per request one send and one receive on the backend's side, what OpenSSL takes for the records of
// a client's connection, as many frames in each as came in one turn, and what the library takes
// for frames, fields and windows. No field is looked at, each request is sent on as the same one
// and each answer's fields are the same; nothing is routed, limited, timed or logged. For the
// comparison in bench/, not for use.
//
//   forward_h2 HTTP_PORT HTTPS_PORT BACKEND_PORT CERTIFICATE KEY
//
// HTTP_PORT is not used: all floors are called alike.
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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
  nghttp2_session* session = nullptr;
  std::string out;  // of this turn
  bool over = false;
};

struct Server : Side {
  std::shared_ptr<Client> asked_by;
  std::int32_t stream = 0;
};

/// What is left to be sent of an answer.
struct Body {
  std::array<char, 2048> octets;
  std::size_t size = 0;
  std::size_t sent = 0;
};

constexpr std::string_view request =
    "GET /1k HTTP/1.1\r\nhost: localhost\r\nuser-agent: floor\r\nx-forwarded-for: "
    "127.0.0.1\r\n\r\n";
template <std::size_t N, std::size_t M>
nghttp2_nv field(const char (&name)[N], const char (&value)[M]) {
  const auto octets = [](const char* text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text));
  };
  constexpr auto lent = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
  return {octets(name), octets(value), N - 1, M - 1, lent};
}

int poller = -1;
sockaddr_in backend{};
SSL_CTX* context = nullptr;
std::array<char, 64 * 1024> buffer;
std::vector<std::shared_ptr<Client>> clients;  // by descriptor
std::vector<std::shared_ptr<Client>> touched;  // of this turn
std::vector<Server*> idle;
std::vector<Body*> spare;  // of answers that are over

void watch(Side& side) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &side;
  if (epoll_ctl(poller, EPOLL_CTL_ADD, side.fd, &event) != 0) fail("epoll_ctl");
}

void touch(const std::shared_ptr<Client>& client) {
  if (touched.empty() || touched.back() != client) touched.push_back(client);
}

void end(Client& client) {
  if (client.over) return;
  client.over = true;
  SSL_shutdown(client.ssl);
  SSL_free(client.ssl);
  nghttp2_session_del(client.session);
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

void ask(const std::shared_ptr<Client>& client, std::int32_t stream) {
  Server* const server = take_server();
  server->asked_by = client;
  server->stream = stream;
  if (send(server->fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    fail("send to the backend");
  }
}

int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* client) {
  if (frame->hd.type == NGHTTP2_HEADERS)
    ask(clients[static_cast<std::size_t>(static_cast<Client*>(client)->fd)], frame->hd.stream_id);
  return 0;
}

/// A session of a library that looks at nothing it need not.
nghttp2_session* new_session(Client& client) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session* out = nullptr;
  if (nghttp2_session_server_new(&out, callbacks, &client) != 0) fail("nghttp2_session");
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry streams{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 256};
  nghttp2_submit_settings(out, NGHTTP2_FLAG_NONE, &streams, 1);
  return out;
}

ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t most,
                  std::uint32_t* flags, nghttp2_data_source* source, void*) {
  Body& body = *static_cast<Body*>(source->ptr);
  const std::size_t size = std::min(most, body.size - body.sent);
  std::memcpy(to, body.octets.data() + body.sent, size);
  body.sent += size;
  if (body.sent == body.size) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    spare.push_back(&body);
  }
  return static_cast<ssize_t>(size);
}

void answer(Client& client, std::int32_t stream, std::string_view octets) {
  Body* body = nullptr;
  if (spare.empty()) {
    body = new Body;
  } else {
    body = spare.back();
    spare.pop_back();
  }
  body->size = std::min(octets.size(), body->octets.size());
  body->sent = 0;
  std::memcpy(body->octets.data(), octets.data(), body->size);
  static const std::array fields{field(":status", "200"), field("content-length", "1024"),
                                 field("server", "nginx/1.22.1"),
                                 field("content-type", "text/plain")};
  nghttp2_data_provider provider{};
  provider.source.ptr = body;
  provider.read_callback = read_body;
  nghttp2_submit_response(client.session, stream, fields.data(), fields.size(), &provider);
}

void pull(Client& client) {
  for (;;) {
    const std::uint8_t* octets = nullptr;
    const ssize_t size = nghttp2_session_mem_send(client.session, &octets);
    if (size <= 0) return;
    client.out.append(reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size));
  }
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
    const auto* octets = reinterpret_cast<const std::uint8_t*>(buffer.data());
    if (nghttp2_session_mem_recv(client->session, octets, static_cast<std::size_t>(got)) < 0)
      end(*client);
    touch(client);
  } while (!client->over && SSL_has_pending(client->ssl) == 1);
}

void from_server(Server& server) {
  const ssize_t got = recv(server.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0 || !server.asked_by) fail("the backend");
  const std::string_view whole(buffer.data(), static_cast<std::size_t>(got));
  const std::string_view body = whole.substr(whole.find("\r\n\r\n") + 4);
  const std::shared_ptr<Client> client = std::move(server.asked_by);
  if (!client->over) {
    answer(*client, server.stream, body);
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
    client->session = new_session(*client);
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
      if (client->over) continue;
      pull(*client);
      const int size = static_cast<int>(client->out.size());
      if (size == 0) continue;
      if (SSL_write(client->ssl, client->out.data(), size) != size) end(*client);
      client->out.clear();
    }
    touched.clear();
  }
}
