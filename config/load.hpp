#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/model.hpp"

namespace gatehouse::config {

/// The most that a config file, an included one, or one named by ${file:...} may have.
inline constexpr std::size_t most_file_bytes = 16 * 1024 * 1024;

/// One mistake, with its place and the way out: `gatehouse.toml:12:3: unknown key 'hots' in
/// [[site]]; did you mean 'hosts'?`
struct Problem {
  Position at;
  std::string message;
  std::string place() const;  // FILE:LINE:COL
  std::string text() const;   // FILE:LINE:COL: message
};

/// A config, or everything that is wrong with it: never both half. Beside either, what may not be
/// meant as it is written.
struct Loaded {
  std::optional<Config> config;
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
};

/// What is wrong with a certificate and its key; `why` is empty when nothing is.
struct WrongPair {
  std::string key;  // which of both: "cert" or "key"
  std::string why;
};

/// The outside as the loader sees it; tests hand in their own.
struct Surroundings {
  std::function<std::optional<std::string>(const std::string& name)> environment;  // getenv
  /// Of a file past most_file_bytes it may be the beginning, as long as that is past them, too.
  std::function<std::optional<std::string>(const std::string& path)> read_file;
  /// Whether the file is there and may be read; what it holds is somebody else's matter.
  std::function<bool(const std::string& path)> readable;
  std::function<std::vector<std::string>(const std::string& pattern)> glob;
  bool root = false;  // decides the default data_dir

  // Left out, these ask nothing. Each says what is wrong, or nothing where nothing is.
  /// Why a file cannot be read.
  std::function<std::string(const std::string& path)> why_unreadable;
  /// Of a folder that is to be served.
  std::function<std::string(const std::string& path)> wrong_folder;
  /// Of a cipher list, in a sentence that follows its key.
  std::function<std::string(const std::string& list)> wrong_ciphers;
  /// Of the account that is to be become, likewise.
  std::function<std::string(const std::string& name)> wrong_user;
  /// Of a certificate and its key, both readable. It reads them, so that is not asked at a start.
  std::function<WrongPair(const std::string& cert, const std::string& key)> wrong_pair;
  /// Of a file of roots, or of revocation lists, likewise.
  std::function<std::string(const std::string& path)> wrong_roots;
  std::function<std::string(const std::string& path)> wrong_lists;

  static Surroundings system();
};

/// Which features a written key may ask for. What this version does not have is refused with its
/// place, never ignored; `whole_language` leaves that judgement out.
enum class Features { this_version, whole_language };

/// Reads, parses, resolves and checks the file and its includes.
Loaded load_file(const std::string& path, const Surroundings& around,
                 Features features = Features::this_version);
/// The same from text; `name` stands for the file in problems.
Loaded load_text(const std::string& text, const std::string& name, const Surroundings& around,
                 Features features = Features::this_version);

/// The effective config as TOML with every default written out and secrets as "<redacted>", also
/// where ${...} put a value into a header field, a match or a body. It loads again to the same
/// config, once the secrets are put back. Keys that this version does not have stand as comments.
std::string print(const Config& config, Features features = Features::this_version);

/// Where the process that runs a config answers its command line.
struct AdminPlace {
  std::string listen;  // as [admin] listen; empty: the socket in data_dir
  std::string data_dir;
  bool listen_read = false;  // from the text, as against the default
  bool data_dir_read = false;
};
/// As far as it can be read of a text with errors: whoever spoilt the file of a running process
/// must still be able to ask it.
AdminPlace find_admin(const std::string& text, const Surroundings& around);

/// Every key of the language as a path, `*` for chosen names: "server.timeouts.idle",
/// "backend.*.policy", "site.route.path". Sorted.
std::vector<std::string> known_keys();

}  // namespace gatehouse::config
