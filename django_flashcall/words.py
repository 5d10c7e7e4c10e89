"""The words that models, providers and forms all speak."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Channel(TextChoices):
    """How a code reaches the visitor, in the usual order of falling back."""

    FLASH_CALL = "flash_call", _("flash call")
    VOICE = "voice", _("voice call")
    SMS = "sms", _("SMS")


class Purpose(TextChoices):
    """What a verification is for; a site may use words of its own beside these."""

    LOGIN = "login", _("login")
    CONFIRM = "confirm", _("number confirmation")
    CHANGE = "change", _("number change")
    REAUTHENTICATE = "reauthenticate", _("repeated proof")
    SECOND_STEP = "second_step", _("second step of a login")


class VerificationStatus(TextChoices):
    """What is stored of a verification; *expired* and *exhausted* are derived.

    A stored "failed" would kill a right check that runs beside the last wrong one.
    """

    PENDING = "pending", _("pending")
    APPROVED = "approved", _("approved")
    CANCELED = "canceled", _("canceled")


class AttemptStatus(TextChoices):
    """What is known of one call or SMS."""

    REQUESTED = "requested", _("requested")
    ACCEPTED = "accepted", _("accepted")
    REJECTED = "rejected", _("rejected")
    UNKNOWN = "unknown", _("unknown")


class ErrorCode(TextChoices):
    """Why a provider refuses.

    The first eight stand in the provider's API description, the next two were seen by other
    clients of the platform, the last is ours: nobody was reached, so nothing was asked.
    """

    UNKNOWN_REQUEST = "unknown_request", _("the provider did not understand the request")
    AUTHORISATION_FAILED = "authorisation_failed", _("the API key is not accepted")
    USER_DISABLED = "user_disabled", _("the account is blocked")
    NUMBER_IS_EMPTY = "number_is_empty", _("the number is missing or malformed")
    NUMBER_NOT_VALID = "number_not_valid", _("the number leads nowhere")
    NUMBER_NOT_PERMITTED = "number_not_permitted", _("calls to this destination are forbidden")
    NOT_ENOUGH_MONEY = "not_enough_money", _("the account is out of money")
    ANI_PHONE_NOT_VALID = "ani_phone_not_valid", _("the calling number is not registered")
    NUMBER_IN_SPAM_LIST = "number_in_spam_list", _("the number is in the provider's spam list")
    CODE_NOT_VALID = "code_not_valid", _("the provider did not accept the code")
    NOT_SENT = "not_sent", _("the request was not sent to the provider")


class Alarm(TextChoices):
    """What the operator hears of; the first four are error codes of the provider."""

    NOT_ENOUGH_MONEY = ErrorCode.NOT_ENOUGH_MONEY.value
    AUTHORISATION_FAILED = ErrorCode.AUTHORISATION_FAILED.value
    USER_DISABLED = ErrorCode.USER_DISABLED.value
    ANI_PHONE_NOT_VALID = ErrorCode.ANI_PHONE_NOT_VALID.value
    PRICE = "price"
    NO_PRICE = "no_price"
    SPENDING = "spending"
    CONVERSION = "conversion"
    ONE_ADDRESS = "one_address"


class Verdict(TextChoices):
    """What ``FLASHCALL["BEFORE_CALL"]`` may answer."""

    ALLOW = "allow"
    DENY = "deny"
    CHALLENGE = "challenge"


#: The visitor can mend these by giving another number; the others are for the operator.
ERRORS_OF_THE_NUMBER = frozenset(
    {
        ErrorCode.NUMBER_IS_EMPTY,
        ErrorCode.NUMBER_NOT_VALID,
        ErrorCode.NUMBER_NOT_PERMITTED,
        ErrorCode.NUMBER_IN_SPAM_LIST,
    }
)

#: No call gets through with these, whatever its number.
ERRORS_OF_THE_ACCOUNT = frozenset(
    {
        ErrorCode.AUTHORISATION_FAILED,
        ErrorCode.USER_DISABLED,
        ErrorCode.NOT_ENOUGH_MONEY,
    }
)
