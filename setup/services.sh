# The real services that the tests run against: MariaDB, Chromium, Postfix and its mail sink, Dovecot, and a clock that lies. None is started here.

need_services() {
    missing=$(missing_services)
    # Word splitting is meant: one package name a word.
    # shellcheck disable=SC2086
    [ -z "$missing" ] || need_packages "The test suite" $missing
}

missing_services() {
    has mariadbd && has mariadb-install-db || echo mariadb-server-core
    # mariadb-install-db asks my_print_defaults, which is in the client's package.
    has my_print_defaults || echo mariadb-client-core
    has chromium || [ -n "${LETTERMILL_CHROMIUM:-}" ] || echo chromium
    # Playwright's own node needs it, and says only "Connection closed" without it.
    has_library libatomic.so.1 || echo libatomic1
    [ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || echo fonts-dejavu-core
    has smtp-sink || echo postfix
    has dovecot && [ -e /usr/lib/dovecot/imap ] || echo dovecot-imapd
    has dovecot && [ -e /usr/lib/dovecot/pop3 ] || echo dovecot-pop3d
    has faketime || echo faketime
}

# Servers are in /usr/sbin, which a normal user's PATH leaves out.
has() {
    (PATH=$PATH:/usr/sbin:/sbin && command -v "$1" >/dev/null 2>&1)
}

has_library() {
    (PATH=$PATH:/usr/sbin:/sbin && ldconfig -p 2>/dev/null | grep -q "$1")
}
