// The floor of a plain request by another way to the sockets than a call for each: one io_uring,
// asked once per turn for all that is to be sent and all that has come. For the comparison in
// bench/, not for use.
//
//   forward_uring HTTP_PORT HTTPS_PORT BACKEND_PORT      HTTPS_PORT is listened on, and no more
#include <liburing.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "serving.hpp"

namespace {

constexpr unsigned buffers = 1024;  // a power of two
constexpr unsigned buffer_octets = 8192;

struct Pair;
struct Side {
  int fd = -1;
  Pair* pair = nullptr;
};
struct Pair {
  Side client;
  Side server;
  bool over = false;
};

// What a completion is of stands in the lowest bits of its tag.
enum Kind : std::uint64_t { accepted = 0, received = 1, sent = 2, kinds = 3 };

io_uring ring;
io_uring_buf_ring* pool = nullptr;
char* memory = nullptr;
sockaddr_in backend{};

io_uring_sqe& next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring);
  if (entry == nullptr) {
    io_uring_submit(&ring);
    entry = io_uring_get_sqe(&ring);
  }
  if (entry == nullptr) fail("io_uring_get_sqe");
  return *entry;
}

char* buffer(unsigned number) { return memory + std::size_t{number} * buffer_octets; }

void give_back(unsigned number) {
  io_uring_buf_ring_add(pool, buffer(number), buffer_octets, static_cast<unsigned short>(number),
                        io_uring_buf_ring_mask(buffers), 0);
  io_uring_buf_ring_advance(pool, 1);
}

/// Whatever comes, into whichever buffer is free.
void receive(Side& side) {
  io_uring_sqe& entry = next_entry();
  io_uring_prep_recv_multishot(&entry, side.fd, nullptr, 0, 0);
  entry.flags |= IOSQE_BUFFER_SELECT;
  entry.ioprio |= IORING_RECVSEND_POLL_FIRST;
  io_uring_sqe_set_data64(&entry, reinterpret_cast<std::uint64_t>(&side) | received);
}

void accept_from(int door) {
  io_uring_sqe& entry = next_entry();
  io_uring_prep_multishot_accept(&entry, door, nullptr, nullptr, SOCK_CLOEXEC);
  io_uring_sqe_set_data64(&entry, accepted);
}

void begin(int client) {
  no_delay(client);
  Pair* const pair = new Pair;
  pair->client = {client, pair};
  pair->server = {socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), pair};
  if (connect(pair->server.fd, reinterpret_cast<sockaddr*>(&backend), sizeof backend) != 0) {
    fail("connect");
  }
  no_delay(pair->server.fd);
  receive(pair->client);
  receive(pair->server);
}

/// The pair itself stays: completions may still point to it.
void end(Pair& pair) {
  if (pair.over) return;
  pair.over = true;
  for (const Side& side : {pair.client, pair.server}) {
    shutdown(side.fd, SHUT_RDWR);
    close(side.fd);
  }
}

void pass_on(Side& from, const io_uring_cqe& done) {
  if (done.res == -ENOBUFS) return receive(from);
  if (done.res <= 0) return end(*from.pair);
  const unsigned number = done.flags >> IORING_CQE_BUFFER_SHIFT;
  const Side& to = &from == &from.pair->client ? from.pair->server : from.pair->client;
  io_uring_sqe& entry = next_entry();
  io_uring_prep_send(&entry, to.fd, buffer(number), static_cast<std::size_t>(done.res),
                     MSG_NOSIGNAL);
  io_uring_sqe_set_data64(&entry, std::uint64_t{number} << 2 | sent);
  if ((done.flags & IORING_CQE_F_MORE) == 0) receive(from);
}

void take(const io_uring_cqe& done) {
  switch (done.user_data & kinds) {
    case accepted:
      if (done.res >= 0) begin(done.res);
      break;
    case received:
      pass_on(*reinterpret_cast<Side*>(done.user_data & ~std::uint64_t{kinds}), done);
      break;
    default:
      give_back(static_cast<unsigned>(done.user_data >> 2));
  }
}

void set_up() {
  io_uring_params wanted{};
  wanted.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
  wanted.cq_entries = 8192;
  if (io_uring_queue_init_params(4096, &ring, &wanted) != 0) fail("io_uring_queue_init_params");
  constexpr std::size_t page = 4096;
  pool = static_cast<io_uring_buf_ring*>(std::aligned_alloc(page, buffers * sizeof(io_uring_buf)));
  memory = static_cast<char*>(std::aligned_alloc(page, std::size_t{buffers} * buffer_octets));
  if (pool == nullptr || memory == nullptr) throw std::bad_alloc();
  io_uring_buf_reg lent{};
  lent.ring_addr = reinterpret_cast<std::uint64_t>(pool);
  lent.ring_entries = buffers;
  if (io_uring_register_buf_ring(&ring, &lent, 0) != 0) fail("io_uring_register_buf_ring");
  io_uring_buf_ring_init(pool);
  for (unsigned number = 0; number < buffers; ++number) give_back(number);
}

}  // namespace

int main(int count, char** words) {
  if (count < 4) {
    std::fputs("forward_uring HTTP_PORT HTTPS_PORT BACKEND_PORT\n", stderr);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  backend = local_address(std::atoi(words[3]));
  set_up();
  accept_from(listen_on(std::atoi(words[1])));
  listen_on(std::atoi(words[2]));
  for (;;) {
    io_uring_submit_and_wait(&ring, 1);
    io_uring_cqe* done = nullptr;
    unsigned head = 0;
    unsigned taken = 0;
    io_uring_for_each_cqe(&ring, head, done) {
      take(*done);
      ++taken;
    }
    io_uring_cq_advance(&ring, taken);
  }
}
