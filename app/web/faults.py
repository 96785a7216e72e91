"""What can go wrong, in words: the cause, what is safe, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext as _


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that is safe, or that happens next."""

    icon: str
    title: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure as a person reads it. ``again`` is after how many seconds the page tries by itself; 0 is never."""

    status: int
    title: str
    text: str
    icon: str = "alert-triangle"
    points: tuple[Point, ...] = ()
    again: int = 0


def of_status(status: int, said: str = "") -> Fault:
    """Return the fault of an HTTP status; ``said`` is what the view said about it and takes the place of our own sentence."""
    if status in (500, 502, 504):
        return _ours(status)
    title, text, icon = _refusals().get(status) or (_("This cannot be done"), _("Go back and try another way."), "alert-triangle")
    return Fault(status, title, said or text, icon)


def _refusals() -> dict[int, tuple[str, str, str]]:
    return {
        400: (_("This request cannot be read"), _("It holds something that this page does not expect. Go back."), "alert-triangle"),
        401: (_("Nobody is known by this key"), _("Send one that is in force: Authorization: Bearer lm_…, made under Admin account, API."), "shield-lock"),
        403: (_("You may not do this"), _("Your account has no permission for it. An administrator can give it to you."), "shield-lock"),
        404: (_("There is nothing here"), _("The address is wrong, what stood here is gone, or it is not yours."), "search"),
        405: (_("This address takes another request"), _("Open the page again from the navigation."), "alert-triangle"),
        409: (_("Somebody changed this meanwhile"), _("Open the page again to see how it stands, then make your change."), "users"),
        413: (_("This is too large"), _("The server refuses a request of this size. Send a smaller file, or in parts."), "file-upload"),
        415: (_("This kind of file is not taken"), _("Go back and choose another file."), "file"),
        422: (_("Something is not right in the form"), _("Go back and correct what is marked."), "alert-triangle"),
        429: (_("Too many tries"), _("Wait a minute, then try again."), "clock"),
        503: (_("This part of the house does not answer"), _("It is being started or mended. Try again in a moment."), "plug"),
    }


def _ours(status: int) -> Fault:
    points = (
        Point("circle-check", _("Nothing is half saved"), _("What was being saved is either all there or not at all.")),
        Point("send", _("Sending goes on"), _("Campaigns that run are not touched by this page.")),
    )
    text = _("The page stopped before it was done. The log has the whole story under the reference below.")
    return Fault(status, _("We made a mistake here"), text, "bug", points)


def no_database() -> Fault:
    """The database does not answer (design, picture 28)."""
    points = (
        Point("circle-check", _("Nothing you saved is lost"), _("A form you were just sending is not; go back, your browser has it.")),
        Point("player-pause", _("Sending has paused by itself"), _("Campaigns go on where they were. No mail is doubled.")),
        Point("click", _("Opens and clicks are kept"), _("They wait in Redis and are counted when the database is back.")),
    )
    text = _("So this page cannot be shown. We try again every 5 seconds and open it as soon as the database is back.")
    return Fault(503, _("The database does not answer"), text, "database-off", points, again=5)


def page_too_old(*, again: bool) -> Fault:
    """The CSRF token does not fit: the page is older than the sign-in. ``again``: the form is on the screen, with a new token."""
    if again:
        text = _("Nothing was saved, and what you typed is still here. Press the button once more.")
    else:
        text = _("Nothing was saved. Open the page again and send it once more; what you typed stands below, to copy.")
    return Fault(400, _("This page was open too long"), text, "clock")
