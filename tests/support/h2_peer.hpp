#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct nghttp2_hd_inflater;

/// The other end of an HTTP/2 connection, frame by frame: nothing keeps it from breaking the
/// protocol. Field blocks are written without compression.
namespace gatehouse::test::h2 {

enum Type : std::uint8_t {
  data = 0,
  headers = 1,
  priority = 2,
  rst_stream = 3,
  settings = 4,
  push_promise = 5,
  ping = 6,
  goaway = 7,
  window_update = 8,
  continuation = 9,
};
enum Flag : std::uint8_t { none = 0, ack = 1, end_stream = 1, end_headers = 4, padded = 8 };

using Pairs = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Frame {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::string payload;

  /// The number at the start (WINDOW_UPDATE, RST_STREAM), or of a GOAWAY.
  std::uint32_t number() const;
};

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                  std::string_view payload = {});
std::string number(std::uint32_t value);
/// Literal fields without indexing (RFC 7541 §6.2.2).
std::string block(const Pairs& fields);
std::string setting(std::uint16_t id, std::uint32_t value);

/// Preface and empty SETTINGS.
std::string hello();
std::string request(std::uint32_t stream, const Pairs& fields, bool last = true);
/// The four pseudo-fields of a request, then `more`.
Pairs ask(std::string method, std::string path, const Pairs& more = {});
std::string body(std::uint32_t stream, std::string_view bytes, bool last);
std::string grow(std::uint32_t stream, std::uint32_t by);
std::string reset(std::uint32_t stream, std::uint32_t code);

/// Splits what was written into frames and remembers what belongs to which stream.
class Reader {
 public:
  Reader();
  /// Octets in any pieces; a client's preface at the start is read over.
  void read(std::string_view bytes);

  struct Message {
    std::vector<Pairs> blocks;
    std::string body;
    bool ended = false;
    int reset = -1;  // RST_STREAM's code
    std::string field(std::string_view name, std::size_t block = 0) const;
    int status() const;  // of the last block that has one
  };
  Message& stream(std::uint32_t id) { return streams_[id]; }
  const std::vector<Frame>& frames() const { return frames_; }
  std::size_t count(std::uint8_t type) const;
  /// The code of the last GOAWAY; -1: there was none.
  int goaway_code() const;
  std::uint32_t goaway_last() const;

 private:
  void take(Frame frame);
  Pairs decode(std::string_view bytes);

  struct Delete {
    void operator()(nghttp2_hd_inflater* inflater) const;
  };
  std::unique_ptr<nghttp2_hd_inflater, Delete> inflater_;
  std::string rest_;
  bool begun_ = false;
  bool block_ends_ = false;
  std::vector<Frame> frames_;
  std::map<std::uint32_t, Message> streams_;
  std::string block_;
};

}  // namespace gatehouse::test::h2
