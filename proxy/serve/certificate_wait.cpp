#include "proxy/serve/certificate_wait.hpp"

#include <memory>
#include <optional>

#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {
namespace {

using Certificates = Result<tls::CertificateHandle>;

/// What the one who asks and the one who waits share.
struct Question {
  explicit Question(asio::io_context& io) : rung(io, Steady::max()) {}
  asio::steady_timer rung;  // set at Steady::max(), used as a condition
  std::optional<Certificates> answer;
};

/// Belongs to the worker's crew, not to the connection.
awaitable<void> ask(Worker& worker, std::shared_ptr<Question> question, std::string host,
                    asio::ip::address client) {
  auto answer = co_await worker.around.certificates.obtain(std::move(host), client);
  question->answer = std::move(answer);
  question->rung.cancel();
}

}  // namespace

awaitable<Certificates> wait_for_certificate(Worker& worker, std::string host,
                                             asio::ip::address client) {
  auto question = std::make_shared<Question>(worker.io);
  worker.crew.add(ask(worker, question, std::move(host), client));
  // Cancelled, the second round throws.
  while (!question->answer) co_await question->rung.async_wait(as_result);
  co_return std::move(*question->answer);
}

}  // namespace gatehouse::serve
