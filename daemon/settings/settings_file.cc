// SPDX-License-Identifier: Apache-2.0

#include "daemon/settings/settings_file.h"

#include <utility>

#include "daemon/base/consulted.h"
#include "daemon/base/user_config.h"

namespace vt::settings {

SettingsFile::SettingsFile(std::string path,
                           std::function<void(Settings*)> overrule)
    : path_(std::move(path)),
      overrule_(std::move(overrule)) {
  base::MutexLock lock(&mutex_);
  if (overrule_ != nullptr) {
    overrule_(&last_);
  }
}

absl::StatusOr<Settings> SettingsFile::Refresh() {
  if (!path_.empty()) {
    base::NoteConsulted(path_, /*follows=*/true);
  }
  absl::StatusOr<std::string> text =
      path_.empty() ? std::string() : base::ReadUserConfig(path_);
  base::MutexLock lock(&mutex_);
  if (text.ok() && problem_.ok() && *text == text_) {
    return last_;
  }
  absl::StatusOr<Settings> settings =
      text.ok() ? ReadSettings(*text, path_)
                : absl::StatusOr<Settings>(text.status());
  problem_ = settings.status();
  if (!settings.ok()) {
    return settings;
  }
  if (overrule_ != nullptr) {
    overrule_(&*settings);
  }
  text_ = *std::move(text);
  last_ = *std::move(settings);
  return last_;
}

Settings SettingsFile::Last() const {
  base::MutexLock lock(&mutex_);
  return last_;
}

absl::Status SettingsFile::problem() const {
  base::MutexLock lock(&mutex_);
  return problem_;
}

}  // namespace vt::settings
