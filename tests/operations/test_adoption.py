"""What becomes of the numbers that users have already; with every kind of user model."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_flashcall.models import Phone
from django_flashcall.operations.adoption import BATCH, Finding, link, survey
from tests.constants import NUMBER, OTHER
from tests.userkind import FIELD, build_user, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("user_phone_field")]


def findings() -> dict[Any, Finding]:
    return {claim.user: claim.finding for claim in survey()}


def adopt() -> Counter[Finding]:
    return Counter(claim.finding for claim in link(survey()))


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("flashcall_adopt", *arguments, stdout=out)
    return out.getvalue()


class TestSurveying:
    @pytest.mark.parametrize("text", [NUMBER, "8 (999) 123-45-67", "тел. 9", "+77011234567"])
    def test_a_survey_changes_nothing(self, text: str) -> None:
        make_user(text)
        findings()
        assert not Phone.objects.exists()


class TestLinking:
    @pytest.mark.parametrize(
        "text", [NUMBER, "8 (999) 123-45-67", "9991234567", " +7 999 1234567 "]
    )
    def test_a_number_is_linked_in_any_spelling(self, text: str) -> None:
        user = make_user(text)
        assert adopt() == {Finding.LINK: 1}
        phone = Phone.objects.get()
        assert (phone.number, phone.user) == (NUMBER, user)

    def test_a_link_proves_nothing(self) -> None:
        make_user(NUMBER)
        adopt()
        assert Phone.objects.get().verified_at is None

    def test_again_it_finds_what_is_linked_already(self) -> None:
        make_user(NUMBER)
        adopt()
        assert adopt() == {Finding.KNOWN: 1}
        assert Phone.objects.count() == 1

    def test_a_number_that_was_called_before_is_linked(self) -> None:
        user = make_user(NUMBER)
        phone = Phone.objects.create(number=NUMBER)
        adopt()
        phone.refresh_from_db()
        assert phone.user == user

    def test_a_number_that_belongs_to_another_stays_theirs(self) -> None:
        owner = make_user("+79990000000")
        phone = Phone.objects.create(number=NUMBER, user=owner, verified_at=timezone.now())
        user = make_user(NUMBER)
        assert findings()[user.pk] == Finding.TAKEN
        adopt()
        phone.refresh_from_db()
        assert phone.user == owner

    def test_a_number_of_several_users_is_linked_to_none(self) -> None:
        make_user(NUMBER)
        make_user("8 999 123-45-67")
        assert set(findings().values()) == {Finding.DUPLICATE}
        adopt()
        assert not Phone.objects.exists()

    def test_of_several_users_the_one_that_is_linked_is_known(self) -> None:
        owner, other = make_user(NUMBER), make_user("8 999 123-45-67")
        Phone.objects.create(number=NUMBER, user=owner, verified_at=timezone.now())
        assert findings() == {owner.pk: Finding.KNOWN, other.pk: Finding.DUPLICATE}

    @pytest.mark.parametrize(
        ("text", "finding"),
        [
            ("   ", Finding.BLANK),
            ("спросить у Маши", Finding.UNREADABLE),
            ("123", Finding.UNREADABLE),
            ("+77011234567", Finding.OTHER_REGION),
            ("+1 202 555 0101", Finding.OTHER_REGION),
            ("+7 800 555-35-35", Finding.OTHER_REGION),
        ],
    )
    def test_what_cannot_be_called_is_named(self, text: str, finding: Finding) -> None:
        user = make_user(text)
        assert findings() == {user.pk: finding}
        adopt()
        assert not Phone.objects.exists()

    @pytest.mark.skipif(settings.USER == "named_by_phone", reason="a name cannot be missing")
    def test_a_user_without_a_number_is_blank(self) -> None:
        user = make_user()
        assert findings() == {user.pk: Finding.BLANK}

    def test_users_are_read_and_linked_in_batches(self, django_assert_max_num_queries: Any) -> None:
        count = 2 * BATCH + 1
        get_user_model().objects.bulk_create(
            [build_user(f"+7999000{one:04}") for one in range(count)]
        )
        with django_assert_max_num_queries(40):
            assert adopt() == {Finding.LINK: count}
        linked = Phone.objects.values_list("number", f"user__{FIELD}")
        assert len(linked) == count
        assert all(number == str(typed) for number, typed in linked)

    def test_a_user_who_got_the_number_meanwhile_keeps_it(self) -> None:
        make_user(NUMBER)
        claims = list(survey())
        owner = make_user("+79990000000")
        Phone.objects.create(number=NUMBER, user=owner, verified_at=timezone.now())
        list(link(claims))
        assert Phone.objects.get().user == owner

    def test_a_released_number_is_not_given_to_whoever_typed_it(self) -> None:
        former = make_user("+79990000000")
        Phone.objects.create(number=NUMBER, user=former, verified_at=timezone.now())
        former.delete()
        make_user(NUMBER)
        assert adopt() == {Finding.RELEASED: 1}
        assert Phone.objects.get().user is None

    def test_users_who_are_deleted_meanwhile_are_left_out(self) -> None:
        gone, kept = make_user(NUMBER), make_user(OTHER)
        claims = list(survey())
        gone.delete()
        findings = {claim.number: claim.finding for claim in link(claims)}
        assert findings == {NUMBER: Finding.TAKEN, OTHER: Finding.LINK}
        assert Phone.objects.get().user == kept


class TestCommand:
    def test_the_command_reports_and_changes_nothing_without_apply(self) -> None:
        make_user(NUMBER)
        make_user("никакой")
        told = run()
        assert "        1 to be linked (link)\n" in told
        assert "        1 not a phone number (unreadable)\n" in told
        assert "Nothing was changed" in told
        assert not Phone.objects.exists()

    def test_the_command_applies(self) -> None:
        make_user(NUMBER)
        assert "Linked." in run("--apply")
        assert Phone.objects.get().number == NUMBER
        assert "Linked." not in run("--apply")

    def test_the_report_names_users_and_masks_numbers(self, tmp_path: Path) -> None:
        first, second, third = make_user(NUMBER), make_user("89991234567"), make_user("никакой")
        linked = make_user(OTHER)
        report = tmp_path / "report.csv"
        run("--report", str(report))
        text = report.read_text(encoding="utf-8")
        rows = list(csv.DictReader(text.splitlines()))
        assert {row["user"]: row["finding"] for row in rows} == {
            str(first.pk): "duplicate",
            str(second.pk): "duplicate",
            str(third.pk): "unreadable",
        }
        assert str(linked.pk) not in {row["user"] for row in rows}
        assert "9991234567" not in text
        assert "•" in text

    def test_the_command_asks_for_the_field(self, flashcall: Any) -> None:
        flashcall(USER_PHONE_FIELD="")
        with pytest.raises(CommandError, match="USER_PHONE_FIELD"):
            run()
