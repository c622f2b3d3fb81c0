# shellcheck shell=bash
# Chromium and its driver, for the test of the settings page. Sourced after toolchain.sh, never run.

browser_is_ready() {
  command -v chromedriver >/dev/null && { command -v chromium || command -v google-chrome || command -v chrome; } >/dev/null
}

# Only Debian has packages of them: Ubuntu's install a snap. They are big, and a machine that cannot have them goes
# without: the tests then say what they leave out.
install_browser() {
  ! browser_is_ready || return 0
  if ! grep -qsx 'ID=debian' /etc/os-release; then
    note "there is no chromium with its driver: the settings page will not be tested in a browser"
    return 0
  fi
  step "installing chromium and its driver (90 MB to fetch, 320 MB on disk)"
  { as_root apt-get update -qq &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver >/dev/null; } ||
    note "could not install them: the settings page will not be tested in a browser"
}
