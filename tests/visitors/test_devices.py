"""Browsers that are known to a number by their cookies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from django_flashcall.visitors import devices
from tests.browser import request_from
from tests.constants import Clock

SEVEN = f"{devices.DEVICE_COOKIE}7"


def prove(request: HttpRequest, phone_id: int) -> None:
    """Prove the number, and let the browser keep and delete what the answer says."""
    response = HttpResponse()
    devices.trust(request, response, phone_id=phone_id)
    for name, cookie in response.cookies.items():
        request.COOKIES[name] = cookie.value
        if not cookie.value:
            del request.COOKIES[name]


def cookie_after(phone_id: int) -> str:
    """Return the cookie of a browser in which the number was proved."""
    request = request_from()
    prove(request, phone_id)
    return request.COOKIES[f"{devices.DEVICE_COOKIE}{phone_id}"]


def devices_with(cookie: str, *, name: str = SEVEN) -> tuple[devices.Device, ...]:
    request = request_from()
    request.COOKIES[name] = cookie
    return devices.devices_of(request)


class TestDevices:
    def test_a_browser_is_known_by_its_cookie(self, clock: Clock) -> None:
        [device] = devices_with(cookie_after(7))
        assert (device.phone_id, device.issued_at) == (7, timezone.now())

    def test_a_browser_that_proves_the_number_again_stays_the_same(
        self,
        clock: Clock,
    ) -> None:
        request = request_from()
        prove(request, 7)
        [before] = devices.devices_of(request)
        clock.shift(timedelta(days=1))
        prove(request, 7)
        [again] = devices.devices_of(request)
        assert again.issued_at == before.issued_at + timedelta(days=1)

    def test_a_browser_is_known_to_the_numbers_that_were_proved_in_it_last(
        self, clock: Clock
    ) -> None:
        request = request_from()
        for phone_id in (1, 2, 1, 3, 4, 5, 6):
            prove(request, phone_id)
            clock.shift(timedelta(minutes=1))
        known = devices.devices_of(request)
        assert [device.phone_id for device in known] == [1, 3, 4, 5, 6]
        assert len(known) == len(request.COOKIES) == devices.MAX_TRUSTED_NUMBERS
        assert sum(map(len, request.COOKIES.values())) < 1000

    def test_two_tabs_that_prove_two_numbers_at_once_overwrite_nothing(self) -> None:
        request, answers = request_from(), [HttpResponse(), HttpResponse()]
        for answer, phone_id in zip(answers, (7, 8), strict=True):
            devices.trust(request, answer, phone_id=phone_id)  # neither saw the other's cookie
        for answer in answers:
            request.COOKIES.update({name: one.value for name, one in answer.cookies.items()})
        assert {device.phone_id for device in devices.devices_of(request)} == {7, 8}


class TestCookies:
    @pytest.mark.parametrize(
        "change",
        [lambda cookie: "", lambda cookie: cookie[:-1], lambda cookie: "x" + cookie, str.upper],
        ids=["none", "cut", "longer", "other letters"],
    )
    def test_a_cookie_that_was_changed_is_none(self, change: Any) -> None:
        assert devices_with(change(cookie_after(7))) == ()

    def test_a_cookie_signed_for_something_else_is_none(self) -> None:
        assert devices_with(signing.dumps([[str(uuid4()), 7, "2026-03-14"]])) == ()
        assert devices_with(signing.dumps(1, salt=SEVEN)) == ()
        assert devices_with(signing.dumps([7, "yesterday"], salt=SEVEN)) == ()

    def test_a_cookie_of_one_number_is_none_under_the_name_of_another(self) -> None:
        assert devices_with(cookie_after(7), name=f"{devices.DEVICE_COOKIE}8") == ()

    def test_a_browser_with_a_hundred_cookies_is_trusted_with_a_few_numbers(self) -> None:
        request = request_from()
        for phone_id in range(100):
            name = f"{devices.DEVICE_COOKIE}{phone_id}"
            request.COOKIES[name] = cookie_after(phone_id)
        assert len(devices.devices_of(request)) == devices.MAX_TRUSTED_NUMBERS

    def test_a_cookie_grows_old(self, clock: Clock) -> None:
        cookie = cookie_after(7)
        clock.shift(devices.TRUSTED_FOR + timedelta(seconds=1))
        assert devices_with(cookie) == ()

    def test_a_cookie_is_out_of_reach_of_scripts_and_other_sites(self) -> None:
        response = HttpResponse()
        devices.trust(request_from(), response, phone_id=7)
        cookie = response.cookies[SEVEN]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
