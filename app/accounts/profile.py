"""One's own account: name and zone freely; password and address only with the present password.

A changed address is confirmed at the old and at the new one: each gets a link, and the change happens when both were opened.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.accounts import links
from app.accounts.models import Administrator, User
from app.accounts.passwords import is_right, problem_with
from app.accounts.signing_in import set_password
from app.accounts.users import taken
from app.words import words


@dataclass(frozen=True, slots=True)
class EmailChange:
    """The two links of a change of address: where each goes, and its secret."""

    old: str
    new: str
    old_secret: str
    new_secret: str


def problems(session: Session, person: Administrator | User, *, email: str, username: str, new_password: str, password: str) -> dict[str, str]:
    """Return what is wrong, by field, in words."""
    found = {"username": taken(session, "username", username, person), "email": taken(session, "email", email, person)}
    if new_password:
        found["new_password"] = problem_with(new_password, username, email, person.first_name)
    if (new_password or email != person.email) and not is_right(person.password_hash, password):
        found["password"] = words("Type your present password to change your address or your password.")
    return {name: problem for name, problem in found.items() if problem}


def change(session: Session, person: Administrator | User, *, new_password: str, **values: str) -> None:
    """Store the name, the zone, and a new password, which ends every session."""
    for name, value in values.items():
        setattr(person, name, value)
    if new_password:
        set_password(session, person, new_password)


def ask_for_email(session: Session, person: Administrator, email: str) -> EmailChange:
    """Begin a change of address: it waits until both addresses have confirmed it."""
    person.pending_email = email
    token = links.make(session, links.CONFIRM_EMAIL, person, email=email)
    other = links.make_beside(session, links.CONFIRM_EMAIL, person, email=email)
    return EmailChange(person.email, email, token, other)


def confirm_email(session: Session, secret: str) -> str:
    """Use one of the two links; return "changed" when both were used, "waiting" for the other one, "" for a link that is over."""
    link = links.use(session, links.CONFIRM_EMAIL, secret)
    person = links.person_of(session, link) if link else None
    if link is None or not isinstance(person, Administrator) or person.pending_email != link.data.get("email"):
        return ""
    if links.open_of(session, links.CONFIRM_EMAIL, person):
        return "waiting"
    if taken(session, "email", person.pending_email, person):
        return ""
    person.email, person.pending_email = person.pending_email, ""
    return "changed"
