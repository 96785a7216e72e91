"""Reports with fields for programs (RFC 3464), as servers write them: Postfix, Exim, Sendmail, Courier, OpenSMTPD, KumoMTA, PowerMTA, Amazon SES."""

from __future__ import annotations

from tests.factories.returns.said import AT, HERE, THERE, Own, Report, fields, folded, reply

WHEN = "Tue, 24 Nov 2026 10:00:00 +0000"


def postfix(own: Own, why: str) -> Report:
    """Postfix 3, which gives the envelope's id back."""
    says = {"no domain": f"Host or domain name not found. Name service error for name={own.domain} type=A: Host not found",
            "too late": f"connect to {THERE}[{AT}]:25: Connection timed out",
            "delayed": f"connect to {THERE}[{AT}]:25: Connection timed out"}.get(why, reply(why, own))
    quoted = f"host {THERE}[{AT}] said: {says} (in reply to RCPT TO command)" if why in {"unknown", "full", "spam"} else says
    opening = {
        "delayed": (f"{'#' * 68}\n# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #\n"
                    f"{'#' * 68}\n\nYour message could not be delivered for more than 4 hour(s).\n"
                    "It will be retried until it is 5 day(s) old.\n"),
        "delivered": "Your message was successfully delivered to the destination(s)\nlisted below. If the message was delivered to mailbox you will\n"
                     "receive no further notifications.\n"}.get(
        why, "I'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients. It's attached below.\n")
    text = (f"This is the mail system at host {HERE}.\n\n{opening}\nFor further assistance, please send mail to postmaster.\n\n"
            "If you do so, please include this problem report. You can\ndelete your own text from the attached returned message.\n\n"
            f"                   The mail system\n\n{folded(f'<{own.address}>: {quoted}')}\n")
    subject = {"delayed": "Delayed Mail (still being retried)", "delivered": "Successful Mail Delivery Report"}.get(why, "Undelivered Mail Returned to Sender")
    groups = fields(own, why, says, typed="smtp" if why != "no domain" else "X-Postfix", with_envid=True, status="5.4.4" if why == "no domain" else "",
                    further=(f"Original-Recipient: rfc822;{own.address}", f"Remote-MTA: dns; {THERE}"),
                    of_message=("X-Postfix-Queue-ID: 4F1C2D3E4A", f"X-Postfix-Sender: rfc822; {own.mfrom}", f"Arrival-Date: {WHEN}"))
    return Report(sender=f"MAILER-DAEMON@{HERE} (Mail Delivery System)", subject=subject, text=text, groups=groups)


def _exim_text(own: Own, why: str) -> str:
    says = {"unknown": "", "full": "", "spam": "", "no domain": "Unrouteable address", "too late": "retry timeout exceeded"}[why] or (
        f"host {THERE} [{AT}]\n    SMTP error from remote mail server after RCPT TO:<{own.address}>:\n    {reply(why, own)}")
    return ("This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\n"
            f"recipients. This is a permanent error. The following address(es) failed:\n\n  {own.address}\n    {says}\n")


def exim(own: Own, why: str) -> Report | None:
    """Exim from 4.85 on."""
    if why in {"delivered", "no domain"}:
        return None
    if why == "delayed":
        return _exim_delay(own)
    says = "retry timeout exceeded" if why == "too late" else reply(why, own)
    groups = fields(own, why, says, status="5.0.0", further=(f"Remote-MTA: dns; {THERE}",))
    return Report(sender=f"Mail Delivery System <Mailer-Daemon@{HERE}>", subject="Mail delivery failed: returning message to sender",
                  text=_exim_text(own, why), groups=groups, headers=(f"X-Failed-Recipients: {own.address}",))


def _exim_delay(own: Own) -> Report:
    text = ("This message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its\n"
            f"recipients after more than 24 hours on the queue on {HERE}.\n\nThe message identifier is:     1rAbCd-0001Yz-0A\n\n"
            f"The address to which the message has not yet been delivered is:\n\n  {own.address}\n    host {THERE} [{AT}]\n"
            "    Delay reason: Connection timed out\n\n"
            "No action is required on your part. Delivery attempts will continue for\nsome time, and this warning may be repeated at intervals if the message\n"
            "remains undelivered. Eventually the mail delivery software will give up,\nand when that happens, the message will be returned to you.\n")
    return Report(sender=f"Mail Delivery System <Mailer-Daemon@{HERE}>", subject="Warning: message 1rAbCd-0001Yz-0A delayed 24 hours", text=text,
                  groups=fields(own, "delayed", "", status="4.0.0"))


