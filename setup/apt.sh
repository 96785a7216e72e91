# Debian packages: installed where we are root, else named in one line.

is_root() {
    [ "$(id -u)" = 0 ]
}

# Install the packages $2... silently: nothing asks, no service starts, nothing that is installed is removed for them.
# $1 says what for, in words that end the sentence "... is needed".
need_packages() {
    reason=$1
    shift
    command -v apt-get >/dev/null 2>&1 || stop "$reason needs these packages (Debian's names): $*. Install them, then run $0 again."
    is_root || stop "$reason needs packages that only root can install. Run this once, then $0 again: sudo apt-get install $*"
    say "Installing $* (once)"
    apt_log=$(mktemp)
    if ! apt_quietly "$@"; then
        cat "$apt_log" >&2
        rm -f "$apt_log"
        stop "apt-get could not install $* (its words are above). Put that right, then run $0 again."
    fi
    rm -f "$apt_log"
}

# The lists are fetched first only where the install fails without them: a fresh machine has none, an old one has stale ones.
apt_quietly() {
    keep_services_down
    # Postfix asks what kind of host this is; only its tools are wanted.
    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections >>"$apt_log" 2>&1 || true
    apt_install "$@" || { apt-get -q update && apt_install "$@"; } >>"$apt_log" 2>&1
    apt_result=$?
    let_services_start
    return "$apt_result"
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends --no-remove install "$@" >>"$apt_log" 2>&1 </dev/null
}

# A package that brings a service asks policy-rc.d whether it may start; 101 is no.
keep_services_down() {
    our_policy=
    [ -e /usr/sbin/policy-rc.d ] && return 0
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    our_policy=yes
    trap let_services_start EXIT
    trap 'exit 130' INT TERM HUP
}

let_services_start() {
    [ -z "$our_policy" ] || rm -f /usr/sbin/policy-rc.d
    our_policy=
}
