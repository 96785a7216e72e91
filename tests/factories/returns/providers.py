"""Reports of providers and of groupware, each in words of its own: Microsoft 365, Gmail, Yahoo, Domino, GroupWise, IMail; and qmail, without fields."""

from __future__ import annotations

from tests.factories.returns.said import AT, HERE, THERE, Own, Report, fields, reply


def microsoft(own: Own, why: str) -> Report:
    """Exchange Online: HTML for people, and a diagnosis in words of its own."""
    cause, status, says = {
        "unknown": ("The email address you entered couldn't be found. Please check the recipient's email address and try to resend the message.",
                    "5.1.10", f"550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient {own.address} not found by SMTP address lookup"),
        "full": ("The recipient's mailbox is full and can't accept messages now. Please try resending your message later.", "5.2.2",
                 "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; Failed to process message"),
        "spam": ("Your message couldn't be delivered because the recipient's system rejected it.", "5.7.606",
                 "550 5.7.606 Access denied, banned sending IP [198.51.100.9]"),
        "no domain": ("Your message couldn't be delivered. The Domain Name System (DNS) reported that the recipient's domain does not exist.", "5.4.310",
                      f"550 5.4.310 DNS domain {own.domain} does not exist [Message=InfoDomainNonexistent] [LastAttemptedServerName={own.domain}]"),
        "too late": ("The server has tried to deliver this message, without success, and has stopped trying.", "5.4.300",
                     "550 5.4.300 Message expired -&gt; 421 4.4.1 Connection timed out"),
        "delayed": ("This message hasn't been delivered yet. Delivery will continue to be attempted.", "4.4.7", "400 4.4.7 Message delayed"),
        "delivered": ("Your message has been delivered to the following recipients:", "2.1.5", "")}[why]
    failed = "Delivery has failed to these recipients or groups:"
    opening = {"delayed": "Delivery is delayed to these recipients or groups:", "delivered": cause}.get(why, failed)
    html = (f'<html><head><meta http-equiv="Content-Type" content="text/html"></head><body><p><b><font color="#000066">{opening}</font></b></p>'
            f'<font color="#000000"><p><a href="mailto:{own.address}">{own.address}</a><br>\n{cause}</p><br><br>\n'
            f"<p><b>Diagnostic information for administrators:</b></p><p>Generating server: DB7PR04MB1234.eurprd04.prod.outlook.com</p>\n"
            f"<p>{own.address}<br>\nRemote server returned '{says}'</p>\n<p>Original message headers:</p></font></body></html>\n")
    subject = {"delayed": "Delivery delayed: ", "delivered": "Delivered: "}.get(why, "Undeliverable: ") + "Hi ada"
    groups = fields(own, why, says.replace("&gt;", ">"), status=status, of_message=(f"Received-From-MTA: dns;{HERE}",))
    return Report(sender="Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@contoso.onmicrosoft.com>", subject=subject, text=html,
                  is_html=True, groups=groups, headers=("X-MS-Exchange-Message-Is-Ndr:", "Auto-Submitted: auto-replied"))


# Title, cause, status and reply, with the address and its domain to be filled in.
_GMAIL = {
    "unknown": ("Address not found", "Your message wasn't delivered to {a} because the address couldn't be found, or is unable to receive mail.", "5.1.1", (
        "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for "
        "typos or unnecessary spaces. For more information, go to https://support.google.com/mail/?p=NoSuchUser a1-20020 - gsmtp")),
    "full": ("Recipient inbox full", "Your message couldn't be delivered to {a}. Their inbox is full, or it's getting too much mail right now.", "4.2.2", (
        "452 4.2.2 The recipient's inbox is out of storage space. Please direct the recipient to "
        "https://support.google.com/mail/?p=OverQuotaTemp a1-20020 - gsmtp")),
    "spam": ("Message blocked", "Your message to {a} has been blocked. See technical details below for more information.", "5.7.1", (
        "550 5.7.1 [198.51.100.9] Gmail has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, "
        "this message has been blocked. a1-20020 - gsmtp")),
    "no domain": ("Address not found", (
        "Your message wasn't delivered to {a} because the domain {d} couldn't be found. Check for typos or unnecessary spaces and try again."), "4.0.0",
        "DNS Error: DNS type 'mx' lookup of {d} responded with code NXDOMAIN Domain name not found: {d}"),
    "too late": ("Message not delivered", "There was a problem delivering your message to {a}. See the technical details below.", "4.4.1",
                 "The recipient server did not accept our requests to connect. [{d} 192.0.2.7: timed out]"),
    "delayed": ("Delivery incomplete", (
        "There was a temporary problem delivering your message to {a}. Gmail will retry for 47 more hours. "
        "You'll be notified if the delivery fails permanently."), "4.4.1",
        "The recipient server did not accept our requests to connect. [{d} 192.0.2.7: timed out]")}


