"""System checks of the user model: users that cannot be created are told before a call."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.checks import Error, run_checks
from django.core.checks.registry import registry
from django.db import models
from django.db.models.functions import Lower, Now
from django.test.utils import isolate_apps
from django.utils.functional import cached_property

from django_flashcall.backends import PhoneBackend
from django_flashcall.checks.users import check_sign_up, phone_backends, sign_up_messages
from django_flashcall.conf import FlashCallSettings
from tests.checks.messages import ids
from tests.constants import MODEL_BACKEND, PHONE_BACKEND, ROOT
from tests.diary.models import Entry


class Filling(models.CharField):  # type: ignore[type-arg]
    """A field that gives each row a value of its own, like an AutoSlugField."""

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        """Return a value that no other row has."""
        return uuid.uuid4().hex


class CreatingBackend(PhoneBackend):
    """A site that creates users its own way."""

    def create_user(self, number: str) -> AbstractBaseUser | None:
        """Create nobody."""
        return None


class CompletingBackend(PhoneBackend):
    """A site that sets the other fields."""

    def new_user(self, number: str) -> AbstractBaseUser:
        """Set nothing, but could."""
        return super().new_user(number)


class NamingBackend(PhoneBackend):
    """A site whose names are short."""

    def make_username(self, number: str) -> str:
        """Return a short name."""
        raise AssertionError("a check must not run the methods of a site")


class AdmittingBackend(PhoneBackend):
    """A site that admits everybody."""

    def may_log_in(self, user: AbstractBaseUser) -> bool:
        """Admit."""
        return True


class GrantingBackend:
    """Grants permissions, and logs nobody in."""


@pytest.fixture
def isolated() -> Iterator[None]:
    """Forget the models of a test."""
    with isolate_apps("tests.diary"):
        yield


def user_model(*bases: type, **fields: Any) -> type[models.Model]:
    """Return a user model like Django's, but for these ``fields``."""
    meta = fields.pop("Meta", type("Meta", (), {}))
    meta.app_label = "diary"
    own = {
        "name": models.CharField(max_length=150, unique=True),
        "phone": models.CharField(max_length=16, db_index=True),
        "is_active": models.BooleanField(default=True),
        "USERNAME_FIELD": "name",
        "__module__": __name__,
        "Meta": meta,
    }
    return type("Member", bases or (AbstractBaseUser,), own | fields)


def told(model: type[models.Model], *, backend: Any = None, **keys: Any) -> list[tuple[str, str]]:
    """Return the ids of the messages, and what each says of the model."""
    config = FlashCallSettings(**{"USER_PHONE_FIELD": "phone"} | keys)
    messages = sign_up_messages(model, backend=backend or PhoneBackend(), config=config)
    return [(*ids([message]), message.msg.partition("diary.Member ")[2]) for message in messages]


def check_unfit(backend: str) -> subprocess.CompletedProcess[str]:
    """Run ``manage.py check`` for users whom nothing can create."""
    environment = os.environ | {
        "FLASHCALL_TEST_USER": "unfit",
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }
    lines = [
        "from django.conf import settings",
        "from django.core.management import execute_from_command_line",
        f"settings.AUTHENTICATION_BACKENDS = [{backend!r}]",
        "execute_from_command_line(['manage.py', 'check'])",
    ]
    command = [sys.executable, "-c", "; ".join(lines)]
    return subprocess.run(
        command, env=environment, cwd=ROOT, text=True, capture_output=True, check=False
    )


