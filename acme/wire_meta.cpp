// meta.json <-> CertificateMeta.
#include <nlohmann/json.hpp>

#include "acme/storage.hpp"
#include "core/base/time_format.hpp"

namespace gatehouse::acme {
namespace {

using Json = nlohmann::json;

Error bad_meta(std::string detail) {
  return Error(Fault::bad_message, Side::self, "meta.json: " + std::move(detail));
}

Result<Wall> time_at(const Json& from, const char* key) {
  const auto at = from.find(key);
  if (at == from.end() || !at->is_string()) return bad_meta(std::string("no ") + key);
  auto time = parse_rfc3339(at->get_ref<const std::string&>());
  if (!time) return bad_meta(std::string("bad ") + key);
  return *time;
}

std::string text_at(const Json& from, const char* key) {
  const auto at = from.find(key);
  return at != from.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::vector<std::string> texts_at(const Json& from, const char* key) {
  std::vector<std::string> texts;
  const auto at = from.find(key);
  if (at == from.end() || !at->is_array()) return texts;
  for (const Json& text : *at)
    if (text.is_string()) texts.push_back(text.get<std::string>());
  return texts;
}

}  // namespace

std::string to_json(const CertificateMeta& meta) {
  Json json = {
      {"names", meta.names},
      {"serial", meta.serial},
      {"not_before", rfc3339_seconds(meta.not_before)},
      {"not_after", rfc3339_seconds(meta.not_after)},
      {"jitter", meta.jitter},
      {"ari_window", nullptr},
      {"sites", meta.sites},
      {"last_error", meta.last_error},
  };
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<CertificateMeta> certificate_meta_from_json(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return bad_meta("no JSON object");
  CertificateMeta meta;
  const auto not_before = time_at(json, "not_before");
  if (!not_before) return not_before.error();
  const auto not_after = time_at(json, "not_after");
  if (!not_after) return not_after.error();
  meta.not_before = *not_before;
  meta.not_after = *not_after;
  meta.names = texts_at(json, "names");
  meta.serial = text_at(json, "serial");
  meta.sites = texts_at(json, "sites");
  meta.last_error = text_at(json, "last_error");
  const auto jitter = json.find("jitter");
  if (jitter != json.end() && jitter->is_number())
    meta.jitter = std::clamp(jitter->get<double>(), 0.0, 1.0);
  return meta;
}

}  // namespace gatehouse::acme
