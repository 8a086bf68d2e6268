#!/bin/bash
# A private MySQL server for the tests: the newest that Debian has, unpacked beside the system and never installed into it.
#
#   mysql.sh start DIR    starts MySQL (unless it runs) and writes DIR/mysql.env, to be sourced:
#                         RETENTIOND_TEST_MYSQL      URL of its administrator
#                         RETENTIOND_TEST_MYSQL_LOG  log of every statement
#   mysql.sh stop DIR     stops the server that was started in DIR, by its process id
#
# The first start fetches Debian's packages of its development branch, about 60 MB, with the machine's own apt and mirror, but
# with lists and a package database apart: the machine's packages are neither read nor changed. They are kept for later starts in
# RETENTIOND_MYSQL_HOME, by default /var/cache/retentiond-mysql for root and ~/.cache/retentiond-mysql for everybody else; to get
# a newer MySQL, remove that directory. The server runs on its own C library, on loopback, on a free port, never as root, and
# with the settings of a stock installation: durable, with a binary log, caching_sha2_password over TLS. RETENTIOND_MYSQL_OPTIONS
# may hold further options of mysqld, as `--skip-log-bin --innodb-flush-log-at-trx-commit=0` for long runs that kill no server.
set -euo pipefail
umask 022

# shellcheck source-path=SCRIPTDIR source=private.sh
. "$(dirname "$0")/private.sh"

# Debian packages of the server; what it links to comes with them. Perl is for scripts that nobody runs here.
packages=mysql-server-core
branch=sid

software_home() {
    if [ -n "${RETENTIOND_MYSQL_HOME:-}" ]; then echo "$RETENTIOND_MYSQL_HOME"
    elif [ "$(id -u)" -eq 0 ]; then echo /var/cache/retentiond-mysql
    else echo "${XDG_CACHE_HOME:-$HOME/.cache}/retentiond-mysql"
    fi
}

# The mirror that this machine's apt uses for Debian itself.
mirror() {
    if [ -n "${RETENTIOND_DEBIAN_MIRROR:-}" ]; then echo "$RETENTIOND_DEBIAN_MIRROR"; return; fi
    local found
    # shellcheck disable=SC2016  # apt's own variables
    found=$(apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed -n 's,^Debian/Debian ,,p' | head -n 1)
    [ -n "$found" ] || fail "this machine's apt knows no Debian mirror: name one in RETENTIOND_DEBIAN_MIRROR"
    echo "$found"
}

# Fetches and unpacks the packages below $1/root, completely or not at all.
unpack() {
    local home=$1 work keyring=/usr/share/keyrings/debian-archive-keyring.gpg package
    command -v apt-get >/dev/null || fail "no apt-get here; start a MySQL server by hand and name it in RETENTIOND_TEST_MYSQL"
    [ -s "$keyring" ] || fail "the package debian-archive-keyring is missing"
    mkdir -p "$home"
    work=$(mktemp -d "$home/fetch.XXXXXX")
    # shellcheck disable=SC2064  # now, not then
    trap "rm -rf '$work'" EXIT
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
    : >"$work/status"
    echo "deb [signed-by=$keyring] $(mirror) $branch main" >"$work/sources.list"
    apt() {
        apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
            -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null -o Dir::State="$work" \
            -o Dir::State::Lists="$work/lists" -o Dir::State::Status="$work/status" -o Dir::Cache="$work/cache" \
            -o APT::Sandbox::User="" -o Debug::NoLocking=1 "$@" </dev/null >>"$work/log" 2>&1 ||
            { tail -n 20 "$work/log" >&2; fail "apt-get could not fetch MySQL"; }
    }
    echo "mysql.sh: fetching $packages of Debian's $branch into $home"
    apt update
    apt install -y --download-only --no-install-recommends $packages
    for package in "$work"/cache/archives/*.deb; do
        case $(basename "$package") in perl* | libperl*) continue ;; esac
        dpkg-deb --fsys-tarfile "$package" | tar -x --no-same-owner -C "$work/root" 2>>"$work/log" ||
            { tail -n 20 "$work/log" >&2; fail "$(basename "$package") does not unpack"; }
    done
    chmod 755 "$work/root"
    rm -rf "$home/root"
    mv "$work/root" "$home/root"
    rm -rf "$work"
    trap - EXIT
}

# Runs the unpacked mysqld as an account on the C library that it was built for: `mysqld ACCOUNT ROOT --fork|--wait OPTION...`.
mysqld() {
    local user=$1 root=$2 detached=(setsid "$3") loader libraries
    shift 3
    loader=$(ls "$root"/usr/lib/*/ld-linux-*.so.* | head -n 1)
    libraries=$(dirname "$loader")
    as "$user" "${detached[@]}" "$loader" --library-path "$libraries:$root/usr/lib/mysql/private" "$root/usr/sbin/mysqld" --no-defaults \
        --basedir="$root/usr" --lc-messages-dir="$root/usr/share/mysql" --character-sets-dir="$root/usr/share/mysql/charsets" \
        --plugin-dir="$root/usr/lib/mysql/plugin" "$@"
}

