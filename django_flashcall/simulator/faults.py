"""The faults that can be simulated, and numbers that always have one.

Every call to a number in ``FAULTY_NUMBERS`` has its fault. All other numbers ring. An SMS request
contains an id and no number, so an SMS to such a number arrives.
"""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Fault(TextChoices):
    """The ten error codes of the provider, then faults of networks and servers."""

    UNKNOWN_REQUEST = "unknown_request", _("Error: request not understood")
    AUTHORISATION_FAILED = "authorisation_failed", _("Error: API key not accepted")
    USER_DISABLED = "user_disabled", _("Error: account blocked")
    NUMBER_IS_EMPTY = "number_is_empty", _("Error: number missing or malformed")
    NUMBER_NOT_VALID = "number_not_valid", _("Error: destination not found")
    NUMBER_NOT_PERMITTED = "number_not_permitted", _("Error: destination forbidden")
    NOT_ENOUGH_MONEY = "not_enough_money", _("Error: not enough money")
    ANI_PHONE_NOT_VALID = "ani_phone_not_valid", _("Error: calling number not registered")
    NUMBER_IN_SPAM_LIST = "number_in_spam_list", _("Error: number in the spam list")
    CODE_NOT_VALID = "code_not_valid", _("Error: code not accepted")
    SLOW = "slow", _("Slow: it rings immediately, but the answer is delayed")
    LOST_CALL = "lost_call", _("Lost call: accepted and billed, but it does not ring")
    LOST_ANSWER = "lost_answer", _("Lost answer: it rings, but the answer is cut off")
    HTTP_500 = "http_500", _("Server error: HTTP 500, and it does not ring")


ERRORS = frozenset(Fault) - {Fault.SLOW, Fault.LOST_CALL, Fault.LOST_ANSWER, Fault.HTTP_500}

FAULTY_NUMBERS = {
    "79000000001": Fault.UNKNOWN_REQUEST,
    "79000000002": Fault.AUTHORISATION_FAILED,
    "79000000003": Fault.USER_DISABLED,
    "79000000004": Fault.NUMBER_IS_EMPTY,
    "79000000005": Fault.NUMBER_NOT_VALID,
    "79000000006": Fault.NUMBER_NOT_PERMITTED,
    "79000000007": Fault.NOT_ENOUGH_MONEY,
    "79000000008": Fault.ANI_PHONE_NOT_VALID,
    "79000000009": Fault.NUMBER_IN_SPAM_LIST,
    "79000000010": Fault.CODE_NOT_VALID,
    "79000000020": Fault.SLOW,
    "79000000030": Fault.LOST_CALL,
    "79000000040": Fault.LOST_ANSWER,
    "79000000050": Fault.HTTP_500,
}


class Refused(Exception):
    """The provider answers with an error code; no call is placed and nothing is billed."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault
