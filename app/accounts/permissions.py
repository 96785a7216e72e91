"""What there is to permit, to administrators and to user groups; the labels are the ones that pages show."""

from __future__ import annotations

from app.accounts.models import Administrator, UserGroup

# name -> label. "" in a policy means: being signed in there is enough.
OF_ADMINISTRATORS = {
    "settings": "Change settings",
    "delivery": "See and change delivery servers",
    "plugins": "Enable, pause and disable plug-ins",
    "users": "Manage users and user groups",
    "users.open": "Work in users' accounts",
    "administrators": "Manage administrators",
    "system": "See the health of the system, shunted jobs and the test mailbox",
}

OF_USER_GROUPS = {
    "lists": "Manage lists and subscribers",
    "imports": "Import subscribers",
    "campaigns": "Write campaigns",
    "campaigns.send": "Send campaigns",
    "reports": "See reports",
    "suppression": "Manage the suppression list",
}

# name -> label; the number is a maximum, an absent one is no limit.
LIMITS_OF_USER_GROUPS = {
    "lists": "Lists",
    "subscribers": "Subscribers on all lists",
    "campaigns_per_month": "Campaigns a month",
    "mails_per_month": "Mails a month",
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
