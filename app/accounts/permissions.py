"""What there is to permit, to administrators and to user groups; the labels are the ones that pages show."""

from __future__ import annotations

from app.accounts.models import Administrator, UserGroup
from app.words import marked

# name -> label. "" in a policy means: being signed in there is enough.
OF_ADMINISTRATORS = {
    "settings": marked("Change settings"),
    "delivery": marked("See and change delivery servers"),
    "plugins": marked("Enable, pause and disable plug-ins"),
    "users": marked("Manage users and user groups"),
    "users.open": marked("Work in users' accounts"),
    "administrators": marked("Manage administrators"),
    "inbound": marked("See the mails that came back, and change the rules that they are read by"),
    "system": marked("See the health of the system, shunted jobs and the test mailbox"),
}

OF_USER_GROUPS = {
    "lists": marked("Manage lists and subscribers"),
    "imports": marked("Import subscribers"),
    "campaigns": marked("Write campaigns"),
    "campaigns.send": marked("Send campaigns"),
    "transactional": marked("Send transactional mail"),
    "campaigns.servers": marked("Choose the delivery servers of campaigns"),
    "sender_domains": marked("Prove sender domains"),
    "reports": marked("See reports"),
    "suppression": marked("Manage the suppression list"),
}

# name -> label; the number is a maximum, an absent one is no limit.
LIMITS_OF_USER_GROUPS = {
    "lists": marked("Lists"),
    "subscribers": marked("Subscribers on all lists"),
    "campaigns_per_month": marked("Campaigns a month"),
    "mails_per_month": marked("Mails a month"),
}


def administrator_may(administrator: Administrator, permission: str) -> bool:
    """Whether this administrator may; the first one, and every super administrator, may everything."""
    return administrator.is_super or not permission or permission in administrator.permissions


def may_manage(administrator: Administrator, is_super: bool, permissions: list[str]) -> bool:
    """Whether this administrator may give these rights, and change somebody who has them: nobody reaches more than their own."""
    return administrator.is_super or not (is_super or set(permissions) - set(administrator.permissions))


def group_may(group: UserGroup, permission: str) -> bool:
    """Whether users of this group may."""
    return not permission or permission in group.permissions