@pytest.mark.usefixtures("isolated")
class TestFields:
    def test_a_model_that_fits_is_not_reported(self) -> None:
        assert told(user_model()) == []

    @pytest.mark.parametrize(
        ("field", "is_too_short"),
        [
            (models.CharField(max_length=18, unique=True), False),
            (models.CharField(max_length=17, unique=True), True),
            (models.IntegerField(unique=True), True),
            (models.UUIDField(unique=True), True),
            (models.TextField(unique=True), False),
        ],
    )
    def test_e008_wants_room_for_a_name(self, field: Any, is_too_short: bool) -> None:
        messages = told(user_model(name=field))
        assert [one for one, _text in messages] == ["E008"] * is_too_short
        assert all("user name" in text for _id, text in messages)

    def test_a_short_name_is_no_fault_where_the_number_is_the_name(self) -> None:
        field = models.CharField(max_length=16, unique=True)
        assert told(user_model(phone=field, name=None, USERNAME_FIELD="phone")) == []

    @pytest.mark.parametrize(
        "field",
        [
            models.DateField(),
            models.IntegerField(),
            models.BooleanField(),
            models.JSONField(),
            models.DecimalField(max_digits=5, decimal_places=2),
            models.ForeignKey(Entry, related_name="+", on_delete=models.CASCADE),
            models.OneToOneField(Entry, related_name="+", on_delete=models.CASCADE),
        ],
        ids=lambda field: type(field).__name__,
    )
    def test_e008_names_a_field_that_must_not_be_null(self, field: Any) -> None:
        text = "the field 'other' must not be null, and has no default."
        assert told(user_model(other=field)) == [("E008", text)]

    @pytest.mark.parametrize(
        "field",
        [
            models.CharField(max_length=9),
            models.DateField(null=True),
            models.DateField(auto_now_add=True),
            models.DateTimeField(db_default=Now()),
            models.UUIDField(default=uuid.uuid4, unique=True),
            models.IntegerField(default=0),
            models.EmailField(null=True, unique=True),
            models.ForeignKey(Entry, related_name="+", on_delete=models.CASCADE, null=True),
            models.ForeignKey(Entry, related_name="+", on_delete=models.CASCADE, default=lambda: 1),
            Filling(max_length=32, unique=True),
            models.FileField(),
        ],
        ids=[
            "text",
            "may be null",
            "now",
            "by the database",
            "by a callable",
            "by a constant",
            "unique but null",
            "link that may be null",
            "link by a callable",
            "by the field itself",
            "file",
        ],
    )
    def test_a_field_that_is_filled_or_may_be_empty_is_not_reported(self, field: Any) -> None:
        assert told(user_model(other=field)) == []

    @pytest.mark.parametrize(
        "fields",
        [
            {"other": models.EmailField(unique=True)},
            {"other": models.SlugField(unique=True, default="guest")},
            {"other": models.IntegerField(unique=True, default=0)},
        ],
        ids=["empty", "text", "number"],
    )
    def test_e008_names_a_field_that_must_be_unique_and_is_not(
        self, fields: dict[str, Any]
    ) -> None:
        [(one, text)] = told(user_model(**fields))
        assert one == "E008"
        assert text.startswith("the value of 'other' must be unique, and is ")

    @pytest.mark.parametrize(
        ("constraint", "is_reported"),
        [
            (models.UniqueConstraint(fields=["site", "other"], name="x"), True),
            (models.UniqueConstraint(fields=["site", "name"], name="x"), False),
            (models.UniqueConstraint(fields=["site", "phone"], name="x"), False),
            (models.UniqueConstraint(Lower("other"), name="x"), True),
            (models.UniqueConstraint(Lower("name"), name="x"), False),
            (models.UniqueConstraint("site", Lower("other").desc(), name="x"), True),
            (
                models.UniqueConstraint(fields=["other"], condition=~models.Q(other=""), name="x"),
                False,
            ),
        ],
    )
    def test_e008_reads_the_constraints_of_the_model(
        self, constraint: Any, is_reported: bool
    ) -> None:
        meta = type("Meta", (), {"constraints": [constraint]})
        model = user_model(
            other=models.EmailField(), site=models.IntegerField(default=1), Meta=meta
        )
        assert [one for one, _text in told(model)] == ["E008"] * is_reported

    def test_e008_reads_unique_together(self) -> None:
        meta = type("Meta", (), {"unique_together": [("other", "is_active")]})
        model = user_model(other=models.EmailField(), Meta=meta)
        assert [one for one, _text in told(model)] == ["E008"]

    def test_w010_only_warns_where_the_model_saves_its_own_way(self) -> None:
        class Saving(AbstractBaseUser):
            def save(self, *args: Any, **kwargs: Any) -> None:
                raise NotImplementedError

            class Meta:
                app_label = "diary"
                abstract = True

        model = user_model(Saving, other=models.DateField(), email=models.EmailField(unique=True))
        assert [one for one, _text in told(model)] == ["W010", "W010"]


