"""Forms for users who are known: confirm a number, change it, prove it again.

Like those of ``forms`` they do their work while they are validated: the first of each pair has
somebody called, the second takes the code, after which ``phone`` is the number that was proved.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from . import notes, proofs
from .door import Visitor
from .exceptions import StartRefused, VerificationEnded
from .forms import CodeForm, PhoneForm, StartForm
from .models import Phone
from .words import Purpose


class ConfirmForm(PhoneForm):
    """Takes a number that the user wants to have, and has it called; asks for a recent login."""

    purpose = Purpose.CONFIRM
    url_name = "django_flashcall:confirm"
    #: A login or a proof of the user's own number must not be older.
    max_age = timedelta(minutes=15)

    @property
    def is_recent(self) -> bool:
        """Whether it is not too long ago that we knew who this is."""
        return notes.is_recent(self.request, max_age=self.max_age)

    def number_of(self, subject: Any) -> str:
        """Return what was typed, unless the login is too old."""
        # SECURITY: whoever finds somebody's browser open must not put a number into the account.
        if not self.is_recent:
            raise StartRefused(_("You logged in a while ago. Log in again first."))
        return super().number_of(subject)


class ChangeForm(ConfirmForm):
    """The same for the number that the user wants to have instead of the others."""

    purpose = Purpose.CHANGE
    url_name = "django_flashcall:change"


class ReauthenticateForm(StartForm):
    """Has one of the user's own numbers called; the latest if none is chosen."""

    phone = forms.ChoiceField(label=_("Number to call"), required=False, widget=forms.RadioSelect)

    purpose = Purpose.REAUTHENTICATE
    url_name = "django_flashcall:reauthenticate"
    subject = "phone"

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        choices = [(str(phone.pk), phone.masked) for phone in self.phones]
        field: Any = self.fields["phone"]
        field.choices, field.initial = choices, next(iter(dict(choices)), None)

    @property
    def owner(self) -> AbstractBaseUser | None:
        """Whose numbers these are."""
        return self.request.user if self.request.user.is_authenticated else None

    @cached_property
    def phones(self) -> list[Phone]:
        """The numbers that may be called, the latest proof first."""
        return proofs.numbers_of(self.owner) if self.owner else []

    def number_of(self, subject: Any) -> str:
        """Return the number behind the choice."""
        chosen = [phone for phone in self.phones if str(phone.pk) == subject]
        if not self.phones:
            raise StartRefused(_("You have no number yet. Confirm one first."))
        return (chosen or self.phones)[0].number

    def subject_of(self, phone: Phone) -> str:
        """Return the choice, which tells nobody the number."""
        return str(phone.pk)


class SecondStepForm(ReauthenticateForm):
    """Has a number called of whoever gave the right password in this session."""

    purpose = Purpose.SECOND_STEP
    url_name = "django_flashcall:second_step"

    @property
    def owner(self) -> AbstractBaseUser | None:
        """Whose password it was."""
        user: AbstractBaseUser | None = notes.held_user(self.request)
        return user

    def visitor(self) -> Visitor:
        """Return whose password it was: somebody else may be logged in still."""
        return replace(super().visitor(), user=self.owner)


class ProofForm(CodeForm):
    """Takes the code of a user's own verification; then ``phone`` is the number."""

    phone: Phone

    def finish(self) -> None:
        """Use the approval up; a number that was the user's before proves who this is."""
        user: Any = self.request.user
        known = proofs.numbers_of(user)
        self.phone = self.prove(user)
        # SECURITY: a new number proves nothing where there was one before, to be stolen.
        if self.phone in known or not known:
            notes.note(self.request, notes.PROOF)

    def prove(self, user: AbstractBaseUser) -> Phone:
        """Do what the number was proved for, and return it."""
        raise NotImplementedError


class ConfirmCodeForm(ProofForm):
    """Makes the number one of the user's."""

    def prove(self, user: AbstractBaseUser) -> Phone:
        """Raise ``NumberTaken`` if it belongs to another user."""
        return proofs.confirm_number(self.verification, user=user)


class ChangeCodeForm(ProofForm):
    """Makes the number the user's only one."""

    def prove(self, user: AbstractBaseUser) -> Phone:
        """Raise ``NumberTaken`` if it belongs to another user."""
        return proofs.change_number(self.verification, user=user)


class ReauthenticateCodeForm(ProofForm):
    """Proves once more that the number is the user's."""

    def prove(self, user: AbstractBaseUser) -> Phone:
        """Raise ``VerificationEnded`` if it is not the user's any more."""
        return proofs.prove_again(self.verification, user=user)


class SecondStepCodeForm(CodeForm):
    """Finds the user whose password was right, and who has proved his number now."""

    def visitor(self) -> Visitor:
        """Return whose password it was."""
        return replace(super().visitor(), user=notes.held_user(self.request))

    def finish(self) -> None:
        """Raise ``VerificationEnded`` if nobody is held any more."""
        user = notes.held_user(self.request)
        if user is None:
            raise VerificationEnded()
        proofs.prove_again(self.verification, user=user, purpose=Purpose.SECOND_STEP)
        notes.mark_proof(self.request)
        self.user = user