# Whether a server greets on a port: it does once it takes connections.
greets() { (exec 3<>"/dev/tcp/127.0.0.1/$1" && read -r -t 5 -N 1 _ <&3) 2>/dev/null; }

start() {
    local software user home password port options
    read -ra options <<<"${RETENTIOND_MYSQL_OPTIONS:-}"
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    home=$dir/mysql
    ! running "$home" pid || return 0
    software=$(software_home)
    [ -x "$software/root/usr/sbin/mysqld" ] || unpack "$software"
    user=$(account mysql)
    as "$user" test -x "$software/root/usr/sbin/mysqld" || fail "the account $user cannot reach $software: set RETENTIOND_MYSQL_HOME"
    own_directory "$home" "$user"
    if [ ! -s "$home/password" ]; then
        as "$user" rm -rf "$home/data"
        mysqld "$user" "$software/root" --wait --initialize-insecure --datadir="$home/data" --log-error="$home/error.log" ||
            { tail -n 20 "$home/error.log" >&2; fail "mysqld --initialize-insecure failed"; }
        password=$(secret)
        (umask 077 && cat >"$home/first.sql") <<END
ALTER USER root@localhost IDENTIFIED BY '$password';
CREATE USER root@'127.0.0.1' IDENTIFIED BY '$password';
GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
END
        [ "$(id -u)" -ne 0 ] || chown "$user" "$home/first.sql"
    fi
    for _ in 1 2 3; do
        port=$(free_port)
        # The socket is named within the data directory, since a longer path is not to be had however deep DIR is.
        mysqld "$user" "$software/root" --fork ${password:+--init-file="$home/first.sql"} --datadir="$home/data" --socket=s --port="$port" \
            --bind-address=127.0.0.1 --mysqlx=OFF --pid-file="$home/pid" --log-error="$home/error.log" --general-log=1 \
            --general-log-file="$home/general.log" --secure-file-priv=NULL --innodb-buffer-pool-size=64M --max-connections=120 \
            --character-set-server=utf8mb4 "${options[@]}" </dev/null >>"$home/output.log" 2>&1
        for waited in $(seq 600); do
            if lives "$home/pid" && greets "$port"; then break 2; fi
            sleep 0.1
            # Ten seconds without a process: the port was taken, or worse. Try another one.
            if [ "$waited" -ge 100 ] && ! lives "$home/pid"; then port=""; break; fi
        done
    done
    [ -n "$port" ] && lives "$home/pid" || { tail -n 20 "$home/error.log" >&2; fail "MySQL does not start"; }
    if [ -n "${password:-}" ]; then
        (umask 077 && printf '%s' "$password" >"$home/password")
        rm -f "$home/first.sql"
    fi
    password=$(cat "$home/password")
    chmod a+r "$home/general.log"
    (umask 077 && cat >"$home/env") <<END
export RETENTIOND_TEST_MYSQL='mysql://root:$password@127.0.0.1:$port/mysql'
export RETENTIOND_TEST_MYSQL_LOG='$home/general.log'
END
    (umask 077 && cat "$home/env" >"$dir/mysql.env")
}

stop() {
    [ -d "$dir" ] || return 0
    dir=$(cd "$dir" && pwd)
    end "$dir/mysql/pid" TERM
}

[ $# -eq 2 ] || fail "usage: mysql.sh start|stop DIR"
dir=$2
case $1 in
    start) start ;;
    stop) stop ;;
    *) fail "usage: mysql.sh start|stop DIR" ;;
esac
