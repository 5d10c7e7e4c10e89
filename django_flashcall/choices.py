"""The choices that models, providers and forms share."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Channel(TextChoices):
    """How a code reaches the visitor, in the default order of fallback."""

    FLASH_CALL = "flash_call", _("flash call")
    VOICE = "voice", _("voice call")
    SMS = "sms", _("SMS")


class Purpose(TextChoices):
    """What a verification is for. A site may use purposes of its own as well."""

    LOGIN = "login", _("login")
    CONFIRM = "confirm", _("number confirmation")
    CHANGE = "change", _("number change")
    REAUTHENTICATE = "reauthenticate", _("reauthentication")
    SECOND_STEP = "second_step", _("second step of a login")


#: For these purposes the visitor has entered the number. For others, it may be hidden from them.
ENTERED_PURPOSES = frozenset({Purpose.LOGIN, Purpose.CONFIRM, Purpose.CHANGE})


class VerificationStatus(TextChoices):
    """The stored status of a verification; the other states are derived.

    A stored "failed" would refuse a right code that is checked at the same time as the last wrong
    one.
    """

    PENDING = "pending", _("pending")
    APPROVED = "approved", _("approved")
    CANCELED = "canceled", _("canceled")


class Refusal(TextChoices):
    """Why a right code logged nobody in: the codes of ``LoginRefused``."""

    REFUSED = "refused", _("refused by the site")
    NO_USER = "no_user", _("the number has no user")
    INACTIVE = "inactive", _("the user may not log in")
    STAFF = "staff", _("the user is staff")
    DUPLICATE = "duplicate", _("several users have the number")
    UNPROVEN = "unproven", _("the user never proved the number")
    DORMANT = "dormant", _("the number was not used for a long time")
    SIGN_UP_FAILED = "sign_up_failed", _("the user could not be created")
    PHONE_LOGIN_OFF = "phone_login_off", _("a login by phone alone is off")


class AttemptStatus(TextChoices):
    """What is known about one call or SMS."""

    REQUESTED = "requested", _("requested")
    ACCEPTED = "accepted", _("accepted")
    REJECTED = "rejected", _("rejected")
    UNKNOWN = "unknown", _("unknown")


class ErrorCode(TextChoices):
    """Why a provider refuses a call.

    The first eight are listed in the provider's API description. Other clients of the platform
    have seen the next two. The last one is our own: the request was not sent.
    """

    UNKNOWN_REQUEST = "unknown_request", _("the provider did not understand the request")
    AUTHORISATION_FAILED = "authorisation_failed", _("the API key is not accepted")
    USER_DISABLED = "user_disabled", _("the account is blocked")
    NUMBER_IS_EMPTY = "number_is_empty", _("the number is missing or malformed")
    NUMBER_NOT_VALID = "number_not_valid", _("the number does not exist")
    NUMBER_NOT_PERMITTED = "number_not_permitted", _("calls to this destination are forbidden")
    NOT_ENOUGH_MONEY = "not_enough_money", _("the account is out of money")
    ANI_PHONE_NOT_VALID = "ani_phone_not_valid", _("the calling number is not registered")
    NUMBER_IN_SPAM_LIST = "number_in_spam_list", _("the number is in the provider's spam list")
    CODE_NOT_VALID = "code_not_valid", _("the provider did not accept the code")
    NOT_SENT = "not_sent", _("the request was not sent to the provider")


class Alarm(TextChoices):
    """What operators are alerted to. The first four are error codes of the provider."""

    NOT_ENOUGH_MONEY = ErrorCode.NOT_ENOUGH_MONEY.value
    AUTHORISATION_FAILED = ErrorCode.AUTHORISATION_FAILED.value
    USER_DISABLED = ErrorCode.USER_DISABLED.value
    ANI_PHONE_NOT_VALID = ErrorCode.ANI_PHONE_NOT_VALID.value
    PRICE = "price"
    IMPLAUSIBLE_PRICE = "implausible_price"
    UNUSABLE_PRICE = "unusable_price"
    NO_PRICE = "no_price"
    SPENDING = "spending"
    CONVERSION = "conversion"
    ONE_ADDRESS = "one_address"
    NO_ADDRESS = "no_address"
    SIGN_UP_FAILED = Refusal.SIGN_UP_FAILED.value


class Verdict(TextChoices):
    """What the hook in ``FLASHCALL["BEFORE_CALL"]`` returns."""

    ALLOW = "allow"
    DENY = "deny"
    CHALLENGE = "challenge"


#: The visitor can solve these by entering another number. The others are for the operator.
NUMBER_ERRORS = frozenset(
    {
        ErrorCode.NUMBER_IS_EMPTY,
        ErrorCode.NUMBER_NOT_VALID,
        ErrorCode.NUMBER_NOT_PERMITTED,
        ErrorCode.NUMBER_IN_SPAM_LIST,
    }
)

#: With these, the provider places no call at all.
ACCOUNT_ERRORS = frozenset(
    {
        ErrorCode.AUTHORISATION_FAILED,
        ErrorCode.USER_DISABLED,
        ErrorCode.NOT_ENOUGH_MONEY,
    }
)
