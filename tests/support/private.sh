# shellcheck shell=bash
# What the scripts share that start private servers; to be sourced. `dir` is the directory that a script was given.

fail() { echo "$(basename "$0"): $*" >&2; exit 1; }

# The account that a server runs as: its own when we are root, ours otherwise.
account() { if [ "$(id -u)" -eq 0 ]; then echo "$1"; else id -un; fi; }

as() {
    local user=$1
    shift
    if [ "$(id -u)" -eq 0 ]; then setpriv --reuid="$user" --regid="$user" --init-groups -- "$@"; else "$@"; fi
}

free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port"; return; fi
    done
    fail "no free port"
}

secret() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# Whether the process of a pid file lives and is ours: a number left by a crash may belong to somebody else by now.
lives() { [ -s "$1" ] && tr '\0' ' ' 2>/dev/null <"/proc/$(head -n 1 "$1")/cmdline" | grep -qF "$dir/"; }

# Whether a server runs and was set up to its end; one that runs half set up is ended.
running() {
    if lives "$1/$2" && [ -s "$1/env" ]; then return 0; fi
    end "$1/$2" TERM
    return 1
}

# A directory of the server's own; every directory above it must let that account pass.
own_directory() {
    local path=$1 user=$2
    mkdir -p "$path"
    [ "$(id -u)" -ne 0 ] || chown "$user" "$path"
    as "$user" test -w "$path" || fail "the account $user cannot reach $path: choose another directory"
}

# Ends the process of a pid file and waits; by force after a minute.
end() {
    local pid
    lives "$1" || return 0
    pid=$(head -n 1 "$1")
    kill "-$2" "$pid" 2>/dev/null || return 0
    for _ in $(seq 600); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}
