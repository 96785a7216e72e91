"""The calls that other rooms make: typed, with the failure policy of each kind of hook already applied.

Decide: every plug-in is asked and the strictest answer wins; a raise defers. Transform: one after the other; a raise is PluginFailed,
and the caller sends nothing. Template: a raise leaves the slot empty. Notices stand in notices.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from markupsafe import Markup, escape

from app.plugins.calling import PluginFailed, call
from app.plugins.declarations import MergeTag
from app.plugins.manager import EnabledPlugins
from app.plugins.views import (
    Allow,
    CampaignView,
    Defer,
    DeliveryChannel,
    LinkView,
    MessageView,
    Problem,
    RecipientView,
    SendingView,
    Skip,
)
from app.words import words

Answer = TypeVar("Answer")
Passed = TypeVar("Passed", CampaignView, LinkView, MessageView)
Verdicts = dict[int, Skip | Defer]

RETRY_MINUTES = 5
PER_SENDING = ("lettermill_transform_campaign", "lettermill_transform_link")
PER_BATCH = ("lettermill_filter_recipients", "lettermill_recipient_values")
PER_MESSAGE = ("lettermill_filter_message", "lettermill_transform_message")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a plug-in costs a sending: ``per`` is sending, batch or message."""

    plugin: str
    title: str
    hook: str
    per: str


@dataclass(frozen=True, slots=True)
class OptionSection:
    """A section that a campaign's author may fill in, and the plug-in that asks."""

    plugin: str
    title: str
    section: type


def sending_costs(enabled: EnabledPlugins) -> tuple[Cost, ...]:
    """Return what enabled plug-ins cost each sending, the dearest last."""
    kinds = (("sending", PER_SENDING), ("batch", PER_BATCH), ("message", PER_MESSAGE))
    return tuple(Cost(one.plugin, enabled.title(one.plugin), hook, per)
                 for per, hooks in kinds for hook in hooks for one in enabled.implementations(hook))


def has_batch_path(enabled: EnabledPlugins) -> bool:
    """Whether recipients must be shown to plug-ins, a batch at a time."""
    return enabled.listens(*PER_BATCH)


def has_slow_path(enabled: EnabledPlugins) -> bool:
    """Whether each single mail must be shown to plug-ins."""
    return enabled.listens(*PER_MESSAGE)


# ------------------------------------------------------------------------------------------------------ decide


def campaign_problems(enabled: EnabledPlugins, campaign: CampaignView) -> list[Problem]:
    """Return what plug-ins have against sending this campaign; one that raises is a problem itself."""
    found: list[Problem] = []
    for one in enabled.implementations("lettermill_filter_campaign"):
        try:
            problems = call(enabled.unit, one, _each(Problem), campaign=campaign)
        except PluginFailed:
            problems = (Problem(words("%(name)s could not check this campaign. An administrator finds the cause on the plug-ins page and can pause it.",
                                      name=enabled.title(one.plugin))),)
        found += [replace(problem, by=one.plugin) for problem in problems]
    return found


def filter_recipients(enabled: EnabledPlugins, sending: SendingView, recipients: Sequence[RecipientView]) -> Verdicts:
    """Return who is skipped or deferred, by position; a position that is absent is allowed."""
    positions = {recipient.position for recipient in recipients}
    strictest: Verdicts = {}
    for one in enabled.implementations("lettermill_filter_recipients"):
        try:
            answer = call(enabled.unit, one, _verdicts(positions), sending=sending, recipients=recipients)
        except PluginFailed:
            answer = dict.fromkeys(positions, _deferred(one.plugin))
        for position, verdict in answer.items():
            strictest[position] = _stricter(strictest.get(position), replace(verdict, by=one.plugin))
    return strictest


def filter_message(enabled: EnabledPlugins, sending: SendingView, message: MessageView) -> Skip | Defer | None:
    """Return why one mail does not go out (now), or None."""
    strictest: Skip | Defer | None = None
    for one in enabled.implementations("lettermill_filter_message"):
        try:
            verdict = call(enabled.unit, one, _verdict, sending=sending, message=message)
        except PluginFailed:
            verdict = _deferred(one.plugin)
        if verdict is not None:
            strictest = _stricter(strictest, replace(verdict, by=one.plugin))
    return strictest


def _deferred(plugin: str) -> Defer:
    return Defer(RETRY_MINUTES, f"the plug-in {plugin} failed")


def _stricter(known: Skip | Defer | None, other: Skip | Defer) -> Skip | Defer:
    if known is None or (isinstance(other, Skip) and isinstance(known, Defer)):
        return other
    if isinstance(other, Defer) and isinstance(known, Defer):
        return max(known, other, key=lambda defer: defer.minutes)
    return known


def _verdict(answer: object) -> Skip | Defer | None:
    if answer is None or isinstance(answer, Allow):
        return None
    if isinstance(answer, Skip) or (isinstance(answer, Defer) and answer.minutes > 0):
        return answer
    raise TypeError(f"answered {answer!r}; Skip, Allow, None or a Defer of at least one minute was expected")


def _verdicts(positions: set[int]) -> Callable[[Mapping[int, object] | None], Verdicts]:
    def check(answer: Mapping[int, object] | None) -> Verdicts:
        if unknown := set(answer or {}) - positions:
            raise ValueError(f"answered for positions that it was not asked about: {sorted(unknown)[:5]}")
        checked = {position: _verdict(verdict) for position, verdict in (answer or {}).items()}
        return {position: verdict for position, verdict in checked.items() if verdict is not None}

    return check


