#!/bin/bash
# The benchmark's own database servers: private data directories, unix sockets only, never as root, no statement log.
#
#   servers.sh start postgres|mariadb DIR           creates the server in DIR where there is none, and starts it
#   servers.sh stop DIR                             stops what was started in DIR, by process id
#   servers.sh save mariadb DIR NAME                stops MariaDB cleanly, keeps a copy of its data under NAME, starts it again
#   servers.sh restore mariadb DIR NAME             throws the data away, puts the copy of that name in its place, starts
#   servers.sh saved mariadb DIR NAME               whether there is such a copy
#
# Durability is what a stock installation has. Caches and logs are larger, so that no checkpoint falls into a measured statement:
# RETENTIOND_BENCH_CACHE_MB (1536) is the buffer cache, RETENTIOND_BENCH_REDO_MB (2048) MariaDB's redo log.
set -euo pipefail
umask 022

cache=${RETENTIOND_BENCH_CACHE_MB:-1536}
redo=${RETENTIOND_BENCH_REDO_MB:-2048}

fail() { echo "servers.sh: $*" >&2; exit 1; }

# The account that a server runs as: its own when we are root, ours otherwise.
account() { if [ "$(id -u)" -eq 0 ]; then echo "$1"; else id -un; fi; }

as() {
    local user=$1
    shift
    if [ "$(id -u)" -eq 0 ]; then setpriv --reuid="$user" --regid="$user" --init-groups -- "$@"; else "$@"; fi
}

# Whether the process of a pid file lives and is ours: a number left by a crash may belong to somebody else by now.
lives() { [ -s "$1" ] && tr '\0' ' ' 2>/dev/null <"/proc/$(head -n 1 "$1")/cmdline" | grep -qF "$dir/"; }

# A directory of the server's own, closed to everybody else: its socket asks for no password.
own_directory() {
    mkdir -p "$1"
    [ "$(id -u)" -ne 0 ] || chown "$2" "$1"
    chmod 700 "$1"
    as "$2" test -w "$1" || fail "the account $2 cannot reach $1: choose another directory"
}

# Ends the process of a pid file and waits; by force after ten minutes (a large buffer cache is written first).
end() {
    local pid
    lives "$1" || return 0
    pid=$(head -n 1 "$1")
    kill "-$2" "$pid" 2>/dev/null || return 0
    for _ in $(seq 6000); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}

postgres_bin() {
    local initdb
    initdb=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)
    [ -n "$initdb" ] || initdb=$(command -v initdb || true)
    [ -n "$initdb" ] || fail "PostgreSQL's initdb is missing"
    dirname "$initdb"
}

start_postgres() {
    local home=$dir/postgres user bin
    user=$(account postgres)
    bin=$(postgres_bin)
    ! lives "$home/data/postmaster.pid" || return 0
    own_directory "$home" "$user"
    if [ ! -s "$home/data/PG_VERSION" ]; then
        as "$user" rm -rf "$home/data"
        as "$user" "$bin/initdb" -D "$home/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1 ||
            { cat "$dir/initdb.log" >&2; fail "initdb failed"; }
    fi
    as "$user" "$bin/pg_ctl" start -s -w -t 120 -D "$home/data" -l "$home/server.log" -o "-c listen_addresses='' \
        -c unix_socket_directories='$home' -c port=5432 -c shared_buffers=${cache}MB -c max_wal_size=16GB -c min_wal_size=2GB \
        -c checkpoint_timeout=30min -c maintenance_work_mem=256MB -c effective_cache_size=4GB \
        -c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.track=none -c pg_stat_statements.save=off" \
        >/dev/null 2>&1 || { tail -n 20 "$home/server.log" >&2; fail "PostgreSQL does not start"; }
}

mariadb_program() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1" || fail "$1 is missing"; }

