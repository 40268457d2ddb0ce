#include "tests/support/h2_peer.hpp"

#include <nghttp2/nghttp2.h>

namespace gatehouse::test::h2 {
namespace {

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t out = 0;
  for (const char c : bytes.substr(at, 4)) out = (out << 8) | static_cast<unsigned char>(c);
  return out;
}

void append_string(std::string& out, std::string_view text) {
  // RFC 7541 §5.1: a 7-bit prefix, no Huffman coding.
  if (text.size() < 127) {
    out += static_cast<char>(text.size());
  } else {
    out += static_cast<char>(127);
    std::size_t left = text.size() - 127;
    for (; left >= 128; left >>= 7) out += static_cast<char>((left & 0x7F) | 0x80);
    out += static_cast<char>(left);
  }
  out += text;
}

}  // namespace

std::uint32_t Frame::number() const { return number_at(payload, type == goaway ? 4 : 0); }

std::string number(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xFF);
  return out;
}

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                  std::string_view payload) {
  std::string out = number(static_cast<std::uint32_t>(payload.size())).substr(1);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  return out.append(number(stream)).append(payload);
}

std::string block(const Pairs& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += '\0';
    append_string(out, name);
    append_string(out, value);
  }
  return out;
}

std::string setting(std::uint16_t id, std::uint32_t value) {
  return number(id).substr(2) + number(value);
}

std::string hello() { return std::string(preface) + frame(settings, none, 0); }

std::string request(std::uint32_t stream, const Pairs& fields, bool last) {
  const auto flags = static_cast<std::uint8_t>(end_headers | (last ? end_stream : none));
  return frame(headers, flags, stream, block(fields));
}

Pairs ask(std::string method, std::string path, const Pairs& more) {
  Pairs out = {{":method", std::move(method)},
               {":scheme", "https"},
               {":authority", "a.example"},
               {":path", std::move(path)}};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

std::string body(std::uint32_t stream, std::string_view bytes, bool last) {
  return frame(data, last ? end_stream : none, stream, bytes);
}
std::string grow(std::uint32_t stream, std::uint32_t by) {
  return frame(window_update, none, stream, number(by));
}
std::string reset(std::uint32_t stream, std::uint32_t code) {
  return frame(rst_stream, none, stream, number(code));
}

void Reader::Delete::operator()(nghttp2_hd_inflater* inflater) const {
  nghttp2_hd_inflate_del(inflater);
}

Reader::Reader() {
  nghttp2_hd_inflater* made = nullptr;
  nghttp2_hd_inflate_new(&made);
  inflater_.reset(made);
}

void Reader::read(std::string_view bytes) {
  rest_ += bytes;
  if (!begun_ && rest_.starts_with(preface)) rest_.erase(0, preface.size());
  begun_ = true;
  while (rest_.size() >= 9) {
    const std::size_t length = number_at(rest_, 0) >> 8;
    if (rest_.size() < 9 + length) return;
    Frame next;
    next.type = static_cast<std::uint8_t>(rest_[3]);
    next.flags = static_cast<std::uint8_t>(rest_[4]);
    next.stream = number_at(rest_, 5);
    next.payload = rest_.substr(9, length);
    rest_.erase(0, 9 + length);
    take(std::move(next));
  }
}

Pairs Reader::decode(std::string_view bytes) {
  Pairs out;
  const auto* at = reinterpret_cast<const std::uint8_t*>(bytes.data());
  std::size_t left = bytes.size();
  for (;;) {
    nghttp2_nv pair{};
    int flags = 0;
    const auto used = nghttp2_hd_inflate_hd2(inflater_.get(), &pair, &flags, at, left, 1);
    if (used < 0) return {{"undecodable", ""}};
    at += used;
    left -= static_cast<std::size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      out.emplace_back(std::string(reinterpret_cast<const char*>(pair.name), pair.namelen),
                       std::string(reinterpret_cast<const char*>(pair.value), pair.valuelen));
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
  }
  nghttp2_hd_inflate_end_headers(inflater_.get());
  return out;
}

void Reader::take(Frame next) {
  Message& message = streams_[next.stream];
  switch (next.type) {
    case headers:
    case continuation:
      if (next.type == headers) {
        block_.clear();
        block_ends_ = (next.flags & end_stream) != 0;
      }
      block_ += next.payload;
      if ((next.flags & end_headers) != 0) {
        message.blocks.push_back(decode(block_));
        message.ended = message.ended || block_ends_;
      }
      break;
    case data:
      message.body += next.payload;
      message.ended = message.ended || (next.flags & end_stream) != 0;
      break;
    case rst_stream:
      message.reset = static_cast<int>(next.number());
      break;
    default:
      break;
  }
  frames_.push_back(std::move(next));
}

std::string Reader::Message::field(std::string_view name, std::size_t at) const {
  if (at >= blocks.size()) return {};
  for (const auto& [key, value] : blocks[at]) {
    if (key == name) return value;
  }
  return {};
}

int Reader::Message::status() const {
  int out = 0;
  for (std::size_t at = 0; at < blocks.size(); ++at) {
    const std::string text = field(":status", at);
    if (!text.empty()) out = std::stoi(text);
  }
  return out;
}

std::size_t Reader::count(std::uint8_t type) const {
  std::size_t out = 0;
  for (const Frame& each : frames_) out += each.type == type ? 1 : 0;
  return out;
}

int Reader::goaway_code() const {
  int out = -1;
  for (const Frame& each : frames_) {
    if (each.type == goaway) out = static_cast<int>(each.number());
  }
  return out;
}

std::uint32_t Reader::goaway_last() const {
  std::uint32_t out = 0;
  for (const Frame& each : frames_) {
    if (each.type == goaway) out = number_at(each.payload, 0);
  }
  return out;
}

}  // namespace gatehouse::test::h2
