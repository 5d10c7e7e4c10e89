"""Forms for users who are known: confirm a number, change it, prove it again.

Like those of ``forms`` they do their work while they are validated: the first of each pair has
somebody called, the second takes the code, after which ``phone`` is the number that was proved.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from . import notes, proofs
from .exceptions import StartRefused, VerificationEnded
from .forms import CodeForm, PhoneForm, StartForm
from .models import Phone
from .words import Purpose


class ConfirmForm(PhoneForm):
    """Takes a number that the user wants to have, and has it called."""

    purpose = Purpose.CONFIRM
    url_name = "django_flashcall:confirm"


class ChangeForm(PhoneForm):
    """Takes the number that the user wants to have instead, and has it called."""

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


class ProofForm(CodeForm):
    """Takes the code of a user's own verification; then ``phone`` is the number."""

    phone: Phone

    def finish(self) -> None:
        """Use the approval up, and note in the session that a number was proved just now."""
        self.phone = self.prove(self.request.user)  # type: ignore[arg-type]
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

    def finish(self) -> None:
        """Raise ``VerificationEnded`` if nobody is held any more."""
        user = notes.held_user(self.request)
        if user is None:
            raise VerificationEnded()
        proofs.prove_again(self.verification, user=user, purpose=Purpose.SECOND_STEP)
        self.user = user
