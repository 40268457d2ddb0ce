#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "acme/issuer.hpp"
#include "config/model.hpp"

namespace gatehouse::acme {

/// One host that some site serves over TLS.
struct Wanted {
  std::string host;  // normal_host() form, `*.parent` or `*`
  config::TlsMode mode = config::TlsMode::acme;
  config::Shared<config::AcmeSettings> acme;
  std::string site;  // for people: the site's first host
  std::string cert;  // mode files
  std::string key;
};

/// One word of `acme.ca`.
struct CaChoice {
  std::shared_ptr<Issuer> issuer;
  std::shared_ptr<Issuer> staging;  // null: there is none
};

/// All that a config says about certificates.
struct Plan {
  std::vector<Wanted> wanted;
  std::map<std::string, CaChoice> cas;  // by the words of AcmeSettings::ca
  std::shared_ptr<Issuer> internal;
  config::OnDemand on_demand;
  std::size_t in_memory = 100'000;  // names whose certificates a worker keeps
};

}  // namespace gatehouse::acme
