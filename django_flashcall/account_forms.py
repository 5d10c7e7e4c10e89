"""Forms for known users: confirm a number, change it, prove it again, take the second step.

Like those in ``forms``, they do their work during validation. The first form of each pair calls a
number. The second one takes the code, and then ``phone`` is the verified number.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from . import accounts
from .choices import Purpose
from .exceptions import NumberTooNew, StartRefused, VerificationEnded
from .forms import CodeForm, PhoneForm, StartForm
from .models import Phone
from .visitors import sessions
from .visitors.visitor import Visitor

TOO_LONG_AGO = _("You logged in a while ago. Log in again first.")


class ConfirmForm(PhoneForm):
    """Takes a number that the user wants to confirm, and calls it; requires a recent login."""

    purpose = Purpose.CONFIRM
    url_name = "django_flashcall:confirm"
    #: The login, or the proof of one of the user's numbers, must not be older than this.
    max_age = timedelta(minutes=15)

    @property
    def is_recent(self) -> bool:
        """Whether the login is recent enough."""
        return sessions.is_recent(self.request, max_age=self.max_age)

    def number_to_call(self, cleaned: dict[str, Any]) -> str:
        """Return the number that was entered, unless the login is too old."""
        # SECURITY: a stranger at a logged-in browser must not add a number to the account.
        if not self.is_recent:
            raise StartRefused(TOO_LONG_AGO)
        return super().number_to_call(cleaned)


class ChangeForm(ConfirmForm):
    """Takes the number that will replace the user's other numbers, and calls it."""

    purpose = Purpose.CHANGE
    url_name = "django_flashcall:change"


class ReauthenticateForm(StartForm):
    """Calls one of the user's own numbers, the latest one if none is chosen."""

    phone = forms.ChoiceField(label=_("Number to call"), required=False, widget=forms.RadioSelect)

    purpose = Purpose.REAUTHENTICATE
    url_name = "django_flashcall:reauthenticate"

    @sensitive_variables()
    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        choices = [(str(phone.pk), phone.masked) for phone in self.phones]
        field: Any = self.fields["phone"]
        field.choices, field.initial = choices, next(iter(dict(choices)), None)

    @classmethod
    def initial_for(cls, phone: Phone) -> dict[str, str]:
        """Return the choice, which does not reveal the number."""
        return {"phone": str(phone.pk)}

    @property
    def owner(self) -> AbstractBaseUser | None:
        """The user whose numbers can be called."""
        return self.request.user if self.request.user.is_authenticated else None

    @property
    def added_before(self) -> datetime | None:
        """When the session began. A number that was added later proves nothing."""
        return sessions.began_at(self.request)

    @cached_property
    def phones(self) -> list[Phone]:
        """The numbers that can be called, the latest proof first."""
        before = self.added_before
        return accounts.numbers_of(self.owner, added_before=before) if self.owner else []

    @property
    def has_only_new_numbers(self) -> bool:
        """Whether the user has numbers, but added all of them in this session."""
        return not self.phones and self.owner is not None and bool(accounts.numbers_of(self.owner))

    def number_to_call(self, cleaned: dict[str, Any]) -> str:
        """Return the chosen number."""
        if self.has_only_new_numbers:
            raise NumberTooNew()
        if not self.phones:
            raise StartRefused(_("You have no number yet. Confirm one first."))
        chosen = [phone for phone in self.phones if str(phone.pk) == cleaned["phone"]]
        return (chosen or self.phones)[0].number


class SecondStepForm(ReauthenticateForm):
    """Calls a number of the user whose password was right."""

    purpose = Purpose.SECOND_STEP
    url_name = "django_flashcall:second_step"

    @property
    def owner(self) -> AbstractBaseUser | None:
        """The user whose password was right."""
        user: AbstractBaseUser | None = sessions.held_user(self.request)
        return user

    @property
    def added_before(self) -> None:
        """``None``: nobody is logged in, so every number of the owner counts."""
        return

    def visitor(self) -> Visitor:
        """Return the visitor as the owner, since another user may still be logged in."""
        return replace(super().visitor(), user=self.owner)


class ProofForm(CodeForm):
    """Takes the code of a user's own verification. After a right one, ``phone`` is the number."""

    phone: Phone

    def finish(self) -> None:
        """Use the approval. A number that the user had before this session proves who they are."""
        user: Any = self.request.user
        self.phone = self.prove(user)
        # SECURITY: if the user already had a number, one that is added in this session proves
        # nothing, however often it is called.
        if self.phone.was_added_before(sessions.began_at(self.request)):
            sessions.record_event(self.request, sessions.PROOF)

    def prove(self, user: AbstractBaseUser) -> Phone:
        """Do what the number was verified for, and return it."""
        raise NotImplementedError


class ConfirmCodeForm(ProofForm):
    """Makes the number one of the user's numbers."""

    def prove(self, user: AbstractBaseUser) -> Phone:
        """Raise ``NumberTaken`` if it belongs to another user."""
        return accounts.confirm_number(self.verification, user=user)


class ChangeCodeForm(ProofForm):
    """Makes the number the user's only number."""

    def prove(self, user: AbstractBaseUser) -> Phone:
        """Raise ``NumberTaken`` if it belongs to another user."""
        return accounts.change_number(self.verification, user=user)


class ReauthenticateCodeForm(ProofForm):
    """Proves again that the number is the user's."""

    def prove(self, user: AbstractBaseUser) -> Phone:
        """Raise ``VerificationEnded`` if the number is no longer theirs."""
        before = sessions.began_at(self.request)
        return accounts.prove_again(self.verification, user=user, added_before=before)


class SecondStepCodeForm(CodeForm):
    """Finds the user whose password was right, and who has now proved their number."""

    def visitor(self) -> Visitor:
        """Return the visitor as the user whose password was right."""
        return replace(super().visitor(), user=sessions.held_user(self.request))

    def finish(self) -> None:
        """Raise ``VerificationEnded`` if no user is waiting for the second step any longer."""
        user = sessions.held_user(self.request)
        if user is None:
            raise VerificationEnded()
        phone = accounts.prove_again(
            self.verification, user=user, added_before=None, purpose=Purpose.SECOND_STEP
        )
        sessions.mark_proof(self.request, added_at=phone.added_at)
        self.user = user
