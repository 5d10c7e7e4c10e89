"""Claims: what is reserved, and which calls are too late."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from django_flashcall import services
from django_flashcall.exceptions import (
    AttemptsExhausted,
)
from django_flashcall.models import Usage, Verification
from django_flashcall.visitors.visitor import Visitor
from tests.constants import Clock, Outbox
from tests.factories import PriceFactory
from tests.logins import start

pytestmark = pytest.mark.django_db


class TestEstimates:
    def test_the_reservation_is_what_the_price_list_expects(self, flashcall: Any) -> None:
        PriceFactory(prefix="+7", amount=Decimal("0.50"))
        flashcall(DIALER="tests.doubles.enqueue")
        attempt = start().attempts.get()
        assert attempt.reserved == Decimal("0.50")
        assert Usage.objects.get(scope="").spent == Decimal("0.50")


class TestTimeLeft:
    @pytest.mark.parametrize(
        ("seconds_left", "is_called"), [(59, False), (60, False), (61, True)], ids=str
    )
    def test_no_call_is_placed_that_could_not_be_used_in_time(
        self,
        seconds_left: int,
        is_called: bool,
        clock: Clock,
        visitor: Visitor,
        outbox: Outbox,
    ) -> None:
        verification = start()
        clock.shift(timedelta(minutes=10) - timedelta(seconds=seconds_left))
        try:
            services.resend(verification, visitor=visitor)
        except AttemptsExhausted:
            pass
        assert (len(outbox) == 2) is is_called

    def test_no_call_is_placed_after_the_last_check(
        self, clock: Clock, visitor: Visitor, outbox: Outbox
    ) -> None:
        verification = start()
        Verification.objects.update(checks=3)
        clock.shift(timedelta(minutes=1))
        with pytest.raises(AttemptsExhausted):
            services.resend(verification, visitor=visitor)
        assert len(outbox) == 1

    @pytest.mark.parametrize("end", ["approved", "canceled"])
    def test_no_call_is_placed_for_what_has_ended(
        self, end: str, clock: Clock, visitor: Visitor, outbox: Outbox
    ) -> None:
        verification = start()
        if end == "approved":
            services.check_code(verification, outbox[0].code, visitor=visitor)
        else:
            services.cancel(verification)
        clock.shift(timedelta(minutes=1))
        with pytest.raises(AttemptsExhausted):
            services.resend(verification, visitor=visitor)
        assert len(outbox) == 1
