"""The steps of the road, one a module, in the order in which a mail meets them."""

from __future__ import annotations

from app.delivery.road import Step
from app.delivery.steps.add_pixel import add_pixel
from app.delivery.steps.add_preheader import add_preheader
from app.delivery.steps.name_complaints_address import name_complaints_address
from app.delivery.steps.personalise_texts import personalise_texts
from app.delivery.steps.rewrite_links import rewrite_links
from app.delivery.steps.set_return_path import set_return_path
from app.delivery.steps.stamp_headers import stamp_headers

# What an author wrote becomes what one person reads; plug-ins that look at single mails come between the two halves.
WRITING: tuple[Step, ...] = (personalise_texts, rewrite_links, add_preheader, add_pixel)
ADDRESSING: tuple[Step, ...] = (stamp_headers, name_complaints_address, set_return_path)
