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
    words = {
        400: (_("This request cannot be read"), _("Something in it is not what this page expects. Go back and try again."), "alert-triangle"),
        403: (_("You may not do this"), _("Your account has no permission for it. An administrator can give it to you."), "shield-lock"),
        404: (_("There is nothing here"), _("The address is wrong, what stood here is gone, or it is not yours."), "search"),
        405: (_("This address takes another kind of request"), _("Open the page again from the navigation."), "alert-triangle"),
        409: (_("Somebody else changed this meanwhile"), _("Open the page again to see how it stands now, then make your change."), "users"),
        413: (_("This is too large"), _("The server refuses a request of this size. Send a smaller file, or in parts."), "file-upload"),
        415: (_("This kind of file is not taken here"), _("Go back and choose another file."), "file"),
        422: (_("Something in the form is not right"), _("Go back and correct what is marked."), "alert-triangle"),
        429: (_("Too many tries"), _("Wait a minute, then try again."), "clock"),
        503: (_("This part of the house does not answer"), _("It is being started or mended. Try again in a moment."), "plug"),
    }
    if status in words:
        title, text, icon = words[status]
        return Fault(status, title, said or text, icon)
    return _ours(status) if status >= 500 else Fault(status, _("This cannot be done"), said or _("Go back and try another way."))


def _ours(status: int) -> Fault:
    return Fault(status, _("We made a mistake here"), _("The page stopped before it was done. The log has the whole story under the reference below."), "bug",
                 (Point("circle-check", _("Nothing is half saved"), _("What was being saved is either all there or not at all.")),
                  Point("send", _("Sending goes on"), _("Campaigns that run are not touched by this page."))))


def no_database() -> Fault:
    """The database does not answer (design, picture 28)."""
    return Fault(503, _("The database does not answer"),
                 _("So this page cannot be shown. We try again every 5 seconds and open it as soon as the database is back."), "database-off",
                 (Point("circle-check", _("Nothing you saved is lost"), _("A form that you were just sending was not saved; go back and your browser still has it.")),
                  Point("player-pause", _("Sending has paused by itself"), _("Campaigns go on where they were. No mail is doubled.")),
                  Point("inbox", _("Bounces are still received"), _("They are kept on disk and read later."))), again=5)


def page_too_old(*, again: bool) -> Fault:
    """The CSRF token does not fit: the page is older than the sign-in. ``again``: the form is still on the screen, with a new token."""
    if again:
        return Fault(400, _("This page was open too long"), _("Nothing was saved, and what you typed is still here. Press the button once more."), "clock")
    return Fault(400, _("This page was open too long"),
                 _("Nothing was saved. Open the page again and send it once more; what you typed stands below, to copy."), "clock")
