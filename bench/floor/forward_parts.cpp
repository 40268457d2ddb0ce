// What forward_heads.cpp does, and what else each request costs a proxy at the least: a site and a
// route, an id, its deadlines on both sides, a place in the list of idle connections, its counts
// and its time. By the functions that Gatehouse does it with, one after the other: what joins them,
// what waits, what fails and what comes in pieces is still not there.
#include <random>
#include <vector>

#include "config/load.hpp"
#include "core/base/asio.hpp"
#include "core/base/bytes.hpp"
#include "core/base/clock.hpp"
#include "core/base/entropy.hpp"
#include "core/net/deadline_wheel.hpp"
#include "core/tls/tickets.hpp"
#include "proxy/serve/request_path.hpp"
#include "proxy/serve/snapshot.hpp"

namespace {

gatehouse::SystemClock time_now;
gatehouse::net::DeadlineWheel wheel(time_now);
void never(void*) noexcept {}

}  // namespace

/// A client's connection and the server's.
struct Kept {
  gatehouse::net::DeadlineWheel::Entry client_reads{wheel, this, &never};
  gatehouse::net::DeadlineWheel::Entry client_writes{wheel, this, &never};
  gatehouse::net::DeadlineWheel::Entry server_reads{wheel, this, &never};
  gatehouse::net::DeadlineWheel::Entry server_writes{wheel, this, &never};
  gatehouse::Steady began{};
};

#include "forward.hpp"
#include "heads.hpp"

namespace {

using namespace std::chrono_literals;

std::shared_ptr<const serve::Snapshot> served;
const serve::HostMap* sites = nullptr;
std::mt19937_64 random_bits(7);
std::array<char, 32> id;
std::string path_room;
std::vector<Kept*> idle_servers;

struct Counts {
  std::uint64_t requests = 0;
  std::uint64_t octets_in = 0;
  std::uint64_t octets_out = 0;
  std::array<std::uint64_t, 6> by_status{};
  std::array<std::uint64_t, 16> by_time{};
} counts;

std::shared_ptr<const serve::Snapshot> one_site() {
  const auto read = config::load_text(
      "[server]\nhttp = [\"127.0.0.1:80\"]\nhttps = []\n[[site]]\nhosts = [\"localhost\"]\n"
      "tls.mode = \"off\"\nrespond = {}\n",
      "floor", config::Surroundings::system());
  const auto config = std::make_shared<const config::Config>(read.config.value());
  SystemEntropy entropy;
  const auto keys = std::make_shared<tls::TicketKeys>(entropy, std::chrono::system_clock::now());
  return serve::Snapshot::build(config, keys).value();
}

void write_id() {
  const std::array<std::uint64_t, 2> bits{random_bits(), random_bits()};
  write_hex({reinterpret_cast<const char*>(bits.data()), sizeof bits}, id.data());
}

bool has_route() {
  std::string_view host = request.authority;
  host = host.substr(0, host.find(':'));
  const serve::Site* const site = sites->find(host);
  const serve::RequestPath path = serve::RequestPath::of(request.path, path_room);
  return site != nullptr && site->route(request, path.text, hop.client_ip) != nullptr;
}

}  // namespace

static std::string_view for_server(std::string_view octets, bool secure, Kept& kept) {
  kept.began = time_now.steady();
  kept.client_reads.set(Steady::max());
  write_id();
  const std::string_view out_octets = request_for_server(octets, secure);
  if (out_octets.empty() || !has_route()) return {};
  idle_servers.pop_back();
  kept.server_writes.set(kept.began + 60s);
  kept.server_reads.set(kept.began + 60s);
  counts.octets_in += octets.size();
  return out_octets;
}

static std::string_view for_client(std::string_view octets, Kept& kept) {
  const Steady now = time_now.steady();
  kept.server_writes.set(Steady::max());
  kept.server_reads.set(Steady::max());
  const std::string_view out_octets = answer_for_client(octets);
  idle_servers.push_back(&kept);
  kept.client_writes.set(now + 60s);
  kept.client_reads.set(now + 75s);
  ++counts.requests;
  ++counts.by_status[static_cast<std::size_t>(response.status / 100)];
  counts.octets_out += out_octets.size();
  const auto taken = static_cast<std::uint64_t>((now - kept.began).count());
  ++counts.by_time[std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(taken)) / 3, 15)];
  return out_octets;
}

int main(int count, char** words) {
  const RecyclingThread recycling;
  served = one_site();
  sites = &served->endpoint("127.0.0.1:80")->sites;
  idle_servers.resize(1024);
  hop.peer = hop.client_ip = asio::ip::make_address("127.0.0.1");
  hop.port = 443;
  hop.request_id = {id.data(), id.size()};
  return forward(count, words);
}