def gmail(own: Own, why: str) -> Report | None:
    """Gmail and Workspace."""
    if why == "delivered":
        return None
    title, cause, status, says = (part.format(a=own.address, d=own.domain) for part in _GMAIL[why])
    text = f"\n** {title} **\n\n{cause}\n\n\n\nThe response was:\n\n{says}\n"
    return Report(sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
                  subject=f"Delivery Status Notification ({'Delay' if why == 'delayed' else 'Failure'})", text=text,
                  headers=(f"X-Failed-Recipients: {own.address}",) if why != "delayed" else (),
                  groups=fields(own, why, says, status=status, further=("Last-Attempt-Date: Tue, 24 Nov 2026 02:00:00 -0800 (PST)",)))


def yahoo(own: Own, why: str) -> Report | None:
    """Yahoo, text alone."""
    if why in {"delayed", "delivered", "no domain"}:
        return None
    says = "Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)" if why == "too late" else reply(why, own).replace(" ", ": ", 1)
    text = f"Sorry, we were unable to deliver your message to the following address.\n\n<{own.address}>:\n{says}\n\n"
    return Report(sender="MAILER-DAEMON@yahoo.com", subject="Failure Notice", text=text, above="--- Below this line is a copy of the message.\n\n")


def qmail(own: Own, why: str) -> Report | None:
    """The qmail-send program."""
    if why in {"delayed", "delivered"}:
        return None
    remote = f"{AT} does not like recipient.\nRemote host said: {reply(why, own)}\nGiving up on {AT}."
    says = {"no domain": f"Sorry, I couldn't find any host named {own.domain}. (#5.1.2)",
            "too late": "Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)\nI'm not going to try again; "
                        "this message has been in the queue too long."}.get(why, remote)
    text = (f"Hi. This is the qmail-send program at {HERE}.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n"
            f"This is a permanent error; I've given up. Sorry it didn't work out.\n\n<{own.address}>:\n{says}\n\n")
    return Report(sender=f"MAILER-DAEMON@{HERE}", subject="failure notice", text=text, above="--- Below this line is a copy of the message.\n\n")


def domino(own: Own, why: str) -> Report | None:
    """HCL Domino."""
    if why in {"delayed", "delivered", "no domain"}:
        return None
    name = own.address.partition("@")[0]
    says = {"unknown": f"User {name} ({own.address}) not listed in Domino Directory",
            "full": f"Cannot route mail to user ({name}). The user's mail file is over its quota: mailbox full",
            "spam": f"Error transferring to {THERE.upper()}; SMTP Protocol Returned a Permanent Error {reply(why, own)}",
            "too late": f"Error transferring to {THERE.upper()}; Connection timed out"}[why]
    text = f"Your message\n\n  Subject: Hi ada\n\nwas not delivered to:\n\n  {own.address}\n\nbecause:\n\n  {says}\n"
    return Report(sender="Postmaster@corp.example", subject=f"DELIVERY FAILURE: {says}", text=text, groups=fields(own, why, says, typed="X-Notes"))


def groupwise(own: Own, why: str) -> Report | None:
    """GroupWise's Internet agent."""
    if why in {"delayed", "delivered", "no domain", "too late"}:
        return None
    text = (f"The message that you sent was undeliverable to the following:\n\t{own.address} ({reply(why, own)})\n\n"
            "Possibly truncated original message follows:\n")
    return Report(sender="Mailer-Daemon@corp.example", subject="Message status - undeliverable", text=text)


def imail(own: Own, why: str) -> Report | None:
    """IMail."""
    if why not in {"unknown", "full"}:
        return None
    said = {"unknown": f"Unknown user: {own.address}", "full": f"User mailbox exceeds allowed size: {own.address}"}[why]
    return Report(sender="Postmaster <postmaster@corp.example>", subject="Undeliverable Mail", text=f"{said}\n\n",
                  above="Original message follows.\n\n")