def _each(kind: type[Answer]) -> Callable[[Sequence[object] | None], tuple[Answer, ...]]:
    def check(answer: Sequence[object] | None) -> tuple[Answer, ...]:
        for one in answer or ():
            if not isinstance(one, kind):
                raise TypeError(f"answered {one!r} where a {kind.__name__} was expected")
        return tuple(answer or ())  # type: ignore[arg-type]

    return check


# --------------------------------------------------------------------------------------------------- transform


def transform_campaign(enabled: EnabledPlugins, campaign: CampaignView) -> CampaignView:
    """Return the campaign as plug-ins want it sent; raise PluginFailed where one raises. Its owner and lists stay what they were."""
    return _chain(enabled, "lettermill_transform_campaign", "campaign", campaign, ("id", "account_id", "list_ids"))


def transform_links(enabled: EnabledPlugins, campaign: CampaignView, links: Sequence[LinkView]) -> tuple[LinkView, ...]:
    """Return the links, in the same order and with the same numbers, as plug-ins want them; raise PluginFailed where one raises."""
    return tuple(_chain(enabled, "lettermill_transform_link", "link", link, ("number",), campaign=campaign) for link in links)


def transform_message(enabled: EnabledPlugins, sending: SendingView, message: MessageView) -> MessageView:
    """Return one mail as plug-ins want it sent; raise PluginFailed where one raises. Its recipient and MFROM stay what they were."""
    return _chain(enabled, "lettermill_transform_message", "message", message, ("position", "email", "mfrom"), sending=sending)


def _chain(enabled: EnabledPlugins, hook: str, name: str, value: Passed, fixed: tuple[str, ...], **arguments: Any) -> Passed:
    for one in enabled.implementations(hook):
        value = call(enabled.unit, one, _same_kind(value, fixed), **{name: value}, **arguments)
    return value


def _same_kind(before: Passed, fixed: tuple[str, ...]) -> Callable[[object], Passed]:
    def check(answer: object) -> Passed:
        if answer is None:
            return before
        if not isinstance(answer, type(before)):
            raise TypeError(f"answered {answer!r} where a {type(before).__name__} was expected")
        for field in fixed:
            if getattr(answer, field) != getattr(before, field):
                raise ValueError(f"changed {field}, which must stay {getattr(before, field)!r}")
        return answer

    return check


def recipient_values(
    enabled: EnabledPlugins, sending: SendingView, recipients: Sequence[RecipientView]
) -> dict[int, dict[str, str]]:
    """Return the values of plug-ins' merge tags (``<plug-in>:<tag>``), by position; raise PluginFailed where one raises."""
    values: dict[int, dict[str, str]] = {recipient.position: {} for recipient in recipients}
    for one in enabled.implementations("lettermill_recipient_values"):
        own = {tag.name for plugin, tag in _tags(enabled) if plugin == one.plugin}
        for position, found in call(enabled.unit, one, _values(own), sending=sending, recipients=recipients).items():
            if position in values:
                values[position] |= {f"{one.plugin}:{name}": value for name, value in found.items()}
    return values


def _values(own: set[str]) -> Callable[[Any], dict[int, dict[str, str]]]:
    def check(answer: Any) -> dict[int, dict[str, str]]:
        checked = {int(position): dict(found) for position, found in (answer or {}).items()}
        for found in checked.values():
            for name, value in found.items():
                if name not in own or not isinstance(value, str):
                    raise ValueError(f"answered {value!r} for the merge tag {name!r}; its own are {sorted(own)}, and values are text")
        return checked

    return check


# ----------------------------------------------------------------------------------------------------- collect


def _tags(enabled: EnabledPlugins) -> Iterator[tuple[str, MergeTag]]:
    for one in enabled:
        for tag in one.declared.merge_tags:
            yield one.name, tag


def merge_tags(enabled: EnabledPlugins) -> tuple[MergeTag, ...]:
    """Return the merge tags of enabled plug-ins, named as authors write them between the percent signs."""
    return tuple(replace(tag, name=f"{plugin}:{tag.name}") for plugin, tag in _tags(enabled))


def campaign_options(enabled: EnabledPlugins) -> tuple[OptionSection, ...]:
    """Return the sections that a campaign's author may fill in; their values are stored with the scope ``campaign:<id>``."""
    return tuple(OptionSection(one.name, one.title, section) for one in enabled for section in one.declared.options)


def delivery_channels(enabled: EnabledPlugins) -> dict[str, DeliveryChannel]:
    """Return the channels of enabled plug-ins by the name that is stored, ``<plug-in>:<channel>``."""
    return {f"{one.name}:{channel.name}": channel for one in enabled for channel in one.declared.channels}


# ---------------------------------------------------------------------------------------------------- template


def slot(enabled: EnabledPlugins, name: str, **arguments: Any) -> Markup:
    """Return what plug-ins put into the slot ``name`` of a page; text that is not Markup is escaped, a raise leaves nothing."""
    hook = f"lettermill_tpl_{name}"
    parts: list[Markup] = []
    for one in enabled.implementations(hook):
        try:
            parts.append(call(enabled.unit, one, lambda answer: escape(answer or ""), **arguments))
        except PluginFailed:
            continue  # The failure is counted and shown on the plug-ins page; the page itself is whole without the slot.
    return Markup("").join(parts)
