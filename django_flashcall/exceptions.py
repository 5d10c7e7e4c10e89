"""Everything that this package raises, for callers to catch.

::

    FlashCallError              message, code, params: the triple of Django's ValidationError
     ├── NumberRefused          the text is no number, or one that may not be called
     ├── StartRefused           no call now; ``retry_at`` says when, if ever
     │    ├── CooldownActive
     │    ├── NumberBlocked
     │    ├── RateExceeded
     │    ├── QuotaExceeded      of the number: calls, SMS, wrong codes
     │    │    └── ChannelCooling  on this channel the provider holds us for spammers
     │    ├── LimitReached       of the site or of a block of numbers
     │    ├── CallDenied         by ``BEFORE_CALL``
     │    ├── ChallengeRequired  by ``BEFORE_CALL``: the visitor must show to be a person first
     │    ├── LinesBusy
     │    ├── ChannelUnavailable
     │    ├── AttemptsExhausted
     │    └── KeyReused
     ├── LoginRefused           the number is proved, and opens no account; ``user`` is whose it is
     ├── NumberTaken            the number is proved, and belongs to another user
     ├── CodeRefused            the code opens nothing
     │    ├── CodeMalformed     it cost no check
     │    ├── CodeUnknown       it cost no check either: nobody can tell what is right
     │    ├── WrongCode         ``checks_left`` says how many remain
     │    └── VerificationEnded expired, exhausted, canceled or used
     └── ProviderError          for providers to raise; services record it and raise nothing
          ├── ProviderRefused   the provider answered no; ``error_code`` says why
          ├── NotSent           certainly nothing was sent
          └── OutcomeUnknown    it may have rung and been billed: never repeated
    TransactionOpen             a mistake of the calling code, outside the tree on purpose

No message holds a full number, a code or a key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Model
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from .clock import clock_time


class FlashCallError(Exception):
    """Base of all that can go wrong with a verification.

    ``message`` is fit for the visitor and translated late, ``code`` is for programs.
    """

    message: str | Promise = _("This did not work. Try again later.")
    code = "flashcall"

    def __init__(
        self,
        message: str | Promise | None = None,
        *,
        code: str | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        self.message = self.message if message is None else message
        self.code = self.code if code is None else code
        self.params = params or {}
        super().__init__(self.message, self.code, self.params)

    def __reduce__(self) -> tuple[Any, ...]:
        # A queue may carry it from one process to another.
        return type(self).__new__, (type(self),), self.__dict__

    def __str__(self) -> str:
        return str(self.message % self.params if self.params else self.message)


class NumberRefused(FlashCallError):
    """The text is not a number, or the number may not be called."""

    message = _("Enter a phone number.")
    code = "number_malformed"


class StartRefused(FlashCallError):
    """No call is placed; ``retry_at`` is when to come back, ``None`` if waiting does not help."""

    def __init__(
        self, message: str | Promise | None = None, *, retry_at: datetime | None = None
    ) -> None:
        super().__init__(message)
        self.retry_at = retry_at

    def __str__(self) -> str:
        if self.retry_at is None:
            return str(self.message)
        return str(self.message % {"time": clock_time(self.retry_at)})


class CooldownActive(StartRefused):
    """This number was called a moment ago."""

    message = _("We have just called this number. You can ask again after %(time)s.")
    code = "cooldown"


class NumberBlocked(StartRefused):
    """The operator has blocked this number."""

    message = _("We do not call this number. Use another one.")
    code = "blocked"


class RateExceeded(StartRefused):
    """Too much came from one address."""

    message = _("Too many attempts. Try again after %(time)s.")
    code = "rate"


class QuotaExceeded(StartRefused):
    """This number was called, or guessed at, too often in a day or a month."""

    message = _("Too many calls to this number. Try again after %(time)s, or use another one.")
    code = "quota"


class ChannelCooling(QuotaExceeded):
    """The provider holds calls to this number for spam: for a day the channel is not used."""

    message = _("This way of getting the code does not work for this number. Choose another one.")
    code = "cooling"


class CallDenied(StartRefused):
    """The site's own hook does not want this call."""

    message = _("We cannot call this number. Use another one.")
    code = "denied"


