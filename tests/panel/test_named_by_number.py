"""Users whose name is their number: it is masked by value, for staff without the permission.

``test_user_models`` runs this again for users of every other kind.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from django_flashcall.panel.columns import Masked
from tests.constants import ADMIN, MODEL_BACKEND, NUMBER, OTHER
from tests.factories import AttemptFactory, PhoneFactory, PriceFactory, UsageFactory
from tests.userkind import build_user

pytestmark = pytest.mark.django_db

VIEWS = [f"view_{name}" for name in ("phone", "verification", "verificationattempt")]
VIEWS += ["view_price", "view_usage", "change_phone"]
SPELLINGS = ["+79991234567", "79991234567", "8 (999) 123-45-67", "89991234567"]


def user_named(name: str, **fields: Any) -> Any:
    """Return a user with this name, as the model spells it."""
    user = build_user()
    is_email = get_user_model().USERNAME_FIELD in ("email", "mail")
    setattr(user, user.USERNAME_FIELD, f"{name}@example.org" if is_email else name)
    for field, value in fields.items():
        setattr(user, field, value)
    user.set_unusable_password()
    user.save()
    return user


def client_of(user: Any, *codenames: str) -> Client:
    """Return the browser of ``user`` with these permissions."""
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user, backend=MODEL_BACKEND)
    return client


def digits_of(text: str) -> str:
    """Return the text without what people write between digits."""
    return "".join(letter for letter in text if letter not in " ()-")


def rows_of(user: Any) -> dict[str, Any]:
    """Return a row of each list, with ``user`` wherever there may be one."""
    phone = PhoneFactory(number=OTHER, user=user)
    attempt = AttemptFactory(
        verification__phone=phone, verification__user=user, provider_id=f"id-{OTHER[1:]}"
    )
    return {
        "phone": phone,
        "verification": attempt.verification,
        "price": PriceFactory(prefix="+7999"),
        "usage": UsageFactory(),
    }


@pytest.fixture
def viewer() -> Client:
    """Return the browser of a member of the staff who sees no numbers in full."""
    return client_of(user_named("viewer", is_staff=True), *VIEWS)


class TestMasking:
    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_no_page_shows_the_name_of_a_user_that_is_a_number(
        self, spelling: str, viewer: Client
    ) -> None:
        for name, row in rows_of(user_named(spelling)).items():
            for page in ("", f"{row.pk}/change/", f"{row.pk}/history/"):
                text = digits_of(viewer.get(f"{ADMIN}/{name}/{page}").text)
                for number in (NUMBER, OTHER):
                    assert number[-10:] not in text, f"{name}/{page}"

    def test_a_masked_name_is_still_recognised(self, viewer: Client) -> None:
        phone = rows_of(user_named(NUMBER))["phone"]
        for page in ("", f"{phone.pk}/change/"):
            assert "+7••••••••67" in viewer.get(f"{ADMIN}/phone/{page}").text

    def test_a_name_that_is_no_number_is_shown(self, viewer: Client) -> None:
        phone = rows_of(user_named("anna1987"))["phone"]
        for page in ("", f"{phone.pk}/change/"):
            assert "anna1987" in viewer.get(f"{ADMIN}/phone/{page}").text

    def test_who_may_sees_the_name_in_full(self) -> None:
        phone = rows_of(user_named(NUMBER))["phone"]
        client = client_of(user_named("chief", is_staff=True), *VIEWS, "view_full_number")
        for page in ("", f"{phone.pk}/change/"):
            assert NUMBER in client.get(f"{ADMIN}/phone/{page}").text

    def test_a_history_masks_the_member_of_the_staff_and_old_messages(self, viewer: Client) -> None:
        chief = user_named(NUMBER, is_staff=True)
        rows = rows_of(chief)
        for name, row in rows.items():
            LogEntry.objects.create(
                user=chief,
                content_type=ContentType.objects.get_for_model(row),
                object_id=row.pk,
                object_repr=OTHER,
                action_flag=CHANGE,
                change_message=f"Blocked {OTHER}.",
            )
            page = viewer.get(f"{ADMIN}/{name}/{row.pk}/history/").text
            assert "Blocked +7••••••••68." in page
            assert "+7••••••••67" in page
            assert NUMBER not in page
            assert OTHER not in page

    def test_what_staff_do_is_logged_and_told_without_numbers(self, viewer: Client) -> None:
        phone = rows_of(user_named(NUMBER))["phone"]
        for action in ("block", "unblock", "distrust", "release"):
            chosen = {"action": action, "_selected_action": [phone.pk]}
            page = viewer.post(f"{ADMIN}/phone/", chosen, follow=True).text
            assert NUMBER not in page
            assert OTHER not in page
        assert LogEntry.objects.count() == 4
        for entry in LogEntry.objects.all():
            assert OTHER not in f"{entry.object_repr} {entry.change_message} {entry}"
        assert OTHER not in viewer.get("/admin/").text  # their recent actions

    def test_no_lookup_by_the_user_reveals_the_name(self, viewer: Client) -> None:
        user = user_named(NUMBER)
        rows_of(user)
        name = user.USERNAME_FIELD
        for lookup in (f"user__{name}__startswith=%2B7", "user__gt=1", "user__pk__gt=1"):
            for page in ("phone", "verification"):
                response = viewer.get(f"{ADMIN}/{page}/?{lookup}")
                assert response.status_code in (302, 400, 403)

    def test_neither_a_search_nor_a_suggestion_shows_a_name(self, viewer: Client) -> None:
        rows_of(user_named(NUMBER))
        assert viewer.get(f"{ADMIN}/phone/?q=%2B79991234567").context["cl"].result_count == 0
        page = viewer.get(f"{ADMIN}/phone/", {"q": OTHER})
        assert page.context["cl"].result_count == 1
        assert NUMBER not in page.text
        field = {"app_label": "django_flashcall", "model_name": "verification"}
        for term, found in ((OTHER, ["+7••••••••68"]), ("+799912345", []), (NUMBER, [])):
            query = {**field, "field_name": "phone", "term": term}
            suggested = viewer.get("/admin/autocomplete/", query).json()["results"]
            assert [row["text"] for row in suggested] == found


class TestPlaceholders:
    def test_every_text_of_an_object_and_what_it_refers_to_is_masked(self) -> None:
        entry = LogEntry(user=user_named(NUMBER), object_repr=OTHER, change_message=OTHER)
        masked = Masked(entry)
        assert masked.object_repr == masked.get_change_message() == "+7••••••••68"
        assert str(masked.user).startswith("+7••••••••67")
        assert masked.user.get_username().startswith("+7••••••••67")
        assert masked.action_time == entry.action_time

    def test_the_name_of_a_user_whose_key_is_a_number_is_no_link(self, viewer: Client) -> None:
        user = user_named("anna")
        phone = PhoneFactory(user=user)
        link = f"/{user._meta.model_name}/{user.pk}/change/"
        assert "anna" in viewer.get(f"{ADMIN}/phone/{phone.pk}/change/").text
        assert (link in viewer.get(f"{ADMIN}/phone/{phone.pk}/change/").text) is has_admin(user)


def has_admin(user: Any) -> bool:
    """Return whether the site has admin pages of users."""
    return user._meta.app_label == "auth"
