"""The pages, as a browser asks for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from django_flashcall.exceptions import OutcomeUnknown
from django_flashcall.models import Phone, Verification, VerificationAttempt
from django_flashcall.providers.base import Answer
from django_flashcall.providers.locmem import Delivery, LocMemProvider
from django_flashcall.words import VerificationStatus
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

NUMBER = "8 (999) 123-45-67"
E164 = "+79991234567"
LOGIN = "/phone/login/"


class LosingProvider(LocMemProvider):
    """Never learns what came of a call."""

    def flash_call(self, number: str, *, length: int, code: str = "") -> Answer:
        raise OutcomeUnknown("the line went dead")


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


def start(client: Client, **data: Any) -> Any:
    """Send the phone form, and return the answer."""
    return client.post(LOGIN, {"number": NUMBER, "key": str(uuid4()), **data})


def wrong(code: str) -> str:
    """Return a code that is not ``code``."""
    return "1111" if code != "1111" else "2222"


def test_a_right_code_logs_in_and_goes_where_the_visitor_wanted_to(
    client: Client, outbox: list[Delivery]
) -> None:
    code_page = start(client, next="/admin/?q=1")
    done = client.post(code_page.url, {"code": outbox[0].code})
    assert done.url == "/admin/?q=1"
    assert client.session["_auth_user_id"] == str(Phone.objects.get().user_id)


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "\\\\evil.example", "javascript:alert(1)", "/\\e"],
)
def test_nobody_is_sent_to_another_site(
    client: Client, outbox: list[Delivery], target: str
) -> None:
    code_page = start(client, next=target)
    assert client.post(code_page.url, {"code": outbox[0].code}).url == "/welcome/"


def test_the_session_gets_a_new_key(client: Client, outbox: list[Delivery]) -> None:
    code_page = start(client)
    before = client.session.session_key
    client.post(code_page.url, {"code": outbox[0].code})
    assert client.session.session_key != before
    assert "flashcall" not in client.session


def test_the_same_form_twice_is_one_call_and_one_page(
    client: Client, outbox: list[Delivery]
) -> None:
    key = str(uuid4())
    assert start(client, key=key).url == start(client, key=key).url
    assert len(outbox) == 1


def test_a_browser_with_a_pending_verification_gets_its_page_again(
    client: Client, outbox: list[Delivery]
) -> None:
    assert start(client).url == start(client).url
    assert len(outbox) == 1


def test_another_browser_is_told_when_to_come_back(client: Client) -> None:
    start(client)
    page = start(Client())
    assert "You can ask again after" in page.text
    assert "<title>Error:" in page.text


def test_another_number_in_the_same_form_is_an_error_and_the_form_is_renewed(
    client: Client, outbox: list[Delivery]
) -> None:
    key = str(uuid4())
    start(client, key=key)
    page = start(client, key=key, number="8 999 765-43-21")
    assert "already sent with another number" in page.text
    [fresh] = re.findall(r'name="key" value="([^"]+)"', page.text)
    assert fresh != key
    assert start(client, key=fresh, number="8 999 765-43-21").status_code == 302
    assert len(outbox) == 2


def test_a_key_that_is_no_key_calls_nobody(client: Client, outbox: list[Delivery]) -> None:
    page = start(client, key="nonsense")
    assert page.status_code == 200
    assert "flashcall-errors" in page.text
    assert not outbox


@pytest.mark.parametrize("number", ["", "8 12", "+1 212 555 01 00", "8-800-FLOWERS", "\x00"])
def test_what_may_not_be_called_gets_a_clear_error(
    client: Client, outbox: list[Delivery], number: str
) -> None:
    page = start(client, number=number)
    assert 'aria-invalid="true"' in page.text
    assert 'id="id_number_error"' in page.text
    assert not outbox
    assert not Phone.objects.exists()


def test_looking_never_calls_and_never_costs_a_check(
    client: Client, outbox: list[Delivery]
) -> None:
    code_page = start(client)
    for _ in range(10):
        for method in (client.get, client.head):
            assert method(LOGIN).status_code == 200
            assert method(code_page.url).status_code == 200
    assert client.put(code_page.url, {"code": outbox[0].code}).status_code == 405
    assert len(outbox) == 1
    assert Verification.objects.get().checks == 0


def test_a_wrong_code_says_how_many_tries_are_left(client: Client, outbox: list[Delivery]) -> None:
    code_page = start(client)
    guess = wrong(outbox[0].code)
    page = client.post(code_page.url, {"code": guess})
    assert "You have 2 tries left." in page.text
    assert guess not in page.text.replace("12-34", "")
    assert "You have 1 try left." in client.post(code_page.url, {"code": guess}).text
    last = client.post(code_page.url, {"code": guess})
    assert "no tries are left" in last.text
    assert "Start again" in last.text
    refused = client.post(code_page.url, {"code": outbox[0].code})
    assert "_auth_user_id" not in client.session
    assert refused.status_code == 200


@pytest.mark.parametrize("code", ["", "12", "12345", "abcd", "12 34 56"])
def test_a_malformed_code_costs_nothing(client: Client, code: str) -> None:
    code_page = start(client)
    assert 'aria-invalid="true"' in client.post(code_page.url, {"code": code}).text
    assert Verification.objects.get().checks == 0


def test_the_whole_calling_number_is_taken(client: Client, outbox: list[Delivery]) -> None:
    code_page = start(client)
    done = client.post(code_page.url, {"code": f"+7 (495) 000-{outbox[0].code}"})
    assert done.status_code == 302


def test_an_expired_code_says_so_and_offers_a_new_call(
    client: Client, outbox: list[Delivery], clock: Any
) -> None:
    code_page = start(client)
    clock.shift(timedelta(minutes=6))
    page = client.post(code_page.url, {"code": outbox[0].code})
    assert "The code has expired. Ask for a new call." in page.text
    assert "Call again" in page.text
    clock.shift(timedelta(minutes=5))
    over = client.get(code_page.url)
    assert "This call is over" in over.text
    assert "Start again" in over.text


def test_a_lost_call_is_followed_by_a_voice_and_an_sms(
    client: Client, outbox: list[Delivery], clock: Any
) -> None:
    code_page = start(client)
    for count, channel, text in [(1, "voice", "a voice will say"), (2, "sms", "sent an SMS")]:
        clock.shift(timedelta(minutes=2))
        answer = client.post(code_page.url, {"channel": channel, "attempt_count": count})
        assert answer.url == code_page.url
        assert text in client.get(code_page.url).text
    assert [call.channel for call in outbox] == ["flash_call", "voice", "sms"]
    assert client.post(code_page.url, {"code": outbox[2].code}).status_code == 302


def test_a_new_call_too_soon_says_when(client: Client, outbox: list[Delivery]) -> None:
    code_page = start(client)
    page = client.post(code_page.url, {"channel": "voice", "attempt_count": "1"})
    assert "You can ask again after" in page.text
    assert len(outbox) == 1


def test_the_double_click_on_call_again_is_one_call(
    client: Client, outbox: list[Delivery], clock: Any
) -> None:
    code_page = start(client)
    clock.shift(timedelta(minutes=2))
    for _ in range(2):
        answer = client.post(code_page.url, {"channel": "voice", "attempt_count": "1"})
        assert answer.url == code_page.url
    assert len(outbox) == 2


def test_a_channel_that_is_not_there_is_refused(client: Client, clock: Any) -> None:
    code_page = start(client)
    clock.shift(timedelta(minutes=2))
    page = client.post(code_page.url, {"channel": "pigeon", "attempt_count": "1"})
    assert "Choose another one" in page.text


def test_changing_the_number_gives_the_call_up(client: Client, outbox: list[Delivery]) -> None:
    code_page = start(client)
    assert client.post(code_page.url, {"cancel": "1"}).url == LOGIN
    assert Verification.objects.get().status == VerificationStatus.CANCELED
    client.post(code_page.url, {"code": outbox[0].code})
    assert "_auth_user_id" not in client.session


def test_the_page_of_another_browser_does_not_exist(client: Client, outbox: list[Delivery]) -> None:
    code_page = start(client)
    stranger = Client()
    assert stranger.get(code_page.url).url == LOGIN
    assert stranger.post(code_page.url, {"code": outbox[0].code}).url == LOGIN
    assert Verification.objects.get().checks == 0


def test_two_tabs_keep_their_numbers(client: Client, outbox: list[Delivery]) -> None:
    one, other = start(client), start(client, number="8 999 765-43-21")
    page = client.post(one.url, {"code": outbox[1].code})
    if outbox[0].code != outbox[1].code:
        assert page.status_code == 200
    assert "+7 999 765-43-21" in client.get(other.url).text
    client.post(other.url, {"code": outbox[1].code})
    assert Phone.objects.get(number="+79997654321").user_id is not None
    assert Phone.objects.get(number=E164).user_id is None


def test_who_is_in_already_is_sent_on_from_the_code_page(
    client: Client, outbox: list[Delivery]
) -> None:
    code_page = start(client)
    session_before = dict(client.session)
    client.post(code_page.url, {"code": outbox[0].code})
    session = client.session
    session["flashcall"] = session_before["flashcall"]
    session.save()
    assert client.get(code_page.url).url == "/welcome/"


def test_staff_are_sent_to_the_other_ways_in(client: Client, outbox: list[Delivery]) -> None:
    Phone.objects.create(number=E164, user=UserFactory(is_staff=True))
    code_page = start(client)
    page = client.post(code_page.url, {"code": outbox[0].code})
    assert "You cannot log in with this number." in page.text
    assert "_auth_user_id" not in client.session


def test_an_unknown_outcome_says_that_the_call_would_not_work(
    client: Client, flashcall: Any
) -> None:
    flashcall(PROVIDER="tests.test_views.LosingProvider")
    page = client.get(start(client).url).text
    assert "We could not find out whether the call to +7 999 123-45-67 came through." in page
    assert "id_code" not in page
    assert "the line went dead" not in page


def test_too_many_starts_from_one_address_are_told_when_to_come_back(
    client: Client, flashcall: Any, outbox: list[Delivery]
) -> None:
    flashcall(RATES={"start": ["1/h"], "check": ["1/h"]})
    code_page = start(client)
    assert "Too many attempts." in start(Client(), number="8 999 765-43-21").text
    client.post(code_page.url, {"code": wrong(outbox[0].code)})
    assert "Too many attempts." in client.post(code_page.url, {"code": outbox[0].code}).text
    assert len(outbox) == 1


def test_nothing_is_stored_on_the_way(client: Client) -> None:
    code_page = start(client)
    for page in (client.get(LOGIN), client.get(code_page.url)):
        assert "no-store" in page["Cache-Control"]


def test_a_post_without_its_token_is_refused(outbox: list[Delivery]) -> None:
    client = Client(enforce_csrf_checks=True)
    assert start(client).status_code == 403
    assert not outbox


def test_the_views_mark_what_must_not_be_shown(client: Client, settings: Any) -> None:
    client.raise_request_exception = False
    settings.FLASHCALL = {"PROVIDER": "no.such.Provider"}
    start(client)
    answer = client.post(LOGIN, {"number": NUMBER})
    assert answer.status_code == 500
    assert set(answer.wsgi_request.sensitive_post_parameters) == {"number", "code"}


@pytest.mark.django_db(transaction=True)
def test_atomic_requests_cannot_undo_a_check(client: Client, outbox: list[Delivery]) -> None:
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        code_page = start(client)
        client.post(code_page.url, {"code": wrong(outbox[0].code)})
        assert Verification.objects.get().checks == 1
        assert client.post(code_page.url, {"code": outbox[0].code}).status_code == 302
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False


def test_signed_cookies_are_as_safe_as_any_session(
    client: Client, settings: Any, outbox: list[Delivery]
) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    code_page = start(client)
    before = client.cookies["sessionid"].value
    for _ in range(4):
        client.cookies["sessionid"] = before  # the visitor rolls the session back
        client.post(code_page.url, {"code": wrong(outbox[0].code)})
    assert Verification.objects.get().checks == 3
    assert outbox[0].code not in before


def test_the_pages_speak_russian(client: Client, outbox: list[Delivery]) -> None:
    russian = {"headers": {"Accept-Language": "ru"}}
    page = client.get(LOGIN, **russian).text
    assert '<html lang="ru">' in page
    assert (
        "Мы позвоним на этот номер. Отвечать не нужно. "
        "Код — последние 4 цифры номера, с которого поступит звонок."
    ) in page
    code_page = start(client)
    assert "Последние 4 цифры номера" in client.get(code_page.url, **russian).text
    wrong_page = client.post(code_page.url, {"code": wrong(outbox[0].code)}, **russian)
    assert "Цифры не подошли. Осталось 2 попытки ввода." in wrong_page.text


def test_a_longer_code_is_asked_for_as_such(
    client: Client, flashcall: Any, outbox: list[Delivery]
) -> None:
    flashcall(CODE_LENGTH=6)
    assert "the last 6 digits" in client.get(LOGIN).text
    code_page = start(client)
    assert "Last 6 digits of the calling number" in client.get(code_page.url).text
    assert client.post(code_page.url, {"code": outbox[0].code}).status_code == 302


def test_with_sign_up_off_a_stranger_sees_what_a_user_sees(
    client: Client, flashcall: Any, outbox: list[Delivery]
) -> None:
    flashcall(SIGN_UP=False)
    Phone.objects.create(number=E164, user=UserFactory())
    pages = []
    for number in (NUMBER, "8 999 765-43-21"):
        visitor = Client()
        code_page = start(visitor, number=number)
        text = visitor.get(code_page.url).text
        key = UUID(code_page.url.split("/")[-2])
        pages.append(_without(text, code_page.url, str(key), number))
    assert pages[0] == pages[1]
    assert len(outbox) == 1
    assert VerificationAttempt.objects.count() == 2


def _without(text: str, *parts: str) -> str:
    text = re.sub(r'csrfmiddlewaretoken" value="[^"]+"', "", text)
    text = re.sub(r"\+7 999 \d{3}-\d\d-\d\d", "NUMBER", text)
    for part in parts:
        text = text.replace(part, "")
    return text
