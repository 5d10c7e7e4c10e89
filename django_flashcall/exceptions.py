"""The exceptions that this package raises.

::

    FlashCallError             message, code, params: as in Django's ValidationError
     ├── NumberRefused         the text is not a number, or the number may not be called
     ├── StartRefused          no call is placed; ``retry_at`` is when to try again, if ever
     │    ├── CooldownActive, NumberBlocked, RateExceeded
     │    ├── QuotaExceeded, ChannelSuspended    limits of the number
     │    ├── LimitReached, BlockLimitReached    limits of the site and of a block of numbers
     │    ├── CallDenied, ChallengeRequired      by ``BEFORE_CALL``
     │    └── ProviderBusy, ChannelUnavailable, PhoneLoginOff, AttemptsExhausted, KeyReused
     ├── LoginRefused          the number is verified but does not log in; ``user`` is its owner
     │    └── SignUpFailed      no user could be created; the approval can be used again
     ├── NumberTaken, NumberTooNew    the number is verified but is not, or not yet, the user's
     ├── CodeRefused           the code is not accepted
     │    ├── CodeMalformed, CodeMistaken, CodeUnknown    this costs no check
     │    └── WrongCode, VerificationEnded
     └── ProviderError         raised by providers; services record it and do not raise it
          ├── ProviderRefused, NotSent    no call was placed, and nothing was billed
          └── OutcomeUnknown   the call may have been placed and billed; it is never repeated
    TransactionOpen            a bug in the calling code, deliberately not a FlashCallError

No message contains a full number, a code or a key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Model
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from .choices import AttemptStatus, ErrorCode
from .clock import clock_time


class FlashCallError(Exception):
    """Base class of the errors of a verification.

    ``message`` is shown to the visitor and translated lazily. ``code`` is for programs.
    """

    message: str | Promise = _("Something went wrong. Try again later.")
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
        # A task queue may pickle the exception.
        return type(self).__new__, (type(self),), self.__dict__

    def __str__(self) -> str:
        return str(self.message % self.params if self.params else self.message)


class NumberRefused(FlashCallError):
    """The text is not a number, or the number may not be called."""

    message = _("Enter a phone number.")
    code = "number_malformed"


class StartRefused(FlashCallError):
    """No call is placed. ``retry_at`` is when to try again, ``None`` if waiting does not help."""

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
    """This number was called a short time ago."""

    message = _("We have just called this number. You can ask again after %(time)s.")
    code = "cooldown"


class NumberBlocked(StartRefused):
    """An operator has blocked this number."""

    message = _("We do not call this number. Use another one.")
    code = "blocked"


class RateExceeded(StartRefused):
    """One address sent too many requests."""

    message = _("Too many attempts. Try again after %(time)s.")
    code = "rate"


class QuotaExceeded(StartRefused):
    """The number had too many calls in a day, or too many wrong codes in a day or a month."""

    message = _("Too many calls to this number. Try again after %(time)s, or use another one.")
    code = "quota"


class ChannelSuspended(QuotaExceeded):
    """The provider treats calls to this number as spam. The channel is not used for a day."""

    message = _("This way of getting the code does not work for this number. Choose another way.")
    code = "suspended"


class CallDenied(StartRefused):
    """The site's hook denies this call."""

    message = _("We cannot call this number. Use another one.")
    code = "denied"


class ChallengeRequired(StartRefused):
    """The site's hook requires the visitor to confirm that they are human."""

    message = _("Please confirm that you are human first.")
    code = "challenge"


class LimitReached(StartRefused):
    """The site has reached its limit on calls or spending."""

    message = _("Too many calls are being requested right now. Try again after %(time)s.")
    code = "limit"


class BlockLimitReached(LimitReached):
    """A block of numbers, which differ only in the last digits, had too many calls."""


class ProviderBusy(StartRefused):
    """Too many calls are being placed at once, or the provider does not answer."""

    message = _("We cannot place calls at the moment. Try again after %(time)s.")
    code = "busy"


