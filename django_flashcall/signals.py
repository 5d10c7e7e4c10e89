"""What a site may listen to. All are sent with ``send_robust`` after the commit they tell of."""

from __future__ import annotations

from django.dispatch import Signal

# A verification has begun, and its first call is about to be asked for.
# Provided args: verification, attempt
verification_started = Signal()

# It is known what came of a call or SMS: attempt.status says what.
# Provided args: attempt
attempt_finished = Signal()

# A wrong code cost a check.
# Provided args: verification, checks_left
code_rejected = Signal()

# The right code was given.
# Provided args: verification
verification_approved = Signal()

# A user proved a number of his own, for the first time or again.
# Provided args: user, phone
number_confirmed = Signal()

# A user proved another number, and has it instead of those that he had: the place to tell the old
# contact. ``released`` are the phones that are free now, ``previous`` is what stood in
# ``USER_PHONE_FIELD``.
# Provided args: user, phone, released, previous
number_changed = Signal()

# The operator should look: ``alarm`` is one of ``words.Alarm``, ``message`` says it in words.
# Provided args: alarm, message, params
operator_alarm = Signal()

# The visitor gave up, or took another number.
# Provided args: verification
verification_canceled = Signal()
