#!/bin/bash
# Private database servers for the tests: their own data directories, loopback only, free ports, never as root.
#
#   servers.sh start DIR    starts PostgreSQL and MariaDB (unless they run) and writes DIR/env, to be sourced:
#                           RETENTIOND_TEST_POSTGRES, RETENTIOND_TEST_MARIADB          URLs of their administrators
#                           RETENTIOND_TEST_POSTGRES_LOG, RETENTIOND_TEST_MARIADB_LOG  logs of every statement
#   servers.sh stop DIR     stops the servers that were started in DIR, by their process ids
#
# Durability is what a stock installation has, since the tests kill servers and count on what was committed.
set -euo pipefail
umask 022
# The servers' own accounts need not be able to write where the tests keep their files.
unset TMPDIR

# shellcheck source-path=SCRIPTDIR source=private.sh
. "$(dirname "$0")/private.sh"

postgres_bin() {
    local initdb
    initdb=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)
    [ -n "$initdb" ] || initdb=$(command -v initdb || true)
    [ -n "$initdb" ] || fail "PostgreSQL's initdb is missing: see install.sh"
    dirname "$initdb"
}

start_postgres() {
    local user bin home port password
    home=$dir/postgres
    ! running "$home" data/postmaster.pid || return 0
    user=$(account postgres)
    bin=$(postgres_bin)
    own_directory "$home" "$user"
    if [ ! -s "$home/password" ]; then
        as "$user" rm -rf "$home/data"
        password=$(secret)
        (umask 077 && printf '%s' "$password" >"$home/initial") && chown "$user" "$home/initial"
        as "$user" "$bin/initdb" -D "$home/data" -U postgres -A scram-sha-256 --pwfile="$home/initial" -E UTF8 \
            --locale=C.UTF-8 >"$dir/postgres.initdb.log" 2>&1 || { cat "$dir/postgres.initdb.log" >&2; fail "initdb failed"; }
        mv "$home/initial" "$home/password"
    fi
    password=$(cat "$home/password")
    for _ in 1 2 3; do
        port=$(free_port)
        # 24 MB of shared memory and no parallel workers: small, and otherwise as installed.
        if as "$user" "$bin/pg_ctl" start -s -w -t 60 -D "$home/data" -l "$home/server.log" -o "-p $port \
            -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c shared_buffers=24MB -c max_connections=80 \
            -c max_parallel_workers_per_gather=0 -c log_statement=all -c log_line_prefix='%m [%p] %q%u@%d '" >/dev/null 2>&1
        then break; fi
        lives "$home/data/postmaster.pid" || port=""
        [ -z "$port" ] || break
    done
    [ -n "$port" ] || { tail -n 20 "$home/server.log" >&2; fail "PostgreSQL does not start"; }
    chmod a+r "$home/server.log"
    (umask 077 && cat >"$home/env") <<END
export RETENTIOND_TEST_POSTGRES='postgres://postgres:$password@127.0.0.1:$port/postgres'
export RETENTIOND_TEST_POSTGRES_LOG='$home/server.log'
END
}

mariadb_program() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1" || fail "$1 is missing: see install.sh"; }

start_mariadb() {
    local user home port password server client
    home=$dir/mariadb
    ! running "$home" pid || return 0
    user=$(account mysql)
    server=$(mariadb_program mariadbd)
    client=$(mariadb_program mariadb)
    own_directory "$home" "$user"
    if [ ! -s "$home/password" ]; then
        as "$user" rm -rf "$home/data"
        as "$user" "$(mariadb_program mariadb-install-db)" --no-defaults --user="$user" --datadir="$home/data" --skip-test-db \
            --auth-root-authentication-method=normal >"$dir/mariadb.install.log" 2>&1 ||
            { cat "$dir/mariadb.install.log" >&2; fail "mariadb-install-db failed"; }
        password=""
    else
        password=$(cat "$home/password")
    fi
    # A Unix socket's path is limited to 107 bytes, however deep DIR is.
    local sockets
    [ ! -s "$home/sockets" ] || rm -rf "$(cat "$home/sockets")"
    sockets=$(as "$user" mktemp -d /tmp/rtd-mdb.XXXXXX)
    as "$user" sh -c 'echo "$1" >"$2"' sh "$sockets" "$home/sockets"
    # A directory of its own: a server that starts removes every temporary table of the shared one, those of running servers too.
    as "$user" mkdir -p "$home/tmp"
    for _ in 1 2 3; do
        port=$(free_port)
        as "$user" setsid --fork "$server" --no-defaults --user="$user" --datadir="$home/data" --socket="$sockets/s" --port="$port" --tmpdir="$home/tmp" \
            --bind-address=127.0.0.1 --pid-file="$home/pid" --log-error="$home/error.log" --general-log=1 \
            --general-log-file="$home/general.log" --innodb-buffer-pool-size=64M --innodb-log-file-size=64M --max-connections=120 \
            --skip-log-bin --skip-name-resolve --character-set-server=utf8mb4 --performance-schema=0 \
            </dev/null >>"$home/output.log" 2>&1
        for waited in $(seq 600); do
            if lives "$home/pid" && MYSQL_PWD=$password "$client" --no-defaults --protocol=socket --socket="$sockets/s" -uroot \
                -e 'SELECT 1' >/dev/null 2>&1; then break 2; fi
            sleep 0.1
            # Five seconds without a process: the port was taken, or worse. Try another one.
            if [ "$waited" -ge 50 ] && ! lives "$home/pid"; then port=""; break; fi
        done
    done
    [ -n "$port" ] && lives "$home/pid" || { tail -n 20 "$home/error.log" >&2; fail "MariaDB does not start"; }
    if [ -z "$password" ]; then
        password=$(secret)
        "$client" --no-defaults --protocol=socket --socket="$sockets/s" -uroot <<END
CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '$password';
GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
GRANT PROXY ON ''@'%' TO root@'127.0.0.1' WITH GRANT OPTION;
SET PASSWORD FOR root@localhost = PASSWORD('$password');
END
        (umask 077 && printf '%s' "$password" >"$home/password")
    fi
    chmod a+r "$home/general.log"
    (umask 077 && cat >"$home/env") <<END
export RETENTIOND_TEST_MARIADB='mysql://root:$password@127.0.0.1:$port/mysql'
export RETENTIOND_TEST_MARIADB_LOG='$home/general.log'
END
}

start() {
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    start_postgres
    start_mariadb
    (umask 077 && cat "$dir/postgres/env" "$dir/mariadb/env" >"$dir/env")
}

stop() {
    [ -d "$dir" ] || return 0
    dir=$(cd "$dir" && pwd)
    end "$dir/postgres/data/postmaster.pid" INT
    end "$dir/mariadb/pid" TERM
    if [ -s "$dir/mariadb/sockets" ]; then
        rm -rf "$(cat "$dir/mariadb/sockets")"
        rm -f "$dir/mariadb/sockets"
    fi
}

[ $# -eq 2 ] || fail "usage: servers.sh start|stop DIR"
dir=$2
case $1 in
    start) start ;;
    stop) stop ;;
    *) fail "usage: servers.sh start|stop DIR" ;;
esac