class ChannelUnavailable(StartRefused):
    """This channel is switched off, or not possible for this verification."""

    message = _("This way of getting the code is not available right now. Choose another way.")
    code = "channel"


class PhoneLoginOff(StartRefused):
    """``PHONE_LOGIN`` is off, so nobody is called for a login by phone alone."""

    message = _("You cannot log in by phone alone here. Log in another way.")
    code = "phone_login_off"


class AttemptsExhausted(StartRefused):
    """The verification has no attempts left, or ends too soon for another one."""

    message = _("No more calls are possible for this request. Start again.")
    code = "attempts"


class KeyReused(StartRefused):
    """The same form was sent before with another number or purpose."""

    message = _("This form was already sent with another number. Send it again.")
    code = "key"


class LoginRefused(FlashCallError):
    """The number is verified but does not log in.

    ``code`` says why: ``no_user``, ``inactive``, ``staff``, ``duplicate`` (several users have the
    number), ``unproven`` (its user never proved it), ``dormant`` (not within ``MAX_DORMANCY``),
    ``sign_up_failed`` or ``phone_login_off`` (``PHONE_LOGIN`` is off). ``user`` is the user who
    would have been logged in, if there is one.
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


class SignUpFailed(LoginRefused):
    """No user could be created for the verified number. The approval can be used again."""

    message = _("We could not create your account. Try again in a minute.")
    code = "sign_up_failed"


class NumberTaken(FlashCallError):
    """The number is verified but belongs to another user, who proved it earlier."""

    message = _("This number belongs to another account. Log in with it, or use another number.")
    code = "number_taken"


class NumberTooNew(FlashCallError):
    """The number is the user's, but they added it in this session, so it proves nothing yet."""

    message = _("You added this number after you logged in. Log in again to use it here.")
    code = "number_too_new"


class CodeRefused(FlashCallError):
    """The code is not accepted."""


class CodeMalformed(CodeRefused):
    """The text is not a code. This costs no check."""

    message = _("Enter digits only.")
    code = "code_malformed"


class CodeMistaken(CodeRefused):
    """The digits are those of the visitor's own number, or of the example. This costs no check."""

    message = _("These are the last digits of your own number, not the code.")
    code = "own_digits"


class CodeUnknown(CodeRefused):
    """The right code is not known, or not known yet. This costs no check."""

    message = _("We do not know the code for this call yet. Wait a moment, or ask for a new call.")
    code = "code_unknown"


class WrongCode(CodeRefused):
    """The code matches none of the live codes. This costs a check."""

    message = ngettext_lazy(
        "The digits did not match. You have %(checks_left)d try left.",
        "The digits did not match. You have %(checks_left)d tries left.",
        "checks_left",
    )
    code = "wrong_code"

    def __init__(self, *, checks_left: int) -> None:
        text = None if checks_left else _("The digits did not match, and no tries are left.")
        super().__init__(text, params={"checks_left": checks_left})
        self.checks_left = checks_left


class VerificationEnded(CodeRefused):
    """No code is accepted any more. ``code`` says why."""

    message = _("The code has expired. Ask for a new one.")
    code = "expired"


class ProviderError(FlashCallError):
    """The provider did not place the call. ``reason`` is for the log, never for the visitor.

    ``status`` is the outcome that is recorded, with ``error_code``.
    """

    message = _("The call could not be placed.")
    code = "provider"
    status = AttemptStatus.UNKNOWN
    error_code: str = ""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class ProviderRefused(ProviderError):
    """The provider refused: no call was placed and nothing was billed."""

    status = AttemptStatus.REJECTED

    def __init__(self, error_code: str) -> None:
        super().__init__(error_code)
        self.error_code = error_code


class NotSent(ProviderError):
    """Nothing was sent, so no call was placed and nothing was billed."""

    status = AttemptStatus.REJECTED
    error_code = ErrorCode.NOT_SENT


class OutcomeUnknown(ProviderError):
    """The call may have been placed and billed. It is never repeated."""


class TransactionOpen(RuntimeError):
    """A service was called inside a transaction that could undo its record."""
