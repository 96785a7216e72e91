# How the set-up speaks: one line for a step, one line for the reason it stops.

say() {
    printf '%s\n' "$*"
}

stop() {
    printf '%s\n' "$*" >&2
    exit 1
}