class ChallengeRequired(StartRefused):
    """The site's own hook wants the visitor to show first that this is a person."""

    message = _("Show first that you are a person.")
    code = "challenge"


class LimitReached(StartRefused):
    """The site has placed as many calls, or spent as much, as it may."""

    message = _("Too many calls are being requested right now. Try again after %(time)s.")
    code = "limit"


class BlockLimitReached(LimitReached):
    """The numbers that differ from this one in the last digits only were called too often."""


class LinesBusy(StartRefused):
    """As many calls are being placed as may be, or the provider does not answer for now."""

    message = _("We cannot call anybody at the moment. Try again after %(time)s.")
    code = "busy"


class ChannelUnavailable(StartRefused):
    """This channel is off, or not possible for this verification."""

    message = _("This way of getting the code is not available now. Choose another one.")
    code = "channel"


class AttemptsExhausted(StartRefused):
    """The verification has used up its calls, or ends too soon for another one."""

    message = _("No more calls are possible here. Start again.")
    code = "attempts"


class KeyReused(StartRefused):
    """The form was sent before, for another number or purpose."""

    message = _("This form was already sent with another number. Send it again.")
    code = "key"


class LoginRefused(FlashCallError):
    """The number was proved, and still opens no account.

    ``code`` says why: ``no_user``, ``inactive``, ``staff``; ``duplicate`` (several users have the
    number), ``unproven`` (its user never proved it), ``dormant`` (not for a long time). ``user`` is
    the one who would have been logged in, if there is one.
    """

    message = _("You cannot log in with this number. Log in another way.")
    code = "refused"

    def __init__(
        self,
        message: str | Promise | None = None,
        *,
        code: str | None = None,
        user: Model | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.user = user


class NumberTaken(FlashCallError):
    """The number was proved, and belongs to another user, who proved it before."""

    message = _("This number belongs to another account. Log in with it, or use another number.")
    code = "number_taken"


class CodeRefused(FlashCallError):
    """The code opens nothing."""


class CodeMalformed(CodeRefused):
    """The text cannot be the code; it cost no check."""

    message = _("Enter digits only.")
    code = "code_malformed"


class CodeUnknown(CodeRefused):
    """We do not know what the code is, yet or for ever; it cost no check."""

    message = _("We do not know the code of this call yet. Wait a moment, or ask for a new call.")
    code = "code_unknown"


class WrongCode(CodeRefused):
    """The code is not one of the live codes; it cost a check."""

    message = ngettext_lazy(
        "The digits did not match. You have %(checks_left)d try left.",
        "The digits did not match. You have %(checks_left)d tries left.",
        "checks_left",
    )
    code = "wrong_code"

    def __init__(self, *, checks_left: int) -> None:
        spent = None if checks_left else _("The digits did not match, and no tries are left.")
        super().__init__(spent, params={"checks_left": checks_left})
        self.checks_left = checks_left


class VerificationEnded(CodeRefused):
    """No code can open this verification any more; ``code`` says why."""

    message = _("The code has expired. Ask for a new one.")
    code = "expired"


class ProviderError(FlashCallError):
    """The provider did not do what was asked; ``reason`` is for the log, never for the visitor."""

    message = _("The call could not be placed.")
    code = "provider"

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class ProviderRefused(ProviderError):
    """The provider answered no: nothing rang, nothing was billed."""

    def __init__(self, error_code: str) -> None:
        super().__init__(error_code)
        self.error_code = error_code


class NotSent(ProviderError):
    """Certainly nothing was sent, so nothing rang and nothing was billed."""


class OutcomeUnknown(ProviderError):
    """The request may have been carried out and billed: it is never repeated."""


class TransactionOpen(RuntimeError):
    """A service was called inside a transaction that could undo its record."""
