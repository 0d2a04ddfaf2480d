#!/bin/sh
# What the tests need beside Python, from Debian; none of it is started, then or later.
set -eu

wanted="slapd ldap-utils redis-server nginx-light apache2 libapache2-mod-shib
libapache2-mod-auth-mellon chromium xmlsec1 fonts-noto-cjk faketime oathtool slowhttptest
python3-venv default-jre-headless"

present() {
    dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is not Debian: the tests need what Debian calls:" $wanted >&2
    exit 1
fi

missing=""
for package in $wanted; do
    present "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root="env"
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo env"
else
    echo "The tests need these Debian packages; install them and try again:$missing" >&2
    exit 1
fi

echo "Installing for the tests:$missing"
# Packages ask policy-rc.d before they start a service: 101 is "no". Whatever was there comes back.
policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
kept=$policy.kept-by-idp-mfa
restore() {
    if $as_root test -e "$kept"; then
        $as_root mv -f "$kept" "$policy"
    else
        $as_root rm -f "$policy"
    fi
}
if $as_root test -e "$policy" && ! $as_root test -e "$kept"; then
    $as_root mv "$policy" "$kept"
fi
trap restore EXIT
trap 'exit 1' HUP INT TERM
printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
$as_root chmod 0755 "$policy"

$as_root apt-get --quiet update </dev/null
# shellcheck disable=SC2086 - a list of words
$as_root DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes --no-install-recommends \
    -o DPkg::Lock::Timeout=300 install \
    $missing </dev/null
