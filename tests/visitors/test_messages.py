"""Messages for the next view of a page."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.http import HttpResponse

from django_flashcall.visitors import cookies, messages
from tests.browser import request_from


class TestMessages:
    def test_a_message_is_read_on_its_page_and_on_no_other(self) -> None:
        key, request, response = uuid4(), request_from(), HttpResponse()
        messages.keep_message(response, "Wait a minute.", key=key)
        request.COOKIES = {name: cookie.value for name, cookie in response.cookies.items()}
        assert messages.read_message(request, key=key) == "Wait a minute."
        assert messages.read_message(request, key=uuid4()) == ""

    def test_only_a_message_that_was_kept_is_deleted(self) -> None:
        request, response = request_from(), HttpResponse()
        messages.forget_message(request, response, key=uuid4())
        assert not response.cookies

    @pytest.mark.parametrize("step", [1, 37, 4099], ids=["near", "far", "farthest"])
    @pytest.mark.parametrize("first", [0x21, 0x410, 0x4E00, 0x1F600])
    def test_a_message_of_any_length_and_script_fits_into_its_cookie(
        self, first: int, step: int
    ) -> None:
        response = HttpResponse()
        letters = (chr(first + (n * step) % 4096) for n in range(10_000))
        messages.keep_message(response, "".join(letters), key=uuid4())
        [cookie] = response.cookies.values()
        assert len(cookie.value) <= cookies.MAX_COOKIE_LENGTH
