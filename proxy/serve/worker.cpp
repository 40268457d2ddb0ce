#include "proxy/serve/worker.hpp"

#include <pthread.h>

#include <bit>
#include <exception>
#include <utility>

#include "core/base/counted_apart.hpp"
#include "core/base/elsewhere.hpp"
#include "core/base/letterbox.hpp"
#include "core/base/log.hpp"
#include "core/base/patient_locks.hpp"
#include "core/base/recycling.hpp"
#include "core/base/short_turns.hpp"
#include "core/net/readiness.hpp"
#include "proxy/serve/backend/pools.hpp"
#include "proxy/serve/cpus.hpp"
#include "proxy/serve/handlers/forward_auth.hpp"
#include "proxy/serve/listening.hpp"

namespace gatehouse::serve {
namespace {

/// Serves until Workers::stop(). What escapes from a handler is our bug; the others go on.
void run(Worker& worker) {
  const std::string name = "worker-" + std::to_string(worker.index);
  ::pthread_setname_np(::pthread_self(), name.c_str());
  take_short_turns(serving_turn);
  use_patient_locks();
  const RecyclingThread recycling;
  for (;;) {
    try {
      worker.io.run();
      return;
    } catch (const std::exception& e) {
      log::error("worker caught an exception", {{"worker", worker.index}, {"what", e.what()}});
    }
  }
}

/// Ends what runs on the worker, then its loop.
awaitable<void> wind_up(Worker& worker) {
  worker.cut_connections();
  worker.crew.stop();
  co_await worker.clients.gone();
  co_await worker.crew.gone();
  co_await asio::post(asio::use_awaitable);  // behind those that rested and are being told
  worker.io.stop();
}

void rethrow_nothing(std::exception_ptr failure) {
  if (failure) log::error("worker could not wind up");
}

awaitable<void> call(Worker& worker, const Workers::Job& job) {
  job(worker);
  co_return;
}

}  // namespace

void Counters::reject(std::string_view reason) {
  ++rejected;
  const auto found = rejected_by.find(reason);
  if (found != rejected_by.end()) {
    ++found->second;
  } else {
    rejected_by.emplace(reason, 1);
  }
}

Counters& Counters::operator+=(const Counters& other) {
  for (const auto field :
       {&Counters::connections, &Counters::handshakes, &Counters::handshakes_resumed,
        &Counters::handshakes_failed, &Counters::unknown_sni, &Counters::passed_through,
        &Counters::challenges, &Counters::requests, &Counters::bytes_in, &Counters::bytes_out,
        &Counters::rejected, &Counters::accept_pauses, &Counters::log_lines_dropped,
        &Counters::open, &Counters::idle, &Counters::tunnels}) {
    this->*field += other.*field;
  }
  for (std::size_t i = 0; i < answers.size(); ++i) answers[i] += other.answers[i];
  for (const auto& [reason, count] : other.rejected_by) rejected_by[reason] += count;
  return *this;
}

Worker::Worker(std::size_t place, std::size_t of, const Surroundings& outside)
    : index(place),
      of_workers(of),
      around(outside),
      clock(outside.clock),
      wheel(clock),
      date(clock),
      passwords(around.hashers != nullptr ? *around.hashers : around.helpers, around.entropy, crew,
                place),
      crew(io.get_executor()),
      clients(io.get_executor()) {
  std::array<char, sizeof random_> seed;
  around.entropy.fill(seed);
  random_ = std::bit_cast<decltype(random_)>(seed);
  net::Readiness::of(io.get_executor());  // what it needs is had now or never
  random_[0] |= 1;                        // the generator below stands still on all zeroes
  const backend::Means means{clock, around.resolver, around.dialer, wheel, buffers,
                             crew,  sticky_key};
  pools = std::make_shared<backend::Pools>(means, [this] { return random(); });
}

Worker::~Worker() = default;

void Worker::cut_connections() {
  // Who waits for the client learns it from the stream, everybody else by being cancelled.
  connections.close_streams();
  clients.stop();
}

/// xoshiro256** by Blackman and Vigna.
std::uint64_t Worker::random() {
  const std::uint64_t result = std::rotl(random_[1] * 5, 7) * 9;
  const std::uint64_t shifted = random_[1] << 17;
  random_[2] ^= random_[0];
  random_[3] ^= random_[1];
  random_[1] ^= random_[2];
  random_[0] ^= random_[3];
  random_[2] ^= shifted;
  random_[3] = std::rotl(random_[3], 45);
  return result;
}

Workers::Workers(unsigned count, const Surroundings& around) {
  const unsigned wanted = count == 0 ? available_cpus() : count;
  for (unsigned i = 0; i < wanted; ++i) {
    workers_.push_back(std::make_unique<Worker>(i, wanted, around));
  }
}

Workers::~Workers() { stop(); }

void Workers::start() {
  for (auto& worker : workers_) {
    Letterbox::open(worker->io);
    worker->crew.add(worker->wheel.run());
    threads_.emplace_back(run, std::ref(*worker));
  }
}

void Workers::stop() {
  if (threads_.empty()) return;
  for (auto& worker : workers_) {
    asio::co_spawn(worker->io, wind_up(*worker), rethrow_nothing);
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

awaitable<void> Workers::on_each(Job job) {
  for (auto& worker : workers_) {
    if (threads_.empty()) {
      job(*worker);
      continue;
    }
    auto task = call(*worker, job);
    co_await run_elsewhere(worker->io.get_executor(), std::move(task));
  }
}

awaitable<void> Workers::publish(std::shared_ptr<const Snapshot> next,
                                 std::shared_ptr<const backend::Plans> plans) {
  // A hundred thousand certificates are not freed on a thread that serves.
  std::vector<tls::CertificateHandle> evicted;
  const Job job = [&, next, plans](Worker& worker) {
    worker.pools->reconcile(plans ? *plans : next->backends());
    if (worker.listening) worker.listening->change_over(*next);
    for (auto& one : worker.certificates.limit(next->server().certificates_in_memory))
      evicted.push_back(std::move(one));
    worker.snapshot = counted_apart(next);
  };
  co_await on_each(job);
}

awaitable<void> Workers::publish(std::shared_ptr<const backend::Plans> plans) {
  const Job job = [plans](Worker& worker) { worker.pools->reconcile(*plans); };
  co_await on_each(job);
}

awaitable<Counters> Workers::counters() {
  Counters sum;
  const Job job = [&sum](Worker& worker) {
    using State = LiveConnections::State;
    sum += worker.counters;  // one worker after the other: on_each() waits for each
    sum.open += worker.connections.count();
    sum.idle += worker.connections.count(State::idle);
    sum.tunnels += worker.connections.tunnels();
  };
  co_await on_each(job);
  co_return sum;
}

}  // namespace gatehouse::serve
