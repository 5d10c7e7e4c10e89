"""Tests."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_flashcall.choices import Channel
from django_flashcall.exceptions import ProviderRefused
from django_flashcall.providers.locmem import Delivery, LocMemProvider
from tests.constants import NUMBER, Outbox


class TestOutbox:
    def test_a_flash_call_lies_in_the_outbox_with_the_code_it_carries(
        self,
        outbox: Outbox,
    ) -> None:
        answer = LocMemProvider().flash_call(NUMBER, length=6)

        assert len(answer.code) == 6
        assert outbox == [
            Delivery(id=answer.id, channel=Channel.FLASH_CALL, number=NUMBER, code=answer.code)
        ]

    def test_a_voice_speaks_the_code_that_it_is_given(self, outbox: Outbox) -> None:
        assert LocMemProvider().voice(NUMBER, code="0042").code == "0042"
        assert [(call.channel, call.code) for call in outbox] == [("voice", "0042")]

    def test_an_sms_repeats_the_code_of_the_call_it_names(self, outbox: Outbox) -> None:
        provider = LocMemProvider()
        call = provider.flash_call(NUMBER, length=4)
        provider.voice(NUMBER, code="9999")

        provider.sms(NUMBER, call_id=call.id)

        assert (outbox[-1].channel, outbox[-1].code) == ("sms", call.code)

    def test_an_sms_that_names_no_call_is_refused(self, outbox: Outbox) -> None:
        with pytest.raises(ProviderRefused, match="unknown_request"):
            LocMemProvider().sms(NUMBER, call_id="nothing")

        assert outbox == []

    def test_each_delivery_has_an_id_of_its_own(self) -> None:
        provider = LocMemProvider()

        assert len({provider.flash_call(NUMBER, length=4).id for _ in range(3)}) == 3


class TestOptions:
    def test_the_price_is_the_one_of_the_options(self) -> None:
        assert LocMemProvider().voice(NUMBER, code="0042").price == Decimal("0.35")
        assert LocMemProvider(price=Decimal(2)).voice(NUMBER, code="0042").price == Decimal(2)

    def test_a_refusal_can_be_rehearsed(self, outbox: Outbox) -> None:
        provider = LocMemProvider(error_code="not_enough_money")

        with pytest.raises(ProviderRefused) as caught:
            provider.flash_call(NUMBER, length=4)

        assert caught.value.error_code == "not_enough_money"
        assert outbox == []

    def test_production_refuses_it(self) -> None:
        [message] = LocMemProvider().check_deploy()

        assert message.id == "django_flashcall.E010"
        assert "LocMemProvider" in message.msg