start_mariadb() {
    local home=$dir/mariadb user
    user=$(account mysql)
    ! lives "$home/pid" || return 0
    own_directory "$home" "$user"
    [ "${#home}" -lt 100 ] || fail "$home is too long for a unix socket"
    if [ ! -d "$home/data/mysql" ]; then
        as "$user" rm -rf "$home/data"
        as "$user" "$(mariadb_program mariadb-install-db)" --no-defaults --user="$user" --datadir="$home/data" --skip-test-db \
            --auth-root-authentication-method=normal >"$dir/install-db.log" 2>&1 ||
            { cat "$dir/install-db.log" >&2; fail "mariadb-install-db failed"; }
    fi
    as "$user" setsid --fork "$(mariadb_program mariadbd)" --no-defaults --user="$user" --datadir="$home/data" \
        --socket="$home/s" --skip-networking --pid-file="$home/pid" --log-error="$home/error.log" \
        --innodb-buffer-pool-size="${cache}M" --innodb-log-file-size="${redo}M" --innodb-flush-log-at-trx-commit=1 \
        --innodb-buffer-pool-dump-at-shutdown=OFF --innodb-buffer-pool-load-at-startup=OFF --skip-log-bin \
        --character-set-server=utf8mb4 --max-allowed-packet=64M --userstat=1 </dev/null >>"$home/output.log" 2>&1
    for waited in $(seq 1200); do
        if lives "$home/pid" && "$(mariadb_program mariadb)" --no-defaults --protocol=socket --socket="$home/s" -uroot \
            -e 'SELECT 1' >/dev/null 2>&1; then return 0; fi
        sleep 0.1
        [ "$waited" -lt 100 ] || lives "$home/pid" || break
    done
    tail -n 20 "$home/error.log" >&2
    fail "MariaDB does not start"
}

# Where a copy of MariaDB's data is kept.
copy() { echo "$dir/mariadb/saved/$1"; }

save_mariadb() {
    local user
    user=$(account mysql)
    "$(mariadb_program mariadb)" --no-defaults --protocol=socket --socket="$dir/mariadb/s" -uroot \
        -e 'SET GLOBAL innodb_fast_shutdown = 0'
    end "$dir/mariadb/pid" TERM
    as "$user" mkdir -p "$dir/mariadb/saved"
    as "$user" rm -rf "$(copy "$1").new"
    as "$user" cp -a "$dir/mariadb/data" "$(copy "$1").new"
    as "$user" mv "$(copy "$1").new" "$(copy "$1")"
    sync -f "$dir"
    start_mariadb
}

restore_mariadb() {
    local user
    user=$(account mysql)
    [ -d "$(copy "$1")" ] || fail "there is no copy $1"
    # Our own process, and its data is thrown away: there is nothing to write back.
    end "$dir/mariadb/pid" KILL
    rm -f "$dir/mariadb/pid"
    as "$user" rm -rf "$dir/mariadb/data"
    as "$user" cp -a "$(copy "$1")" "$dir/mariadb/data"
    sync -f "$dir"
    start_mariadb
}

resolve() {
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    case $dir in *[!A-Za-z0-9._/-]*) fail "the directory's path has characters that a URL would have to escape" ;; esac
}

case "${1:-} ${2:-} $#" in
    "start postgres 3") resolve "$3"; start_postgres ;;
    "start mariadb 3") resolve "$3"; start_mariadb ;;
    "stop "*" 2")
        [ -d "$2" ] || exit 0
        resolve "$2"
        end "$dir/postgres/data/postmaster.pid" INT
        end "$dir/mariadb/pid" TERM
        ;;
    "save mariadb 4") resolve "$3"; save_mariadb "$4" ;;
    "restore mariadb 4") resolve "$3"; restore_mariadb "$4" ;;
    "saved mariadb 4") resolve "$3"; [ -d "$(copy "$4")" ] ;;
    *) fail "usage: servers.sh start postgres|mariadb DIR, stop DIR, save|restore|saved mariadb DIR NAME" ;;
esac
