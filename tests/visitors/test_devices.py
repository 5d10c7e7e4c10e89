"""Browsers that are known to a number by their cookie."""

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


def cookie_after(phone_id: int, request: HttpRequest | None = None) -> str:
    """Return the cookie of a browser in which the number was proved."""
    response = HttpResponse()
    devices.trust(request or request_from(), response, phone_id=phone_id)
    return response.cookies[devices.DEVICE_COOKIE].value


def devices_with(cookie: str) -> tuple[devices.Device, ...]:
    request = request_from()
    request.COOKIES[devices.DEVICE_COOKIE] = cookie
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
        request.COOKIES[devices.DEVICE_COOKIE] = cookie_after(7)
        [before] = devices.devices_of(request)
        clock.shift(timedelta(days=1))
        [again] = devices_with(cookie_after(7, request))
        assert again.issued_at == before.issued_at + timedelta(days=1)

    def test_a_browser_is_known_to_the_numbers_that_were_proved_in_it_last(self) -> None:
        request = request_from()
        for phone_id in (1, 2, 1, 3, 4, 5, 6):
            request.COOKIES[devices.DEVICE_COOKIE] = cookie_after(phone_id, request)
        known = devices.devices_of(request)
        assert [device.phone_id for device in known] == [1, 3, 4, 5, 6]
        assert len(known) == devices.MAX_TRUSTED_NUMBERS
        assert len(request.COOKIES[devices.DEVICE_COOKIE]) < 1000


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
        assert devices_with(signing.dumps([1], salt=devices.DEVICE_COOKIE)) == ()

    def test_a_cookie_grows_old(self, clock: Clock) -> None:
        cookie = cookie_after(7)
        clock.shift(devices.TRUSTED_FOR + timedelta(seconds=1))
        assert devices_with(cookie) == ()

    def test_a_cookie_is_out_of_reach_of_scripts_and_other_sites(self) -> None:
        response = HttpResponse()
        devices.trust(request_from(), response, phone_id=7)
        cookie = response.cookies[devices.DEVICE_COOKIE]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
