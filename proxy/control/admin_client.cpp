#include "proxy/control/admin_client.hpp"

#include <unistd.h>

#include <cerrno>
#include <optional>

#include "core/base/asio.hpp"
#include "core/base/clock.hpp"
#include "core/base/helper_pool.hpp"
#include "core/http/h1_client.hpp"
#include "core/net/buffer_pool.hpp"
#include "core/net/crew.hpp"
#include "core/net/dialer.hpp"
#include "core/net/resolver.hpp"

namespace gatehouse::control {
namespace {

constexpr std::chrono::seconds answer_patience{120};  // a reload may read many files
constexpr std::size_t most_octets = 256 * 1024 * 1024;

struct Question {
  AdminAddress where;
  std::string token;
  std::string method;
  std::string path;
};

/// What one request needs around it.
struct Bench {
  asio::io_context io;
  SystemClock clock;
  HelperPool helpers{1};
  net::SystemResolver resolver{helpers};
  net::SystemDialer dialer{clock, resolver};
  net::DeadlineWheel wheel{clock};
  net::BufferPool buffers;
};

/// The socket and the folder it is in are its user's alone.
bool is_of_another_user(const AdminAddress& where) {
  return where.kind == AdminAddress::Kind::unix_socket && ::access(where.path.c_str(), W_OK) != 0 &&
         errno == EACCES;
}

Error nobody(const AdminAddress& where, const Error& why) {
  const std::string detail =
      "no running Gatehouse answers at " + where.text() + " (" + why.detail() + ")";
  if (!is_of_another_user(where)) return Error(why.fault(), why.side(), detail);
  return Error(why.fault(), why.side(), detail + ": that belongs to another user, so try sudo");
}

awaitable<Result<std::string>> read_body(http::ClientExchange& exchange) {
  std::string body;
  while (true) {
    const auto piece = co_await exchange.read_body();
    if (!piece) co_return piece.error();
    body.append(piece->bytes);
    if (piece->last) co_return body;
    if (body.size() > most_octets) co_return Error(Fault::limit, Side::server, "answer too long");
  }
}

awaitable<Result<AdminAnswer>> ask(Bench& bench, const Question& question) {
  net::Target target;
  if (question.where.kind == AdminAddress::Kind::unix_socket) {
    target.unix_path = question.where.path;
  } else {
    target.host = question.where.host;
    target.port = question.where.port;
  }
  const Steady deadline = bench.clock.steady() + answer_patience;
  auto stream = co_await bench.dialer.dial(std::move(target), deadline, bench.wheel, Side::server);
  if (!stream) co_return nobody(question.where, stream.error());
  (*stream)->deadline(net::Want::read, deadline);
  (*stream)->deadline(net::Want::write, deadline);

  http::H1ClientConnection connection(*std::move(stream), bench.buffers);
  const std::string authority =
      question.where.kind == AdminAddress::Kind::unix_socket ? "localhost" : question.where.text();
  http::RequestHead head;
  head.method = question.method;
  head.path = question.path;
  head.authority = authority;
  const std::string bearer = "Bearer " + question.token;
  if (!question.token.empty()) head.fields.add("Authorization", bearer);
  if (question.method == "POST") head.length = http::BodyLength::counted(0);
  const auto sent = co_await connection.send_head(head);
  if (!sent) co_return sent.error();
  const auto answered = co_await connection.read_head();
  if (!answered) co_return answered.error();
  AdminAnswer answer;
  answer.status = (*answered)->status;
  auto body = co_await read_body(connection);
  if (!body) co_return body.error();
  answer.body = *std::move(body);
  co_return answer;
}

awaitable<void> ask_and_note(Bench& bench, const Question& question,
                             std::optional<Result<AdminAnswer>>& into) {
  auto answer = co_await ask(bench, question);
  into = std::move(answer);
  bench.io.stop();
}

}  // namespace

Result<AdminAnswer> ask_admin(const AdminAddress& where, const std::string& token,
                              std::string method, std::string path) {
  if (where.kind == AdminAddress::Kind::off) {
    return Error(Fault::refused, Side::self, "admin.listen is \"off\": nobody can be asked");
  }
  const Question question{where, token, std::move(method), std::move(path)};
  std::optional<Result<AdminAnswer>> answer;
  Bench bench;
  net::Crew crew(bench.io.get_executor());
  crew.add(bench.wheel.run());
  crew.add(ask_and_note(bench, question, answer));
  bench.io.run();
  crew.stop();
  bench.io.restart();
  bench.io.run();
  if (!answer) return Error(Fault::io, Side::self, "the admin API could not be asked");
  return *std::move(answer);
}

}  // namespace gatehouse::control
