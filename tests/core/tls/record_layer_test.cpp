// What a lean server answers to records that should not be, and what OpenSSL's own server says to
// the same octets.

#include "core/tls/detail/record_layer.hpp"

#include <limits>

#include "tests/core/tls/forged_client.hpp"

namespace gatehouse::tls::test::record_layer_test {
namespace {

using detail::Alert;
using detail::ContentType;
using detail::RecordKey;
using detail::Suite;
using net::IoState;

constexpr auto data_type = static_cast<char>(23);

std::string zeros(std::size_t size) { return std::string(size, '\0'); }
std::string words(std::size_t size) { return std::string(size, 'w'); }
std::string key_update(char kind) { return std::string("\x18\0\0\1", 4) + kind; }

struct Outcome {
  IoState end;
  std::string said;
  std::size_t data;
  bool operator==(const Outcome&) const = default;
};
doctest::String toString(const Outcome& outcome) {
  return ("end " + std::to_string(static_cast<int>(outcome.end)) + ", said '" + outcome.said +
          "', data " + std::to_string(outcome.data))
      .c_str();
}

using Forge = std::function<std::string(Forger&)>;

Outcome outcome(bool lean, const Forge& forge, std::size_t at_most = Script::no_limit) {
  ForgedClient live(lean);
  live.server.script->at_most(at_most);
  live.server.script->send(forge(*live.forger));
  live.read();
  // Whatever it was, nothing comes after an end, and a dead stream stays dead.
  if (live.end == IoState::failed) CHECK(live.stream->try_write("x").state == IoState::failed);
  if (live.end != IoState::want_read) {
    live.server.script->send(live.forger->data("more"));
    const IoState first = live.end;
    live.read();
    CHECK(live.end == first);
  }
  return {live.end, live.said(), live.data.size()};
}

const Outcome fine{IoState::want_read, "", 0};
Outcome all_well(std::size_t data) { return {IoState::want_read, "", data}; }
Outcome failed(Alert alert, std::size_t data = 0) {
  return {IoState::failed, "fatal " + std::to_string(static_cast<int>(alert)), data};
}
const Outcome failed_silently{IoState::failed, "", 0};

/// Records in the order they are made in.
std::string in_turn(std::initializer_list<std::string> records) {
  std::string out;
  for (const std::string& record : records) out += record;
  return out;
}

struct Row {
  const char* name;
  Forge forge;
  Outcome ours;
  std::optional<Outcome> openssl = std::nullopt;  // where it is not the same
};

std::string repeat(int count, const std::function<std::string()>& make) {
  std::string out;
  for (int i = 0; i < count; ++i) out += make();
  return out;
}

/// Each under the key that the one before it has brought.
std::string updates(Forger& forger, int count) {
  return repeat(count, [&] {
    const std::string update = forger.handshake(key_update(0));
    forger.update();
    return update;
  });
}

const std::vector<Row>& rows() {
  constexpr auto unexpected = Alert::unexpected_message;
  constexpr auto overflow = Alert::record_overflow;
  constexpr auto bad_mac = Alert::bad_record_mac;
  constexpr std::size_t most = 16 * 1024;
  static const std::vector<Row> table = {
      {"data", [](Forger& f) { return f.data("words"); }, all_well(5)},
      {"the largest record", [](Forger& f) { return f.data(words(most)); }, all_well(most)},
      {"padding", [](Forger& f) { return f.seal("words" + std::string(1, data_type) + zeros(99)); },
       all_well(5)},
      {"the largest padding",
       [](Forger& f) { return f.seal("w" + std::string(1, data_type) + zeros(most - 1)); },
       all_well(1)},
      // RFC 8446 §5.4: padding may not make a record larger than it could be without.
      {"too much padding",
       [](Forger& f) { return f.seal("w" + std::string(1, data_type) + zeros(most)); },
       failed(overflow), all_well(1)},
      {"one octet too many", [](Forger& f) { return f.data(words(most + 1)); }, failed(overflow)},
      {"as many as AEAD could add", [](Forger& f) { return f.data(words(most + 239)); },
       failed(overflow)},
      {"a header of a record too large",
       [](Forger&) { return std::string("\x17\x03\x03\x41\x01", 5); }, failed(overflow)},
      {"the largest header, and noise",
       [](Forger&) { return std::string("\x17\x03\x03\x41\x00", 5) + words(most + 256); },
       failed(bad_mac)},
      {"data first, then noise",
       [](Forger& f) {
         return f.data("words") + std::string("\x17\x03\x03\x00\x20", 5) + words(32);
       },
       failed(bad_mac, 5)},

      {"change_cipher_spec", [](Forger&) { return std::string("\x14\x03\x03\x00\x01\x01", 6); },
       failed(unexpected)},
      {"an alert in the clear",
       [](Forger&) { return std::string("\x15\x03\x03\x00\x02\x02\x28", 7); }, failed(unexpected)},
      {"close_notify in the clear",
       [](Forger&) { return std::string("\x15\x03\x03\x00\x02\x01\x00", 7); }, failed(unexpected)},
      {"a handshake message in the clear",
       [](Forger&) { return std::string("\x16\x03\x03\x00\x05", 5) + key_update(0); },
       failed(unexpected)},
      {"a heartbeat in the clear",
       [](Forger&) { return std::string("\x18\x03\x03\x00\x01\x01", 6); }, failed(unexpected)},
      {"data in the clear", [](Forger&) { return std::string("\x17\x03\x03\x00\x05words", 10); },
       failed(bad_mac)},
      {"nothing at all in a record", [](Forger&) { return std::string("\x17\x03\x03\x00\x00", 5); },
       failed(bad_mac)},
      {"less than a tag",
       [](Forger&) { return std::string("\x17\x03\x03\x00\x0f", 5) + words(15); }, failed(bad_mac)},
      {"no more than a wrong tag",
       [](Forger&) { return std::string("\x17\x03\x03\x00\x10", 5) + words(16); }, failed(bad_mac)},
      // RFC 8446 §5.4 knows what a good record without a type is.
      {"no more than the right tag", [](Forger& f) { return f.seal_nothing(); }, failed(unexpected),
       failed(bad_mac)},

      {"a changed tag",
       [](Forger& f) {
         std::string record = f.data("words");
         record.back() = static_cast<char>(record.back() ^ 1);
         return record;
       },
       failed(bad_mac)},
      {"a changed octet",
       [](Forger& f) {
         std::string record = f.data("words");
         record[6] = static_cast<char>(record[6] ^ 0x80);
         return record;
       },
       failed(bad_mac)},
      // The version means nothing to us (RFC 8446 §5.1), but the tag covers it.
      {"another version in the header",
       [](Forger& f) {
         std::string record = f.data("words");
         record[2] = 1;
         return record;
       },
       failed(bad_mac), failed(Alert::decode_error)},
      {"a length that is not the sealed one",
       [](Forger& f) {
         std::string record = f.data("words") + "w";
         record[4] = static_cast<char>(record[4] + 1);
         return record;
       },
       failed(bad_mac)},
      {"the same record twice",
       [](Forger& f) {
         const std::string record = f.data("words");
         return record + record;
       },
       failed(bad_mac, 5)},
      {"a record left out",
       [](Forger& f) {
         f.data("lost");
         return f.data("words");
       },
       failed(bad_mac)},

      {"nothing but padding", [](Forger& f) { return f.seal(zeros(1)); }, failed(unexpected)},
      {"nothing but much padding", [](Forger& f) { return f.seal(zeros(5000)); },
       failed(unexpected)},
      {"change_cipher_spec inside", [](Forger& f) { return f.seal("\x01\x14"); },
       failed(unexpected)},
      {"a heartbeat inside", [](Forger& f) { return f.seal("\x01\x18"); }, failed(unexpected)},
      {"a type nobody knows", [](Forger& f) { return f.seal("\x01\xff"); }, failed(unexpected)},

      {"32 empty records", [](Forger& f) { return repeat(32, [&] { return f.data(""); }); }, fine},
      {"33 empty records", [](Forger& f) { return repeat(33, [&] { return f.data(""); }); },
       failed(unexpected)},
      {"33 records of padding",
       [](Forger& f) {
         return repeat(33, [&] { return f.seal(std::string(1, data_type) + zeros(10)); });
       },
       failed(unexpected)},
      {"empty records with data between them",
       [](Forger& f) {
         return repeat(5, [&] {
           return in_turn({repeat(20, [&] { return f.data(""); }), f.data("w")});
         });
       },
       all_well(5)},

      {"an empty handshake record", [](Forger& f) { return f.handshake(""); }, failed(unexpected)},
      {"hello_request", [](Forger& f) { return f.handshake(zeros(4)); }, failed(unexpected)},
      {"a ClientHello",
       [](Forger& f) { return f.handshake(std::string("\x01\x00\x00\x20", 4) + words(32)); },
       failed(unexpected)},
      {"a session ticket",
       [](Forger& f) { return f.handshake(std::string("\x04\x00\x00\x20", 4) + words(32)); },
       failed(unexpected)},
      {"the end of early data", [](Forger& f) { return f.handshake(std::string("\x05\0\0\0", 4)); },
       failed(unexpected)},
      {"a certificate nobody asked for",
       [](Forger& f) { return f.handshake(std::string("\x0b\x00\x00\x04\x00\x00\x00\x00", 8)); },
       failed(unexpected)},
      {"another Finished",
       [](Forger& f) { return f.handshake(std::string("\x14\x00\x00\x20", 4) + words(32)); },
       failed(unexpected)},
      {"a message nobody knows",
       [](Forger& f) { return f.handshake(std::string("\xf0\x00\x00\x00", 4)); },
       failed(unexpected)},

      {"new keys",
       [](Forger& f) {
         const std::string update = f.handshake(key_update(0));
         f.update();
         return in_turn({update, f.data("words")});
       },
       all_well(5)},
      {"new keys, octet by octet",
       [](Forger& f) {
         std::string update;
         for (const char octet : key_update(0)) update += f.handshake(std::string(1, octet));
         f.update();
         return in_turn({update, f.data("words")});
       },
       all_well(5)},
      {"new keys, and data under the old",
       [](Forger& f) {
         return in_turn({f.handshake(key_update(0)), f.data("words")});
       },
       failed(bad_mac)},
      {"a KeyUpdate of no kind", [](Forger& f) { return f.handshake(key_update(2)); },
       failed(Alert::illegal_parameter)},
      {"an empty KeyUpdate", [](Forger& f) { return f.handshake(std::string("\x18\0\0\0", 4)); },
       failed(Alert::decode_error)},
      // RFC 8446 §6.2: the length of a message is for decode_error.
      {"a long KeyUpdate", [](Forger& f) { return f.handshake(std::string("\x18\0\0\2\0\0", 6)); },
       failed(Alert::decode_error), failed(Alert::illegal_parameter)},
      {"a KeyUpdate as long as can be",
       [](Forger& f) { return f.handshake(std::string("\x18\xff\xff\xff\0\0", 6)); },
       failed(Alert::decode_error), failed(Alert::illegal_parameter)},
      {"as many KeyUpdates as may be", [](Forger& f) { return updates(f, 64); }, fine},
      // OpenSSL has no such bound: its connection ends without its knowledge.
      {"one KeyUpdate more", [](Forger& f) { return updates(f, 65); }, failed(unexpected),
       failed_silently},
      {"as many again behind data",
       [](Forger& f) {
         return in_turn({updates(f, 64), f.data("words"), updates(f, 64)});
       },
       all_well(5)},
      {"two KeyUpdates in a record",
       [](Forger& f) { return f.handshake(key_update(0) + key_update(0)); }, failed(unexpected)},
      {"something behind a KeyUpdate",
       [](Forger& f) { return f.handshake(key_update(0) + "\x18"); }, failed(unexpected)},
      {"data between the parts of a KeyUpdate",
       [](Forger& f) {
         return in_turn({f.handshake(key_update(0).substr(0, 2)), f.data("words"),
                         f.handshake(key_update(0).substr(2))});
       },
       failed(unexpected)},
      {"an alert between the parts of a KeyUpdate",
       [](Forger& f) {
         return in_turn({f.handshake("\x18"), f.alert(std::string("\1\0", 2))});
       },
       failed(unexpected)},

      {"close_notify", [](Forger& f) { return f.alert(std::string("\1\0", 2)); },
       Outcome{IoState::end, "", 0}},
      {"close_notify as a fatal alert", [](Forger& f) { return f.alert(std::string("\2\0", 2)); },
       Outcome{IoState::end, "", 0}},
      {"data, close_notify, and data nobody hears",
       [](Forger& f) {
         return in_turn({f.data("words"), f.alert(std::string("\1\0", 2)), f.data("lost")});
       },
       Outcome{IoState::end, "", 5}},
      {"user_canceled, which means nothing",
       [](Forger& f) {
         return in_turn({f.alert("\x01\x5a"), f.data("words")});
       },
       all_well(5)},
      {"user_canceled four times",
       [](Forger& f) { return repeat(4, [&] { return f.alert("\x01\x5a"); }); }, fine},
      {"user_canceled five times",
       [](Forger& f) { return repeat(5, [&] { return f.alert("\x01\x5a"); }); },
       failed(unexpected)},
      {"a fatal alert", [](Forger& f) { return f.alert("\x02\x28"); }, failed_silently},
      {"a fatal alert in the dress of a warning", [](Forger& f) { return f.alert("\x01\x64"); },
       failed_silently},
      {"an alert nobody knows", [](Forger& f) { return f.alert("\x02\xf0"); }, failed_silently},
      {"an empty alert", [](Forger& f) { return f.alert(""); }, failed(unexpected)},
      {"half an alert", [](Forger& f) { return f.alert("\x02"); }, failed(unexpected)},
      {"an alert and a half", [](Forger& f) { return f.alert("\x01\x5a\x01"); },
       failed(unexpected)},
      {"two alerts in a record", [](Forger& f) { return f.alert("\x01\x5a\x01\x5a"); },
       failed(unexpected)},
      {"a record that has begun", [](Forger& f) { return f.data("words").substr(0, 12); }, fine},
  };
  return table;
}

TEST_CASE("a record that should not be gets the alert that RFC 8446 names, and OpenSSL's") {
  for (const Row& row : rows()) {
    const std::string name = row.name;
    CAPTURE(name);
    CHECK(outcome(true, row.forge) == row.ours);
    CHECK(outcome(true, row.forge, 1) == row.ours);  // however slowly it comes
    CHECK(outcome(false, row.forge) == row.openssl.value_or(row.ours));
  }
}

TEST_CASE("a client that asks for a new key of ours gets one answer to many questions") {
  ForgedClient live(true);
  for (int i = 0; i < 5; ++i) {
    live.server.script->send(live.forger->handshake(key_update(1)));
    live.forger->update();
  }
  live.read();
  CHECK(live.end == IoState::want_read);
  CHECK(live.stream->try_write("words").state == IoState::done);
  CHECK(live.said() == "message 24, data");
  CHECK(live.stream->try_write("words").state == IoState::done);
  CHECK(live.said() == "data");
  live.stream->shutdown_write();
  CHECK(live.said() == "warning 0");
}

TEST_CASE("at the end of all sequence numbers a new key is taken, and a last alert has one left") {
  constexpr auto last = std::numeric_limits<std::uint64_t>::max();
  const std::vector<unsigned char> secret(32, 's');
  const std::span<const unsigned char> ours(secret);
  RecordLimits limits;
  limits.sealed_by_key = last;  // no other reason for a new key
  constexpr auto suite = Suite::aes_128_gcm_sha256;
  std::string out(detail::RecordLayer::most_sent(5), '\0');
  const auto sent = [&](detail::RecordLayer& layer) { return layer.send("words", out.data()); };
  {
    detail::RecordLayer layer(suite, ours, ours, last - 3, limits);
    RecordKey listener(suite, ours, last - 3);
    char inside[100];
    unsigned char type = 0;
    REQUIRE(sent(layer) == detail::sealed_octets(5));
    CHECK(listener.open(std::string_view(out).substr(0, detail::sealed_octets(5)), inside, type));
    // The next number is for the KeyUpdate, and the first of the new key for the data.
    REQUIRE(sent(layer) == detail::RecordLayer::most_sent(5));
    const std::string_view both = out;
    CHECK(listener.open(both.substr(0, detail::sealed_octets(5)), inside, type));
    CHECK(type == 22);
    listener.update();
    CHECK(listener.open(both.substr(detail::sealed_octets(5)), inside, type));
    CHECK(std::string_view(inside, 5) == "words");
    REQUIRE(sent(layer) == detail::sealed_octets(5));
  }
  detail::RecordLayer layer(suite, ours, ours, last - 2, limits);
  CHECK(layer.send_alert(Alert::close_notify, out.data()));
}

TEST_CASE("after the client's close_notify the other direction goes on") {
  for (const bool lean : {false, true}) {
    CAPTURE(lean);
    ForgedClient live(lean);
    live.server.script->send(live.forger->alert(std::string("\1\0", 2)));
    live.read();
    CHECK(live.end == IoState::end);
    CHECK(live.stream->try_write("words").state == IoState::done);
    live.stream->shutdown_write();
    CHECK(live.said() == "data, warning 0");
    CHECK(live.server.script->write_ended());
    CHECK(live.stream->try_write("more").state == IoState::failed);
    CHECK(live.stream->error().detail() == "TLS: written after the end");
  }
}

TEST_CASE("after our close_notify the client is still heard, and its faults no longer answered") {
  ForgedClient live(true);
  live.stream->shutdown_write();
  CHECK(live.said() == "warning 0");
  live.server.script->send(live.forger->data("late"));
  live.server.script->send(live.forger->handshake(key_update(1)));
  live.forger->update();
  live.server.script->send(live.forger->data("words"));
  live.read();
  CHECK(live.end == IoState::want_read);
  CHECK(live.data == "latewords");
  live.server.script->send(live.forger->seal(zeros(3)));
  live.read();
  CHECK(live.end == IoState::failed);
  CHECK(live.said().empty());
}

TEST_CASE("errors of a lean stream name the fault and whose it is") {
  const auto detail_of = [](const Forge& forge) {
    ForgedClient live(true);
    live.server.script->send(forge(*live.forger));
    live.read();
    CHECK(live.end == IoState::failed);
    CHECK(live.stream->error().fault() == Fault::bad_message);
    CHECK(live.stream->error().side() == Side::client);
    return live.stream->error().detail();
  };
  CHECK(detail_of([](Forger& f) { return f.alert("\x02\x28"); }) ==
        "TLS: alert of the client: handshake failure");
  CHECK(detail_of([](Forger&) { return std::string("\x14\x03\x03\x00\x01\x01", 6); }) ==
        "TLS: a record in the clear");
  CHECK(detail_of([](Forger& f) {
          std::string record = f.data("x");
          record[8] ^= 1;
          return record;
        }) == "TLS: bad record MAC");
}

TEST_CASE("a quiet client that changes its keys is still quiet") {
  ForgedClient live(true);
  CHECK(live.stream->silent());
  live.server.script->send(live.forger->handshake(key_update(0)));
  live.forger->update();
  CHECK(live.stream->silent());
  CHECK(live.server.script->unread() == 0);
  live.server.script->send(live.forger->data("words"));
  CHECK_FALSE(live.stream->silent());
  CHECK(live.stream->pending());
  live.read();
  CHECK(live.data == "words");
  CHECK(live.stream->silent());
  live.server.script->send(live.forger->data("words").substr(0, 9));
  CHECK_FALSE(live.stream->silent());
  CHECK_FALSE(live.stream->pending());
}

TEST_CASE("what a small room cannot hold is kept, and what is kept comes first") {
  ForgedClient live(true);
  std::string octets(3 * 16 * 1024, '\0');
  SystemEntropy().fill(octets);
  const std::string_view all = octets;
  for (std::size_t at = 0; at < all.size(); at += 16 * 1024) {
    live.server.script->send(live.forger->data(std::string(all.substr(at, 16 * 1024))));
  }
  std::string got;
  std::size_t size = 1;
  std::vector<char> room(40'000);
  while (got.size() < all.size()) {
    const net::IoResult some =
        live.stream->try_read(std::span(room).first(std::min(size, room.size())));
    REQUIRE(some.state == IoState::done);
    REQUIRE(some.bytes > 0);
    got.append(room.data(), some.bytes);
    size = size * 3 + 1;
  }
  CHECK((got == octets));
  CHECK(live.stream->try_read(room).state == IoState::want_read);
}

}  // namespace
}  // namespace gatehouse::tls::test::record_layer_test
