"""What the large providers and the common servers really answer, each held against what it means: one table for sending and for bounces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.reply import Fate, Phase, Reply, classify, parse_reply

# fmt: off
REAL = [
    # Gmail and Workspace.
    ("550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's e", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.2.1 The email account that you tried to reach is disabled.", Phase.RCPT, Fate.BOUNCED_SOFT),
    ("550-5.2.1 The email account that you tried to reach is inactive. Learn more", Phase.RCPT, Fate.BOUNCED_SOFT),
    ("552-5.2.2 The email account that you tried to reach is over quota.", Phase.RCPT, Fate.BOUNCED_SOFT),
    ("550-5.7.1 [192.0.2.1] The IP you're using to send mail is not authorized to send email directly to our servers.", Phase.DOT, Fate.BLOCKED),
    ("550-5.7.1 [192.0.2.1      12] Our system has detected that this message is likely unsolicited mail. To reduce th", Phase.DOT, Fate.BLOCKED),
    ("550-5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record setup", Phase.DOT, Fate.BLOCKED),
    ("550-5.7.26 This mail is unauthenticated, which poses a security risk to the sender and Gmail users", Phase.DOT, Fate.BLOCKED),
    ("552-5.7.0 This message was blocked because its content presents a potential security issue.", Phase.DOT, Fate.BLOCKED),
    ("552 5.3.4 Your message exceeded Google's message size limits. Please visit", Phase.MAIL, Fate.BLOCKED),
    ("552-5.2.3 Your message exceeded Google's message size limits", Phase.DOT, Fate.BLOCKED),
    ("550 5.4.5 Daily SMTP relay limit exceeded for user", Phase.DOT, Fate.BLOCKED),
    ("550-5.4.5 Daily user sending limit exceeded.", Phase.DATA, Fate.BLOCKED),
    ("550 5.7.1 Invalid credentials for relay [192.0.2.1]. The IP address you've registered in your Workspace SMTP Rel", Phase.RCPT, Fate.BLOCKED),
    ("535-5.7.8 Username and Password not accepted. Learn more at", Phase.AUTH, Fate.OURS),
    ("534-5.7.9 Application-specific password required.", Phase.AUTH, Fate.OURS),
    ("530-5.7.0 Must issue a STARTTLS command first.", Phase.MAIL, Fate.OURS),
    ("530-5.5.1 Authentication Required.", Phase.MAIL, Fate.OURS),
    ("421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address", Phase.DOT, Fate.THROTTLED),
    ("450-4.2.1 The user you are trying to contact is receiving mail too quickly. Please resend your message at a late", Phase.RCPT, Fate.DEFERRED),
    ("450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from", Phase.RCPT, Fate.DEFERRED),
    ("452-4.2.2 The email account that you tried to reach is over quota", Phase.RCPT, Fate.DEFERRED),
    ("421-4.7.0 Try again later, closing connection. (EHLO)", Phase.HELLO, Fate.THROTTLED),
    ("553-5.1.2 We weren't able to find the recipient domain. Please check for any spelling errors", Phase.RCPT, Fate.BOUNCED_HARD),
    ("553 5.1.3 The recipient address <a@b> is not a valid RFC-5321 address.", Phase.RCPT, Fate.BOUNCED_HARD),
    ("555 5.5.2 Syntax error, goodbye.", Phase.RCPT, Fate.OURS),
    ("550-5.7.1 Email quota exceeded.", Phase.RCPT, Fate.BLOCKED),
    # Outlook and Exchange Online.
    ("550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider s", Phase.MAIL, Fate.BLOCKED),
    ("550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. ... on our block list (S3140)", Phase.RCPT, Fate.BLOCKED),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", Phase.REPORT, Fate.BOUNCED_HARD),
    ("550 5.4.1 Recipient address rejected: Access denied. [AM5EUR03FT034.eop-EUR03.prod.protection.outlook.com]", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.4.1 [a@example.com]: Recipient address rejected: Access denied", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal from this list", Phase.RCPT, Fate.BLOCKED),
    ("550 5.7.511 Access denied, banned sender[192.0.2.1].", Phase.RCPT, Fate.BLOCKED),
    ("550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP.", Phase.DOT, Fate.BLOCKED),
    ("550 5.7.705 Access denied, tenant has exceeded threshold", Phase.DOT, Fate.BLOCKED),
    ("550 5.7.23 The message was rejected because of Sender Policy Framework violation", Phase.DOT, Fate.BLOCKED),
    ("550 5.7.64 TenantAttribution; Relay Access Denied", Phase.RCPT, Fate.BLOCKED),
    ("550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", Phase.RCPT, Fate.BLOCKED),
    ("550 5.7.1 Unable to relay", Phase.RCPT, Fate.BLOCKED),
    ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", Phase.DOT, Fate.BLOCKED),
    ("550 5.7.515 Access denied, sending domain example.com does not meet the required authentication level.", Phase.DOT, Fate.BLOCKED),
    ("550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", Phase.REPORT, Fate.BLOCKED),
    ("550 5.7.124 Sender not in allowed-senders list", Phase.REPORT, Fate.BLOCKED),
    ("550 5.2.2 STOREDRV.Deliver; mailbox full. The recipient's mailbox is full", Phase.REPORT, Fate.BOUNCED_SOFT),
    ("554 5.2.2 mailbox full", Phase.REPORT, Fate.BOUNCED_SOFT),
    ("554 5.2.0 STOREDRV.Deliver.Exception:QuotaExceededException; Failed to process message due to a permanent except", Phase.REPORT, Fate.BOUNCED_SOFT),
    ("550 5.2.1 Mailbox cannot be accessed", Phase.REPORT, Fate.BOUNCED_SOFT),
    ("552 5.3.4 Message size exceeds fixed maximum message size", Phase.DOT, Fate.BLOCKED),
    ("550 5.3.4 ROUTING.SizeLimit; message size exceeds fixed maximum size for route", Phase.REPORT, Fate.BLOCKED),
    ("550 5.4.310 DNS domain example.invalid does not exist [Message=InfoDomainNonexistent]", Phase.REPORT, Fate.BOUNCED_HARD),
    ("550 5.4.312 Message expired, DNS query failed", Phase.REPORT, Fate.BOUNCED_SOFT),
    ("550 5.4.300 Message expired", Phase.REPORT, Fate.BOUNCED_SOFT),
    ("550 5.4.14 Hop count exceeded - possible mail loop", Phase.REPORT, Fate.BOUNCED_SOFT),
    ("550 5.0.350 Remote server returned an error -> 550 blocked", Phase.REPORT, Fate.BLOCKED),
    ("451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)", Phase.RCPT, Fate.THROTTLED),
    ("451 4.7.652 The mail server [192.0.2.1] has exceeded the maximum number of connections.", Phase.MAIL, Fate.THROTTLED),
    ("451 4.3.2 Temporary server error. Please try again later.", Phase.RCPT, Fate.DEFERRED),
    ("421 4.3.2 The maximum number of concurrent server connections has exceeded a limit", Phase.CONNECT, Fate.THROTTLED),
    ("432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", Phase.DOT, Fate.THROTTLED),
    ("421 RP-001 (SNT004-MC1F1) Unfortunately, some messages from 192.0.2.1 weren't sent. Please try again.", Phase.MAIL, Fate.THROTTLED),
    ("550 SC-001 (COL004) Unfortunately, messages from 192.0.2.1 weren't sent.", Phase.MAIL, Fate.BLOCKED),
    ("550 OU-002 Mail rejected by Outlook.com for policy reasons.", Phase.MAIL, Fate.BLOCKED),
    ("550 DY-001 Mail rejected by Outlook.com for policy reasons. We generally do not accept email from dynamic IP's", Phase.CONNECT, Fate.BLOCKED),
    # Yahoo and AOL.
    ("554 delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [-9] - mta1234.mail.ne1.yahoo.co", Phase.DOT, Fate.BOUNCED_HARD),
    ("554 delivery error: dd Not a valid recipient - atlas-production.v2-mail-prod1-bf1.omega.yahoo.com", Phase.DOT, Fate.BOUNCED_HARD),
    ("554 delivery error: dd Sorry your message to x@yahoo.com cannot be delivered. This account has been disabled or", Phase.DOT, Fate.BOUNCED_SOFT),
    ("552 1 Requested mail action aborted, mailbox not found", Phase.RCPT, Fate.BOUNCED_HARD),
    ("552 5.2.2 Mailbox full (sender: x) quota", Phase.DOT, Fate.BOUNCED_SOFT),
    ("553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list", Phase.CONNECT, Fate.BLOCKED),
    ("554 5.7.9 Message not accepted for policy reasons.  See https://postmaster.yahooinc.com/error-codes", Phase.DOT, Fate.BLOCKED),
    ("554 Message not allowed - [PH01] Email not accepted for policy reasons.", Phase.DOT, Fate.BLOCKED),
    ("421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred", Phase.CONNECT, Fate.THROTTLED),
    ("451 4.7.1 [TSS09] Messages from 192.0.2.1 temporarily deferred", Phase.MAIL, Fate.THROTTLED),
    ("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints", Phase.MAIL, Fate.THROTTLED),
    ("451 Resources temporarily not available - Please try again later [#4.16.5].", Phase.RCPT, Fate.DEFERRED),
    ("521 5.2.1 :  (TG) DNSBL:ATTRBL 521< 192.0.2.1 >_is_blocked", Phase.CONNECT, Fate.BLOCKED),
    ("550 5.7.1 : (DNSBL) blocked", Phase.RCPT, Fate.BLOCKED),
    # Postfix.
    ("550 5.1.1 <x@example.com>: Recipient address rejected: User unknown in local recipient table", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.1.1 <x@example.com>: Recipient address rejected: User unknown in relay recipient table", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.1.1 <x@example.com>: Recipient address rejected: undeliverable address: host mx said: 550 no such user", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.1.0 <news@example.com>: Sender address rejected: User unknown in virtual mailbox table", Phase.RCPT, Fate.BLOCKED),
    ("553 5.7.1 <news@example.com>: Sender address rejected: not owned by user app", Phase.RCPT, Fate.BLOCKED),
    ("553 5.7.1 <news@example.com>: Sender address rejected: not logged in", Phase.RCPT, Fate.BLOCKED),
    ("550 5.1.8 <news@nowhere.example>: Sender address rejected: Domain not found", Phase.RCPT, Fate.BLOCKED),
    ("450 4.1.8 <news@nowhere.example>: Sender address rejected: Domain not found", Phase.RCPT, Fate.DEFERRED),
    ("450 4.1.2 <x@nowhere.example>: Recipient address rejected: Domain not found", Phase.RCPT, Fate.DEFERRED),
    ("550 5.1.2 <x@nowhere.example>: Recipient address rejected: Domain not found", Phase.RCPT, Fate.BOUNCED_HARD),
    ("554 5.7.1 <x@example.com>: Relay access denied", Phase.RCPT, Fate.BLOCKED),
    ("454 4.7.1 <x@example.com>: Relay access denied", Phase.RCPT, Fate.THROTTLED),
    ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", Phase.RCPT, Fate.BLOCKED),
    ("554 5.7.1 <x@example.com>: Recipient address rejected: Access denied", Phase.RCPT, Fate.BLOCKED),
    ("550 5.7.1 <mail.example.net>: Helo command rejected: Host not found", Phase.RCPT, Fate.BLOCKED),
    ("504 5.5.2 <host>: Helo command rejected: need fully-qualified hostname", Phase.RCPT, Fate.OURS),
    ("550 5.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", Phase.RCPT, Fate.BLOCKED),
    ("450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", Phase.RCPT, Fate.THROTTLED),
    ("552 5.3.4 Message size exceeds fixed limit", Phase.MAIL, Fate.BLOCKED),
    ("552 5.3.4 Error: message file too big", Phase.DOT, Fate.BLOCKED),
    ("452 4.3.1 Insufficient system storage", Phase.MAIL, Fate.DEFERRED),
    ("452 4.5.3 Error: too many recipients", Phase.RCPT, Fate.THROTTLED),
    ("451 4.3.5 Server configuration problem", Phase.RCPT, Fate.DEFERRED),
    ("530 5.7.0 Must issue a STARTTLS command first", Phase.MAIL, Fate.OURS),
    ("530 5.7.1 Authentication required", Phase.RCPT, Fate.OURS),
    ("535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6", Phase.AUTH, Fate.OURS),
    ("503 5.5.1 Error: authentication not enabled", Phase.AUTH, Fate.OURS),
    ("550 5.7.1 Message rejected due to content restrictions", Phase.DOT, Fate.BLOCKED),
    ("450 4.2.0 <x@example.com>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/exampl", Phase.RCPT, Fate.DEFERRED),
    ("554 5.4.6 Error: too many hops", Phase.DOT, Fate.BOUNCED_SOFT),
    # Exim.
    ("550 Unrouteable address", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 unknown user", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 No such user here", Phase.RCPT, Fate.BOUNCED_HARD),
    ('550 No Such User Here"', Phase.RCPT, Fate.BOUNCED_HARD),
    ("550-Sender verify failed", Phase.RCPT, Fate.BLOCKED),
    ("550 relay not permitted", Phase.RCPT, Fate.BLOCKED),
    ("550 administrative prohibition", Phase.RCPT, Fate.BLOCKED),
    ("550 Administrative prohibition", Phase.DOT, Fate.BLOCKED),
    ("552 message size exceeds maximum permitted", Phase.MAIL, Fate.BLOCKED),
    ("552 Message size exceeds maximum permitted", Phase.DOT, Fate.BLOCKED),
    ("550 authentication required", Phase.RCPT, Fate.OURS),
    ("550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)", Phase.MAIL, Fate.BLOCKED),
    ("550 This message was classified as SPAM and may not be delivered", Phase.DOT, Fate.BLOCKED),
    ("550 rejected because 192.0.2.1 is in a black list at zen.spamhaus.org", Phase.RCPT, Fate.BLOCKED),
    ("451 Temporary local problem - please try later", Phase.RCPT, Fate.DEFERRED),
    ("535 Incorrect authentication data", Phase.AUTH, Fate.OURS),
    ("550 Mailbox quota exceeded / mailbox is full", Phase.RCPT, Fate.BOUNCED_SOFT),
    ('550 "The recipient cannot be verified.  Please check all recipients of this message to verify they are valid."', Phase.RCPT, Fate.BOUNCED_SOFT),
    # Exchange, Sendmail and others.
    ("550 5.1.1 User unknown", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.1.1 <x@example.com>... User unknown", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.7.1 Client was not authenticated", Phase.MAIL, Fate.OURS),
    ("530 5.7.1 Client was not authenticated", Phase.MAIL, Fate.OURS),
    ("550 5.7.1 Client does not have permissions to send as this sender", Phase.DOT, Fate.BLOCKED),
    ("550 5.7.1 Requested action not taken: message refused", Phase.DOT, Fate.BLOCKED),
    ("550 5.7.1 Recipient not authorized, your IP has been found on a block list", Phase.RCPT, Fate.BLOCKED),
    ("552 5.2.3 Message exceeds maximum fixed size (10240000)", Phase.MAIL, Fate.BLOCKED),
    ("553 5.3.0 <x@example.com>... No such user here", Phase.RCPT, Fate.BOUNCED_HARD),
    ("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", Phase.RCPT, Fate.BLOCKED),
    ("553 5.1.8 <x@y>... Domain of sender address x@y does not exist", Phase.RCPT, Fate.BLOCKED),
    ("551 5.7.1 User not local; please try <forward-path>", Phase.RCPT, Fate.BOUNCED_SOFT),
    ("550 Relaying denied", Phase.RCPT, Fate.BLOCKED),
    ("554 5.7.1 Spam message rejected", Phase.DOT, Fate.BLOCKED),
    ("554 5.7.5 Permanent error evaluating DMARC policy", Phase.DOT, Fate.BLOCKED),
    ("550 Requested action not taken: mailbox unavailable For explanation visit https://postmaster.gmx.net/en/error-me", Phase.RCPT, Fate.BOUNCED_HARD),
    ("554 Transaction failed Reject due to policy restrictions. For explanation visit https://postmaster.gmx.net", Phase.DOT, Fate.BLOCKED),
    ("554-Transaction failed 554-Reject due to policy restrictions", Phase.DOT, Fate.BLOCKED),
    ("550 5.1.1 <x@icloud.com>: user does not exist", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.7.0 Blocked - see https://support.apple.com", Phase.DOT, Fate.BLOCKED),
    ("554 5.7.1 [CS01] Message rejected due to local policy.", Phase.DOT, Fate.BLOCKED),
    ("550 user suspended", Phase.RCPT, Fate.BOUNCED_SOFT),
    ("550 mailbox has been blocked due to inactivity", Phase.RCPT, Fate.BOUNCED_SOFT),
    ("550 Account Inactive", Phase.RCPT, Fate.BOUNCED_SOFT),
    ("550 Message was not accepted -- invalid mailbox.  Local mailbox x@mail.ru is unavailable: user not found", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 spam message rejected. Please visit http://help.mail.ru/notspam-support/id?c=", Phase.DOT, Fate.BLOCKED),
    ("550 Non-existent email address", Phase.RCPT, Fate.BOUNCED_HARD),
    ("554 5.7.1 Mailbox not found", Phase.RCPT, Fate.BOUNCED_SOFT),
    ("550 5.7.1 <x@example.com>: Recipient address rejected: user x@example.com does not exist", Phase.RCPT, Fate.BOUNCED_SOFT),
]
# fmt: on


@pytest.mark.parametrize(("text", "phase", "fate"), REAL)
def test_a_real_reply_means_what_its_server_meant(text: str, phase: Phase, fate: Fate) -> None:
    assert classify(parse_reply([text.encode()]), phase) is fate


WORDS = st.sampled_from(["user unknown", "no such user", "mailbox not found", "recipient not found", "domain not found", "unrouteable address",
                         "null MX", "mailbox unavailable", "recipient address rejected", "no mailbox here", "relay access denied", ""])
PHASES = st.sampled_from([Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT, Phase.REPORT])


@given(st.sampled_from([530, 534, 535, 538]), st.sampled_from(["", "5.7.0", "5.5.1", "5.1.1"]), WORDS, PHASES)
def test_a_refusal_to_sign_us_in_marks_nobody(code: int, enhanced: str, text: str, phase: Phase) -> None:
    assert classify(Reply(code, enhanced, text), phase) in {Fate.OURS, Fate.BLOCKED}


@given(st.sampled_from([550, 552, 553, 554]), st.integers(0, 999).filter(lambda number: number != 17), WORDS, PHASES)
def test_a_policy_marks_nobody_whatever_it_says(code: int, number: int, text: str, phase: Phase) -> None:
    assert classify(Reply(code, f"5.7.{number}", text), phase) is not Fate.BOUNCED_HARD


@given(st.sampled_from([550, 552, 554]), st.sampled_from(["5.3.4", "5.2.3"]), WORDS, PHASES)
def test_a_mail_that_is_too_large_marks_nobody(code: int, enhanced: str, text: str, phase: Phase) -> None:
    assert classify(Reply(code, enhanced, text), phase) in {Fate.BLOCKED, Fate.OURS}


@pytest.mark.parametrize("text", ["550 Too many invalid recipients", "550 5.1.1 Too many unknown users in this session",
                                  "554 Invalid recipient rate exceeded", "550 5.5.0 too many bad recipients, go away"])
def test_a_complaint_of_our_whole_list_marks_no_single_person(text: str) -> None:
    assert classify(parse_reply([text.encode()]), Phase.RCPT) is Fate.BLOCKED
