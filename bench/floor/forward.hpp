// What no proxy gets below: per request one receive and one send on each side and, over TLS, what
// OpenSSL takes for the records. Nothing is routed, limited, timed or logged; each client has a
// connection to the backend of its own. For the comparison in bench/, not for use.
//
// Who includes it says what is done with the octets, and has a Kept for what it keeps of a client:
//   forward.cpp        nothing at all
//   forward_heads.cpp  heads are read, judged, and written anew
//   forward_parts.cpp  and what else each request costs a proxy at the least
#pragma once

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
#include <cstring>
#include <string_view>

#include "serving.hpp"

/// What goes on, of octets of whole messages; valid until the next call. Empty: nothing can.
static std::string_view for_server(std::string_view octets, bool secure, Kept& kept);
static std::string_view for_client(std::string_view octets, Kept& kept);

namespace {

struct Pair;

/// What an epoll event points to.
struct Side {
  enum Kind { plain_door, tls_door, client, server } kind;
  int fd = -1;
  Pair* pair = nullptr;
};

struct Pair {
  Side client{Side::client};
  Side server{Side::server};
  SSL* ssl = nullptr;
  bool shaken = false;
  Kept kept;
  Pair* next_dead = nullptr;
};

int poller = -1;
sockaddr_in backend{};
SSL_CTX* context = nullptr;
std::array<char, 64 * 1024> buffer;
Pair* dead = nullptr;  // freed when the events at hand are done

void watch(Side& side) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &side;
  if (epoll_ctl(poller, EPOLL_CTL_ADD, side.fd, &event) != 0) fail("epoll_ctl");
}

void end(Pair& pair) {
  if (pair.client.fd < 0) return;
  if (pair.ssl != nullptr) {
    SSL_shutdown(pair.ssl);
    SSL_free(pair.ssl);
  }
  close(pair.client.fd);
  close(pair.server.fd);
  pair.client.fd = -1;
  pair.next_dead = dead;
  dead = &pair;
}

void accept_all(const Side& door) {
  for (;;) {
    const int fd = accept4(door.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    no_delay(fd);
    Pair* const pair = new Pair;
    pair->client.pair = pair->server.pair = pair;
    pair->client.fd = fd;
    pair->server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(pair->server.fd, reinterpret_cast<sockaddr*>(&backend), sizeof backend) != 0) {
      fail("connect");
    }
    no_delay(pair->server.fd);
    if (door.kind == Side::tls_door) {
      pair->ssl = SSL_new(context);
      SSL_set_fd(pair->ssl, fd);
      SSL_set_accept_state(pair->ssl);
    }
    watch(pair->client);
    watch(pair->server);
  }
}

/// All of it: what is on its way here fits into a socket's buffer.
bool send_all(int fd, std::string_view octets) {
  return !octets.empty() && send(fd, octets.data(), octets.size(), MSG_NOSIGNAL) ==
                                static_cast<ssize_t>(octets.size());
}

/// What was received.
std::string_view received(ssize_t count) {
  return {buffer.data(), static_cast<std::size_t>(count)};
}

void from_plain_client(Pair& pair) {
  const ssize_t got = recv(pair.client.fd, buffer.data(), buffer.size(), 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0 || !send_all(pair.server.fd, for_server(received(got), false, pair.kept))) end(pair);
}

void from_tls_client(Pair& pair) {
  if (!pair.shaken) {
    const int done = SSL_do_handshake(pair.ssl);
    if (done != 1) {
      if (SSL_get_error(pair.ssl, done) != SSL_ERROR_WANT_READ) end(pair);
      return;
    }
    pair.shaken = true;
  }
  do {
    const int got = SSL_read(pair.ssl, buffer.data(), static_cast<int>(buffer.size()));
    if (got > 0 && send_all(pair.server.fd, for_server(received(got), true, pair.kept))) continue;
    if (got > 0 || SSL_get_error(pair.ssl, got) != SSL_ERROR_WANT_READ) end(pair);
    return;
  } while (SSL_has_pending(pair.ssl) == 1);
}

void from_server(Pair& pair) {
  const ssize_t got = recv(pair.server.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return end(pair);
  const std::string_view octets = for_client(received(got), pair.kept);
  const bool sent = pair.ssl == nullptr
                        ? send_all(pair.client.fd, octets)
                        : SSL_write(pair.ssl, octets.data(), static_cast<int>(octets.size())) > 0;
  if (!sent) end(pair);
}

void serve(Side& side) {
  if (side.kind == Side::plain_door || side.kind == Side::tls_door) return accept_all(side);
  if (side.pair->client.fd < 0) return;
  if (side.kind == Side::server) return from_server(*side.pair);
  side.pair->ssl != nullptr ? from_tls_client(*side.pair) : from_plain_client(*side.pair);
}

}  // namespace

static int forward(int count, char** words) {
  if (count != 6) {
    std::fputs("forward HTTP_PORT HTTPS_PORT BACKEND_PORT CERTIFICATE KEY\n", stderr);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  backend = local_address(std::atoi(words[3]));
  context = server_context(words[4], words[5], "\x08http/1.1");
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  poller = epoll_create1(EPOLL_CLOEXEC);
  Side plain{Side::plain_door, listen_on(std::atoi(words[1]))};
  Side tls{Side::tls_door, listen_on(std::atoi(words[2]))};
  watch(plain);
  watch(tls);
  std::array<epoll_event, 512> events;
  for (;;) {
    const int ready = epoll_wait(poller, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) serve(*static_cast<Side*>(events[i].data.ptr));
    while (dead != nullptr) {
      Pair* const next = dead->next_dead;
      delete dead;
      dead = next;
    }
  }
}
