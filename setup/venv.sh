# The virtual environment .venv: made, filled and repaired. A warm start compares one file and does nothing.

VENV=$ROOT/.venv

# What was installed where; kept in the environment, compared at each start. An environment does not survive being moved.
wanted_state() {
    printf 'in %s\n' "$VENV"
    cat "$ROOT/requirements.txt" "$ROOT/$1"
}

is_installed() {
    [ -x "$VENV/bin/python" ] && [ -f "$VENV/installed-$1" ] && [ "$(cat "$VENV/installed-$1")" = "$(wanted_state "$1")" ] && is_of_named_python
}

# An environment keeps the Python that it was made with, whichever comes first on PATH today, until another one is named.
is_of_named_python() {
    [ -z "${NAMED_PYTHON:-}" ] || [ "$(cat "$VENV/made-with" 2>/dev/null)" = "$PYTHON" ]
}

# Install requirements file $1 ($2 says in words what it is for).
need_requirements() {
    is_installed "$1" && return 0
    one_at_a_time
    if ! is_installed "$1"; then
        make_venv
        say "Installing $2 into .venv (half a minute, once)"
        rm -f "$VENV/installed-$1"
        "$VENV/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --no-input -r "$ROOT/$1" >&2 ||
            stop "pip could not install $1 (its words are above). $0 goes on where it stopped when it is run again."
        wanted_state "$1" >"$VENV/installed-$1"
    fi
    exec 9>&-
}

# Two set-ups in one checkout (./run in one window, ./test in another) wait for each other.
one_at_a_time() {
    [ -w "$ROOT" ] || stop "The folder $ROOT cannot be written by $(id -un), and .venv is made there. Run $0 as its owner."
    exec 9>"$ROOT/.venv.lock"
    command -v flock >/dev/null 2>&1 || return 0
    flock -n 9 && return 0
    say "Another set-up is at work in this folder; waiting for it"
    flock 9
}

# An environment is thrown away when it is of another Python than the one named, or was moved, or was left half made.
make_venv() {
    is_sound && return 0
    need_ensurepip
    say "Making .venv with $PYTHON"
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV" >&2 || stop "$PYTHON could not make the virtual environment $VENV (its words are above)."
    printf '%s' "$VENV" >"$VENV/made-in"
    printf '%s' "$PYTHON" >"$VENV/made-with"
}

is_sound() {
    [ "$(cat "$VENV/made-in" 2>/dev/null)" = "$VENV" ] && is_of_named_python &&
        "$VENV/bin/python" -I -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Debian and Ubuntu ship Python without the part that makes environments.
need_ensurepip() {
    "$PYTHON" -I -c 'import ensurepip, venv' 2>/dev/null && return 0
    need_packages "Python's virtual environment" "$("$PYTHON" -I -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
}
