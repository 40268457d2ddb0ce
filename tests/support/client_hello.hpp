#pragma once

#include <string>

/// ClientHellos made by hand, as odd as a test wants them.
namespace gatehouse::test {

inline std::string octets16(std::size_t number) {
  return {static_cast<char>(number >> 8 & 0xFF), static_cast<char>(number & 0xFF)};
}
inline std::string counted(const std::string& body) { return octets16(body.size()) + body; }
inline std::string hello_extension(unsigned kind, const std::string& body) {
  return octets16(kind) + counted(body);
}
inline std::string server_name_extension(const std::string& name) {
  return hello_extension(0, counted(std::string(1, '\0') + counted(name)));
}

/// A ClientHello message around these extensions; `tail` stands where nothing belongs.
inline std::string hello_message(const std::string& extensions, const std::string& tail = {}) {
  std::string body = "\x03\x03" + std::string(32, 'r') + '\x04' + "sess" + octets16(2) + "\x13\x01";
  body += std::string("\x01\x00", 2) + counted(extensions) + tail;
  return '\x01' + std::string(1, '\0') + octets16(body.size()) + body;
}

/// A handshake message in records of `each` octets.
inline std::string in_records(const std::string& message, std::size_t each = 16'000) {
  std::string out;
  for (std::size_t at = 0; at < message.size(); at += each) {
    out += "\x16\x03\x01" + counted(message.substr(at, each));
  }
  return out;
}

/// What a client says first that wants to talk to `name`.
inline std::string hello_for(const std::string& name) {
  return in_records(hello_message(server_name_extension(name)));
}

}  // namespace gatehouse::test