def exim_of_old(own: Own, why: str) -> Report | None:
    """Exim before that: text alone, with the failed recipients in a header."""
    if why in {"delayed", "delivered"}:
        return None
    return Report(sender=f"Mail Delivery System <Mailer-Daemon@{HERE}>", subject="Mail delivery failed: returning message to sender",
                  text=_exim_text(own, why), headers=(f"X-Failed-Recipients: {own.address}",),
                  above="------ This is a copy of the message, including all the headers. ------\n\n")


def sendmail(own: Own, why: str) -> Report | None:
    """Sendmail 8."""
    if why == "delivered":
        return None
    says = {"no domain": f"550 5.1.2 <{own.address}>... Host unknown (Name server: {own.domain}: host not found)",
            "too late": f"Connection timed out with {THERE}", "delayed": f"Deferred: Connection timed out with {THERE}"}.get(why, reply(why, own))
    begin = f"The original message was received at {WHEN}\nfrom news.example [198.51.100.9]\n\n"
    if why == "delayed":
        text = (f"    **********************************************\n    **      THIS IS A WARNING MESSAGE ONLY      **\n"
                f"    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **\n    **********************************************\n\n{begin}"
                f"   ----- The following addresses had transient non-fatal errors -----\n<{own.address}>\n\n   ----- Transcript of session follows -----\n"
                f"<{own.address}>... {says}\nWarning: message still undelivered after 4 hours\nWill keep trying until message is 5 days old\n")
    else:
        text = (f"{begin}   ----- The following addresses had permanent fatal errors -----\n<{own.address}>\n    (reason: {says})\n\n"
                f"   ----- Transcript of session follows -----\n... while talking to {THERE}.:\n>>> RCPT To:<{own.address}>\n<<< {says}\n{says}\n"
                + ("Message could not be delivered for 5 days\nMessage will be deleted from queue\n" if why == "too late" else ""))
    subject = "Warning: could not send message for past 4 hours" if why == "delayed" else "Returned mail: see transcript for details"
    groups = fields(own, why, says, status="4.4.7" if why in {"too late", "delayed"} else "",
                    further=(f"Remote-MTA: DNS; {THERE}", f"Last-Attempt-Date: {WHEN}"),
                    of_message=("Received-From-MTA: DNS; news.example", f"Arrival-Date: {WHEN}"))
    return Report(sender=f"Mail Delivery Subsystem <MAILER-DAEMON@{HERE}>", subject=subject, text=text, groups=groups)


def courier(own: Own, why: str) -> Report | None:
    """Courier."""
    if why in {"delayed", "delivered"}:
        return None
    says = {"no domain": "No such domain.", "too late": "Connection timed out"}.get(why, reply(why, own))
    line = f">>> RCPT TO:<{own.address}>\n<<< {says}" if reply(why, own) else says
    rule = "-" * 75
    text = (f"This is a delivery status notification from {HERE},\nrunning the Courier mail server, version 1.3.\n\n"
            f"The original message was received on {WHEN}\nfrom news.example ([198.51.100.9])\n\n{rule}\n\n                           UNDELIVERABLE MAIL\n\n"
            f"Your message to the following recipients cannot be delivered:\n\n<{own.address}>:\n    {THERE} [{AT}]:\n{line}\n\n{rule}\n\n"
            "If your message was also sent to additional recipients, their delivery\nstatus is not included in this report.\n")
    groups = fields(own, why, says, status="5.0.0" if reply(why, own) else "", typed="smtp" if reply(why, own) else "unknown",
                    further=(f"Remote-MTA: dns; {THERE} [{AT}]",))
    return Report(sender=f'"Courier mail server at {HERE}" <@>', subject="NOTICE: mail delivery status.", text=text, groups=groups)


