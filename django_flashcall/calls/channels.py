"""Which channels a verification can use, and in which order."""

from __future__ import annotations

from datetime import datetime

from ..choices import Channel
from ..conf import get_settings
from ..exceptions import ChannelUnavailable
from ..limits.prices import is_stopped
from ..models import Verification
from ..providers.base import load_provider


def starting_channels() -> list[str]:
    """Return the channels by which a verification can begin, in the order of ``CHANNELS``."""
    return possible_channels(with_call=False)


def available_channels(verification: Verification) -> list[str]:
    """Return the channels by which the code can be sent again, in the order of ``CHANNELS``."""
    return possible_channels(with_call=verification.attempts.carrying_call().exists())


def possible_channels(*, with_call: bool) -> list[str]:
    """Return the usable channels. An SMS may need an earlier call, whose code it repeats."""
    provider = load_provider()
    needs_call = provider.sms_needs_call and not with_call
    impossible = {Channel.SMS} if needs_call or not get_settings().DAILY_SMS else set()
    possible = provider.channels - impossible
    return [channel for channel in get_settings().CHANNELS if channel in possible]


def expected_channel(*, now: datetime) -> str:
    """Return the channel by which a verification will probably begin, empty if there is none."""
    channels = starting_channels()
    allowed = (channel for channel in channels if not is_stopped(channel, now=now))
    return next(allowed, channels[0] if channels else "")


def next_channel(verification: Verification) -> str:
    """Return the first channel that has not been tried yet, or the last one if all were.

    Raises ``ChannelUnavailable`` if there is no channel.
    """
    attempts = list(verification.attempts.all())
    channels = possible_channels(with_call=any(attempt.carries_code for attempt in attempts))
    if not channels:
        raise ChannelUnavailable()
    tried = {attempt.channel for attempt in attempts}
    return next((channel for channel in channels if channel not in tried), channels[-1])