@pytest.mark.usefixtures("isolated")
class TestLogins:
    @pytest.mark.parametrize(
        "fields",
        [
            {"is_active": None},
            {"is_active": False},
            {"is_active": models.BooleanField(default=False)},
            {"is_active": models.BooleanField(null=True)},
        ],
    )
    def test_e008_wants_new_users_that_are_active(self, fields: dict[str, Any]) -> None:
        [(one, text)] = told(user_model(**fields))
        assert (one, text.split()[0]) == ("E008", "is_active")

    def test_e008_wants_users_that_can_log_in(self) -> None:
        model = user_model(models.Model, USERNAME_FIELD="")
        assert ("E008", "it does not derive from AbstractBaseUser.") in told(model)

    def test_e008_wants_no_staff_unless_they_may_log_in(self) -> None:
        model = user_model(is_staff=models.BooleanField(default=True))
        assert [one for one, _text in told(model)] == ["E008"]
        assert told(model, ALLOW_STAFF=True) == []

    @pytest.mark.parametrize("kind", [property, cached_property])
    def test_a_property_decides_for_each_user(self, kind: Any) -> None:
        # The custom user in Django's docs derives is_staff from a field of its own.
        model = user_model(
            is_admin=models.BooleanField(default=False),
            is_staff=kind(lambda user: user.is_admin),
            is_active=kind(lambda user: not user.is_admin),
        )
        assert told(model) == []

    def test_a_site_that_admits_everybody_is_not_asked(self) -> None:
        model = user_model(is_active=False)
        assert told(model, backend=AdmittingBackend()) == []

    def test_users_are_not_created_with_sign_up_off(self) -> None:
        model = user_model(is_active=False, other=models.DateField())
        assert told(model, SIGN_UP=False) == []


class TestBackends:
    @pytest.mark.usefixtures("isolated")
    def test_a_site_that_names_users_is_not_asked_how(self) -> None:
        name = models.CharField(max_length=5, unique=True)
        assert told(user_model(name=name), backend=NamingBackend()) == []

    def test_others_only_grant_permissions(self, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = [
            "tests.checks.test_users.GrantingBackend",
            MODEL_BACKEND,
            PHONE_BACKEND,
        ]
        assert [type(backend) for backend in phone_backends()] == [PhoneBackend]

    @pytest.mark.parametrize(
        ("backend", "is_checked"),
        [
            (PHONE_BACKEND, True),
            ("tests.checks.test_users.CreatingBackend", False),
            ("tests.checks.test_users.CompletingBackend", False),
        ],
    )
    def test_a_site_that_creates_users_itself_is_not_bothered(
        self, backend: str, is_checked: bool
    ) -> None:
        run = check_unfit(backend)
        assert ("E008" in run.stderr) is is_checked, run.stderr

    def test_checks_are_registered_and_find_nothing_as_installed(self) -> None:
        assert check_sign_up in registry.get_checks()
        assert run_checks() == []

    def test_the_command_names_every_fault(self) -> None:
        run = check_unfit(PHONE_BACKEND)
        assert run.returncode == 1
        for fault in ("'login' has room", "'email' must be unique", "'birthday'", "is_active"):
            assert fault in run.stderr, run.stderr


@pytest.mark.usefixtures("isolated")
def test_an_error_says_what_to_do() -> None:
    [message] = sign_up_messages(
        user_model(other=models.DateField()),
        backend=PhoneBackend(),
        config=FlashCallSettings(USER_PHONE_FIELD="phone"),
    )
    assert isinstance(message, Error)
    assert "new_user()" in str(message.hint)
