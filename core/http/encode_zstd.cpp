#include <zstd.h>

#include "core/http/detail/encoders.hpp"

namespace gatehouse::http::detail {
namespace {

// Tables and window of half a MiB together: a body on the web seldom gains from more.
constexpr int zstd_level = 3;
constexpr int zstd_window_bits = 17;
constexpr int table_bits = 15;

class Zstd final : public Encoder {
 public:
  Zstd() : stream_(::ZSTD_createCCtx()) {}
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;
  ~Zstd() override { ::ZSTD_freeCCtx(stream_); }

  bool begin(std::optional<std::uint64_t> octets) override {
    if (stream_ == nullptr) return false;
    ::ZSTD_CCtx_reset(stream_, ZSTD_reset_session_and_parameters);
    bool fine = set(ZSTD_c_compressionLevel, zstd_level) &&
                set(ZSTD_c_windowLog, zstd_window_bits) && set(ZSTD_c_hashLog, table_bits) &&
                set(ZSTD_c_chainLog, table_bits);
    if (octets) fine = fine && !::ZSTD_isError(::ZSTD_CCtx_setPledgedSrcSize(stream_, *octets));
    return fine;
  }

  std::optional<Step> encode(std::string_view& in, std::span<char> out, Until until) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    const std::size_t left = ::ZSTD_compressStream2(stream_, &to, &from, directive(until));
    if (::ZSTD_isError(left)) return {};
    in.remove_prefix(from.pos);
    Step step;
    step.written = to.pos;
    step.done = until == Until::taken ? in.empty() : left == 0;
    return step;
  }

 private:
  bool set(ZSTD_cParameter what, int value) {
    return !::ZSTD_isError(::ZSTD_CCtx_setParameter(stream_, what, value));
  }
  static ZSTD_EndDirective directive(Until until) {
    switch (until) {
      case Until::taken:
        return ZSTD_e_continue;
      case Until::flushed:
        return ZSTD_e_flush;
      case Until::ended:
        return ZSTD_e_end;
    }
    return ZSTD_e_continue;
  }

  ZSTD_CCtx* stream_;
};

}  // namespace

std::unique_ptr<Encoder> make_zstd() { return std::make_unique<Zstd>(); }

}  // namespace gatehouse::http::detail
