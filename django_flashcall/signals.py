"""Signals. All are sent with ``send_robust()``, after the commit of what they report."""

from __future__ import annotations

from django.dispatch import Signal

# A verification has begun, and its first call is about to be requested.
# Provided args: verification, attempt
verification_started = Signal()

# The outcome of a call or SMS is known: attempt.status.
# Provided args: attempt
attempt_finished = Signal()

# A code was wrong, which cost a check.
# Provided args: verification, checks_left
code_rejected = Signal()

# A code was right.
# Provided args: verification
verification_approved = Signal()

# A user confirmed a number as their own.
# Provided args: user, phone
number_confirmed = Signal()

# A user replaced their numbers with another one. Receivers can notify the old contact. ``released``
# are the phones that they lost, ``previous`` is the old value of ``USER_PHONE_FIELD``.
# Provided args: user, phone, released, previous
number_changed = Signal()

# Something needs an operator's attention. ``alarm`` is one of ``choices.Alarm``, ``message`` is its
# translated text.
# Provided args: alarm, message, params
operator_alarm = Signal()

# The visitor canceled, or chose another number.
# Provided args: verification
verification_canceled = Signal()
