// What the minimal proxies of this folder begin with.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

[[noreturn]] inline void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

inline void no_delay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

inline sockaddr_in local_address(int port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  out.sin_port = htons(static_cast<std::uint16_t>(port));
  return out;
}

inline int listen_on(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in at = local_address(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) fail("bind");
  if (listen(fd, 4096) != 0) fail("listen");
  return fd;
}

/// `alpn`: the one protocol spoken, with its length before it.
template <std::size_t size>
SSL_CTX* server_context(const char* certificate, const char* key, const char (&alpn)[size]) {
  static const char* spoken = alpn;
  SSL_CTX* const out = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_read_ahead(out, 1);
  SSL_CTX_set_session_cache_mode(out, SSL_SESS_CACHE_OFF);
  const auto choose = [](SSL*, const unsigned char** chosen, unsigned char* length,
                         const unsigned char* offered, unsigned int offered_length, void*) {
    unsigned char* found = nullptr;
    const int how =
        SSL_select_next_proto(&found, length, reinterpret_cast<const unsigned char*>(spoken),
                              size - 1, offered, offered_length);
    *chosen = found;
    return how == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
  };
  SSL_CTX_set_alpn_select_cb(out, choose, nullptr);
  if (SSL_CTX_use_certificate_chain_file(out, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(out, key, SSL_FILETYPE_PEM) != 1) {
    std::fputs("certificate and key cannot be used\n", stderr);
    std::exit(1);
  }
  return out;
}
