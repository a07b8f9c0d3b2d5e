# What the scripts beside it share; sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything slow to make is kept here, outside the checkout, so that the next clone finds it.
cache=${BERTH_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/berth}

say() { printf '%s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}
have() { type -P "$1" >/dev/null; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Where cargo puts what it builds.
target_dir() { printf '%s\n' "${CARGO_TARGET_DIR:-$root/target}"; }

# The engine's clients run as the user where the engine's socket lets them, else as root.
with_engine() {
    if [ "$(id -u)" = 0 ] || [ -n "${DOCKER_HOST:-}" ] || [ -w /var/run/docker.sock ]; then
        command "$@"
    else
        sudo "$@"
    fi
}
docker() { with_engine docker "$@"; }
engine_answers() { have docker && docker version >/dev/null 2>&1; }

# Names the steps of a check and counts them, for the closing line of a runner.
passed=0 failed=0
expect() { # WHAT COMMAND...
    if "${@:2}"; then
        passed=$((passed + 1))
        echo "ok     $1"
    else
        failed=$((failed + 1))
        echo "FAILED $1"
    fi
}
