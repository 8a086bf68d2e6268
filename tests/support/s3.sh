#!/bin/bash
# A private S3 service for the tests: moto, a stand-in for Amazon's with versions and Object Lock, in a Python environment of its own.
#
#   s3.sh start DIR    starts it (unless it runs) and writes DIR/s3.env, to be sourced:
#                      RETENTIOND_TEST_S3  its URL; it takes any access key
#   s3.sh stop DIR     stops the service that was started in DIR, by its process id
#
# The first start fetches moto with pip. It is kept for later starts in RETENTIOND_S3_HOME, by default /var/cache/retentiond-s3 for root
# and ~/.cache/retentiond-s3 for everybody else; to get another moto, remove that directory. The service listens on loopback, on a free
# port, never as root, and keeps everything in memory.
set -euo pipefail
umask 022

# shellcheck source-path=SCRIPTDIR source=private.sh
. "$(dirname "$0")/private.sh"

moto="moto[server]==5.2.*"

software_home() {
    if [ -n "${RETENTIOND_S3_HOME:-}" ]; then echo "$RETENTIOND_S3_HOME"
    elif [ "$(id -u)" -eq 0 ]; then echo /var/cache/retentiond-s3
    else echo "${XDG_CACHE_HOME:-$HOME/.cache}/retentiond-s3"
    fi
}

# Makes the environment $1/venv, completely or not at all: an environment cannot be moved, so a mark says that it is whole.
install_moto() {
    local home=$1 python=/usr/bin/python3
    # The system's own: another account than root's may run it.
    [ -x "$python" ] || python=$(command -v python3) || fail "python3 is missing: see install.sh"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "Python's venv is missing: see install.sh"
    mkdir -p "$home"
    exec 9>"$home/lock"
    flock 9
    if [ ! -e "$home/complete" ]; then
        rm -rf "$home/venv"
        "$python" -m venv "$home/venv" >"$home/log" 2>&1 && "$home/venv/bin/pip" install -q --disable-pip-version-check "$moto" >>"$home/log" 2>&1 ||
            { tail -n 20 "$home/log" >&2; fail "moto could not be installed"; }
        touch "$home/complete"
    fi
    exec 9>&-
}

start() {
    local home user software port waited
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    home=$dir/s3
    ! running "$home" pid || return 0
    software=$(software_home)
    install_moto "$software"
    user=$(account daemon)
    own_directory "$home" "$user"
    rm -f "$home/pid"
    for _ in 1 2 3; do
        port=$(free_port)
        # The shell's own process becomes the service: its pid is the one that is written. The unused last argument names DIR, by which it
        # is known again.
        as "$user" env HOME="$home" TMPDIR="$home" setsid --fork sh -c 'echo $$ >"$1/pid"; exec "$2/venv/bin/python3" -c "
import sys; from moto.server import main; main(sys.argv[1:-1])" -H 127.0.0.1 -p "$3" "$1/"' sh "$home" "$software" "$port" \
            </dev/null >>"$home/output.log" 2>&1
        for waited in $(seq 600); do
            sleep 0.1
            if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && lives "$home/pid"; then break 2; fi
            # Five seconds without a process: the port was taken, or worse. Try another one.
            if [ "$waited" -ge 50 ] && ! lives "$home/pid"; then break; fi
        done
        port=""
    done
    [ -n "$port" ] || { tail -n 20 "$home/output.log" >&2; fail "moto does not start"; }
    echo "export RETENTIOND_TEST_S3='http://127.0.0.1:$port'" >"$home/env"
    cp "$home/env" "$dir/s3.env"
}

stop() {
    [ -d "$dir" ] || return 0
    dir=$(cd "$dir" && pwd)
    end "$dir/s3/pid" TERM
}

[ $# -eq 2 ] || fail "usage: s3.sh start|stop DIR"
dir=$2
case $1 in
    start) start ;;
    stop) stop ;;
    *) fail "usage: s3.sh start|stop DIR" ;;
esac
