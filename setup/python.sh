# Find a Python that is new enough. Sourced by run, test and bench; sets PYTHON (an absolute path, never a shim)
# and NAMED_PYTHON (what the caller's PYTHON named, or nothing).

# Print the real path of interpreter $1 when it is Python 3.11 or newer. Shims (pyenv, asdf) and virtual environments are
# resolved here, once: a shim costs 0.2 s at each start, and an environment made from another one dies with it.
usable_python() {
    command -v "$1" >/dev/null 2>&1 || return 1
    "$1" -I -c '
import sys
if sys.version_info < (3, 11):
    sys.exit(1)
print(getattr(sys, "_base_executable", None) or sys.executable)' 2>/dev/null
}

find_python() {
    NAMED_PYTHON=${PYTHON:-}
    if [ -n "$NAMED_PYTHON" ]; then
        PYTHON=$(usable_python "$NAMED_PYTHON") && return 0
        stop "PYTHON=$NAMED_PYTHON is not a Python 3.11 or newer. Name another one, or leave PYTHON out."
    fi
    for candidate in python3 python3.13 python3.14 python3.12 python3.11 /usr/bin/python3; do
        PYTHON=$(usable_python "$candidate") && return 0
    done
    if found=$(python3 -I -c 'import sys; print("this machine has %d.%d (%s)" % (*sys.version_info[:2], sys.executable))' 2>/dev/null); then
        stop "Lettermill needs Python 3.11 or newer; $found. Install a newer python3, or name one: PYTHON=/path/to/python3.11 $0"
    fi
    stop "Lettermill needs Python 3.11 or newer, and there is no python3 here. On Debian or Ubuntu: apt-get install python3 python3-venv"
}
