"""The settings, one module a tab; each holds one ``room``."""

from __future__ import annotations

TABS = ("home", "admin_account", "email_addresses", "delivery_servers", "email_delivery", "load_balancing", "bounces", "spam_complaint", "webhooks", "product",
        "plug_ins", "system")
