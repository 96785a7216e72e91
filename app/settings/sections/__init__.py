"""The core's sections, in the order of their tabs."""

from __future__ import annotations

from app.settings.sections.bounces import Bounces
from app.settings.sections.email_addresses import EmailAddresses
from app.settings.sections.email_delivery import EmailDelivery
from app.settings.sections.load_balancing import LoadBalancing
from app.settings.sections.product import ProductSettings
from app.settings.sections.spam_complaint import SpamComplaint
from app.settings.sections.system import SystemSettings

CORE: tuple[type, ...] = (EmailAddresses, EmailDelivery, LoadBalancing, Bounces, SpamComplaint, ProductSettings, SystemSettings)
