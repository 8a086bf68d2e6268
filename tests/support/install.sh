#!/bin/sh
# Installs what the tests need beside Rust, on Debian and Ubuntu: PostgreSQL, MariaDB, Go with the sumdb packages, strace, sqlite3,
# age and zstd, and Python with what makes an environment of its own (for the S3 service).
# Does nothing where all of it is there. Starts, stops and configures no service.
set -eu

newest_postgres() { ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1; }

missing=""
[ -n "$(newest_postgres)" ] || missing="$missing postgresql"
command -v mariadbd >/dev/null 2>&1 || [ -x /usr/sbin/mariadbd ] || missing="$missing mariadb-server"
command -v go >/dev/null 2>&1 || missing="$missing golang-go"
[ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ] || missing="$missing golang-golang-x-mod-dev"
command -v strace >/dev/null 2>&1 || missing="$missing strace"
command -v sqlite3 >/dev/null 2>&1 || missing="$missing sqlite3"
command -v age >/dev/null 2>&1 || missing="$missing age"
command -v zstd >/dev/null 2>&1 || missing="$missing zstd"
/usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "install.sh: no apt-get here; please install by hand (Debian's package names):$missing" >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1; then
    as_root="sudo"
else
    echo "install.sh: neither root nor sudo; please install by hand (Debian's package names):$missing" >&2
    exit 1
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
log=$scratch/log

# The packages would start a server of their own: a policy for the time of the installation forbids it, unless the
# machine has one already. The package that creates a default PostgreSQL cluster is told not to.
policy=""
if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$scratch/policy"
    $as_root install -m 755 "$scratch/policy" "$policy"
    trap '$as_root rm -f "$policy"; rm -rf "$scratch"' EXIT
fi
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    printf 'create_main_cluster = false\n' >"$scratch/createcluster.conf"
    $as_root install -D -m 644 "$scratch/createcluster.conf" /etc/postgresql-common/createcluster.conf
fi

echo "install.sh: installing$missing"
apt() {
    # shellcheck disable=SC2086  # as_root is empty or one word; the list of packages is meant to split
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@" \
        </dev/null >>"$log" 2>&1
}
# shellcheck disable=SC2086
apt install -y --no-install-recommends $missing || { apt update && apt install -y --no-install-recommends $missing; } || {
    tail -n 40 "$log" >&2
    echo "install.sh: apt-get could not install:$missing" >&2
    exit 1
}
