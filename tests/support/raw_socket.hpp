#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::test {

/// One end of a connection in the hands of a test: plain octets, no protocol, nothing hidden. Never
/// blocks; move() does what can be done now, and a test calls it between two turns of its
/// io_context.
class RawSocket {
 public:
  /// Takes the connected descriptor.
  explicit RawSocket(int descriptor);
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;
  ~RawSocket();
  /// Connected to 127.0.0.1:`port`, or under way to it.
  static std::unique_ptr<RawSocket> connect(std::uint16_t port);

  /// Queued; leaves as the kernel takes it.
  void send(std::string_view octets) { queue_ += octets; }
  /// Ends our side (FIN) once everything queued has left.
  void finish() { finishing_ = true; }
  /// Breaks the connection (RST).
  void reset();
  void close();
  /// Octets are left where they are: a peer that does not read.
  void stop_reading() { reading_ = false; }
  void read_again() { reading_ = true; }
  /// Keeps the kernel from taking more than about `bytes` that nobody reads.
  void small_receive_buffer(int bytes);

  /// Moves what can be moved; true when something was.
  bool move();

  std::string received;  // everything so far; a test may cut off what it has looked at
  std::size_t unsent() const { return queue_.size() - left_; }
  std::size_t sent() const { return sent_; }
  /// The other side ended its side, or broke the connection.
  bool ended() const { return ended_ || broken_; }
  bool broken() const { return broken_; }

 private:
  int fd_;
  std::string queue_;
  std::size_t left_ = 0;  // of the queue, how much has left
  std::size_t sent_ = 0;
  bool finishing_ = false;
  bool finished_ = false;
  bool reading_ = true;
  bool ended_ = false;
  bool broken_ = false;
};

/// A listening socket on a loopback port of the kernel's choice, or on a path, and every connection
/// that came.
class RawServer {
 public:
  RawServer();
  explicit RawServer(const std::string& unix_path);
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;
  ~RawServer();

  std::uint16_t port() const { return port_; }
  /// From now on connections are refused.
  void stop_listening();
  bool move();

  std::vector<std::unique_ptr<RawSocket>> connections;  // in order of arrival

 private:
  int fd_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace gatehouse::test
