#include "core/net/rewound_stream.hpp"

#include <doctest/doctest.h>

#include "tests/support/fake_clock.hpp"
#include "tests/support/scripted_stream.hpp"

namespace rewound_stream_test {

using namespace gatehouse;
using namespace gatehouse::test;
using net::IoState;

namespace {

struct Rewound {
  explicit Rewound(std::string first)
      : stream(std::make_unique<ScriptedStream>(script, clock), std::move(first)) {}
  std::string read(std::size_t most) {
    std::string room(most, '\0');
    const net::IoResult got = stream.try_read(room);
    state = got.state;
    room.resize(got.bytes);
    return room;
  }
  FakeClock clock;
  std::shared_ptr<Script> script = std::make_shared<Script>();
  net::RewoundStream stream;
  IoState state = IoState::failed;
};

}  // namespace

TEST_CASE("what was read is read once more, then what comes after it") {
  Rewound rewound("hello");
  rewound.script->send(" world");
  CHECK(rewound.stream.pending());
  CHECK_FALSE(rewound.stream.silent());
  CHECK(rewound.read(3) == "hel");
  CHECK(rewound.stream.pending());
  CHECK(rewound.read(100) == "lo");
  CHECK(rewound.read(100) == " world");
  CHECK_FALSE(rewound.stream.pending());
  CHECK(rewound.read(100).empty());
  CHECK(rewound.state == IoState::want_read);
  rewound.script->end();
  CHECK(rewound.read(100).empty());
  CHECK(rewound.state == IoState::end);
}

TEST_CASE("writes, failures and the end are those of the stream below") {
  Rewound rewound("x");
  CHECK(rewound.stream.try_write("answer").state == IoState::done);
  CHECK(rewound.script->written() == "answer");
  rewound.read(1);
  rewound.script->cut();
  rewound.read(1);
  CHECK(rewound.state == IoState::failed);
  CHECK(rewound.stream.error().fault() == Fault::closed);
  rewound.stream.shutdown_write();
  CHECK(rewound.script->write_ended());
  rewound.stream.close();
  CHECK(rewound.script->closed());
}

}  // namespace rewound_stream_test