def opensmtpd(own: Own, why: str) -> Report | None:
    """OpenSMTPD."""
    if why == "delivered":
        return None
    says = {"no domain": "550 Invalid recipient: no MX found for destination domain, domain does not exist", "too late": "421 Timeout: could not connect",
            "delayed": "421 Timeout: could not connect"}.get(why, reply(why, own))
    what = ("    A message is delayed for more than 4h for the following\n    list of recipients:" if why == "delayed" else
            "    An error has occurred while attempting to deliver a message for\n    the following list of recipients:")
    text = (f"    Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this email.\n\n{what}\n\n{own.address}: {says}\n\n"
            "    Below is a copy of the original message:\n\n")
    subject = f"Delivery status notification: {'delayed' if why == 'delayed' else 'failed'}"
    return Report(sender=f"Mailer Daemon <MAILER-DAEMON@{HERE}>", subject=subject, text=text, groups=fields(own, why, says))


def kumomta(own: Own, why: str) -> Report | None:
    """KumoMTA."""
    if why in {"delayed", "delivered"}:
        return None
    says = {"no domain": f"550 5.1.2 failed to resolve {own.domain}: NXDOMAIN: domain does not exist",
            "too late": "551 5.4.7 Next delivery time would be at ..., which exceeds the expiry time"}.get(why, reply(why, own))
    text = (f"The message was received at {WHEN}\nfrom {own.mfrom} and addressed to {own.address}.\n"
            f"Status: failed\nWhile communicating with {THERE} ({AT}):\nResponse: {says}\n\n"
            "The message will be deleted from the queue.\nNo further attempts will be made to deliver it.\n")
    groups = fields(own, why, says, status="5.4.7" if why == "too late" else "", with_envid=True, further=(f"Remote-MTA: dns; {THERE}",))
    return Report(sender=f"Mail Delivery Subsystem <mailer-daemon@{HERE}>", subject="Returned mail", text=text, groups=groups)


def powermta(own: Own, why: str) -> Report | None:
    """PowerMTA, with the category that it gives a bounce."""
    if why == "delivered":
        return None
    status, says, category = {
        "unknown": ("5.1.1 (bad destination mailbox address)", reply(why, own), "bad-mailbox"),
        "full": ("5.2.2 (mailbox full)", reply(why, own), "quota-issues"),
        "spam": ("5.7.1 (delivery not authorized)", reply(why, own), "spam-related"),
        "no domain": ("5.1.2 (bad destination system: no such domain)", "", "bad-domain"),
        "too late": ("4.4.7 (delivery time expired)", "", "message-expired"),
        "delayed": ("4.4.1 (no answer from host)", "", "")}[why]
    what = "delivery delayed; will continue trying" if why == "delayed" else "delivery failed; will not continue trying"
    text = (f"Hello, this is the mail server on {HERE}.\n\nI am sending you this message to inform you on the delivery status of a\n"
            "message you previously sent.  Immediately below you will find a list of\nthe affected recipients;  also attached is a Delivery "
            f"Status Notification\n(DSN) report in standard format, as well as the headers of the original\nmessage.\n\n  <{own.address}>  {what}\n")
    further = (f"Remote-MTA: dns;{THERE} ({AT})", *([f"X-PowerMTA-BounceCategory: {category}"] if category else []))
    return Report(sender=f"mailer-daemon@{HERE}", subject="Delivery report", text=text,
                  groups=fields(own, why, says, status=status, further=further, with_envid=True))


def amazon_ses(own: Own, why: str) -> Report | None:
    """Amazon SES, which writes the action before the recipient."""
    if why in {"delayed", "delivered", "no domain"}:
        return None
    says = "4.4.7 Message expired: unable to deliver in 840 minutes.<421 4.4.1 Unable to connect to remote host>" if why == "too late" else reply(why, own)
    text = f"An error occurred while trying to deliver the mail to the following recipients:\n{own.address}\n"
    second = "\n".join(["Action: failed", f"Final-Recipient: rfc822; {own.address}", f"Diagnostic-Code: smtp; {'554 ' if why == 'too late' else ''}{says}",
                        f"Status: {'4.4.7' if why == 'too late' else says[4:9]}"])
    return Report(sender="MAILER-DAEMON@amazonses.com", subject="Delivery Status Notification (Failure)", text=text,
                  groups=("Reporting-MTA: dns; a8-31.smtp-out.amazonses.com", second))
