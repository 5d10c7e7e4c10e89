"""The two forms: a number that is called, and the digits that called.

Both do their work while they are validated, as Django's ``AuthenticationForm`` does, so that a
site's own view is ``form.is_valid()`` and a redirect::

    form = PhoneForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("django_flashcall:code", form.verification.key)
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4, uuid5

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from . import door, notes, services
from .conf import get_settings
from .door import Visitor
from .exceptions import (
    FlashCallError,
    KeyReused,
    LoginRefused,
    NumberRefused,
    VerificationEnded,
)
from .models import Phone, Verification
from .phone import AMBIGUOUS, example_number, example_numbers, parse_number
from .words import Purpose


class NumberField(forms.CharField):
    """A phone number in any spelling, cleaned to E.164 and refused if it may not be called."""

    default_error_messages = {"required": NumberRefused.message}
    widget = forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"})

    def __init__(self, *, max_length: int = 40, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)

    @sensitive_variables()
    def clean(self, value: Any) -> str:
        """Return the number in E.164."""
        text = super().clean(value)
        try:
            return parse_number(text) if text else ""
        except NumberRefused as error:
            raise ValidationError(str(error), code=error.code) from error


class CodeInput(forms.PasswordInput):
    """Does not echo what was typed: a code belongs into no page, the right one least of all."""

    input_type = "text"


class CodeField(forms.CharField):
    """The code, or the whole number that called: one field, with the spaces people paste."""

    default_error_messages = {"required": _("Enter the digits.")}
    # No pattern: what is a code is decided in one place, which says more than a browser would.
    widget = CodeInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"})

    def __init__(self, *, max_length: int = 64, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)


class StartForm(forms.Form):
    """Has a number called; once it is valid, ``verification`` is there.

    ``key`` makes one click one call: the same form sent twice is one verification. Where to go
    afterwards is ``next_url``, by default the ``next`` of the request if it is on this site.
    """

    key = forms.UUIDField(widget=forms.HiddenInput, required=False)

    purpose: str
    #: The page that takes the form, wherever it is shown.
    url_name: str
    #: The field that names whom to call.
    subject: str
    verification: Verification

    def __init__(
        self, request: HttpRequest, *args: Any, next_url: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.next_url = door.wanted_url(request) if next_url is None else next_url
        self.fields["key"].initial = uuid4

    @property
    def action(self) -> str:
        """The address of the page that takes the form."""
        return reverse(self.url_name)

    def number_of(self, subject: Any) -> str:
        """Return the number, in E.164, that ``subject`` names."""
        raise NotImplementedError

    def subject_of(self, phone: Phone) -> str:
        """Return what names ``phone`` in this form."""
        raise NotImplementedError

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Have the number called, unless this browser's last call to it is still good."""
        cleaned = super().clean() or self.cleaned_data
        if "key" in self.errors:
            self._renew_key()
        if not self.errors:
            try:
                number = self.number_of(cleaned[self.subject])
                self.verification = self._pending(number) or self._start(number, cleaned["key"])
            except FlashCallError as error:
                self._refuse(error)
            else:
                door.remember(self.request, self.verification.key, next_url=self.next_url)
        return cleaned

    def visitor(self) -> Visitor:
        """Return who asks."""
        return door.visitor_of(self.request)

    @sensitive_variables()
    def _start(self, number: str, key: UUID | None) -> Verification:
        door.admit(self.request, door="start")
        # SECURITY: the page's address shows the verification's key, and must not give away the
        # form's, with which another browser could take the verification over.
        key = uuid5(key, "verification") if key else None
        return services.start_verification(
            number, purpose=self.purpose, visitor=self.visitor(), key=key
        )

    @sensitive_variables()
    def _pending(self, number: str) -> Verification | None:
        keys = door.remembered_keys(self.request)
        if not keys:
            return None
        pending = Verification.objects.open(now=timezone.now()).filter(
            key__in=keys, phone__number=number, purpose=self.purpose
        )
        return pending.select_related("phone").order_by("-pk").first()

    def _renew_key(self) -> None:
        fresh = {self.add_prefix("key"): str(uuid4())}
        self.data = {**{name: self.data[name] for name in self.data}, **fresh}

    def _refuse(self, error: FlashCallError) -> None:
        if isinstance(error, KeyReused):
            self._renew_key()
        field = self.subject if isinstance(error, NumberRefused) else None
        self.add_error(field, ValidationError(str(error), code=error.code))


class PhoneForm(StartForm):
    """Takes a number and has it called, to log in."""

    number = NumberField(label=_("Phone number"))

    purpose = Purpose.LOGIN
    url_name = "django_flashcall:login"
    subject = "number"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["number"]
        field.widget.attrs.setdefault("placeholder", example_number())
        if len(get_settings().REGIONS) > 1:
            field.help_text = AMBIGUOUS % {"example": example_numbers()}

    @sensitive_variables()
    def number_of(self, subject: Any) -> str:
        """Return what was typed, which is clean already."""
        return str(subject)

    def subject_of(self, phone: Phone) -> str:
        """Return the number as people write it."""
        return phone.display


class CodeForm(forms.Form):
    """Takes the digits; after a right code ``get_user()`` is who may be logged in."""

    code = CodeField(label=_("Code"))

    def __init__(
        self, request: HttpRequest, *args: Any, verification: Verification, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.verification = verification
        self.user: AbstractBaseUser | None = None

    @sensitive_variables()
    def clean_code(self) -> str:
        """Check the code, at the price of one check unless it is malformed."""
        code: str = self.cleaned_data["code"]
        try:
            self._refuse_other_browser()
            door.admit(self.request, door="check")
            services.check_code(self.verification, code, visitor=self.visitor())
        except FlashCallError as error:
            raise ValidationError(str(error), code=error.code) from error
        return code

    def visitor(self) -> Visitor:
        """Return who types."""
        return door.visitor_of(self.request)

    def _refuse_other_browser(self) -> None:
        # SECURITY: a code typed in another browser than the one that asked is worth nothing.
        if not door.remembers(self.request, self.verification.key):
            raise VerificationEnded()

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Use the approval up, once the code was right."""
        cleaned = super().clean() or self.cleaned_data
        if "code" in cleaned:
            try:
                self.finish()
            except FlashCallError as error:
                raise ValidationError(str(error), code=error.code) from error
        return cleaned

    def finish(self) -> None:
        """Do what the code was asked for: find the user who may be logged in."""
        if self.verification.purpose != Purpose.LOGIN:
            return
        # SECURITY: the code itself never goes to authenticate(), whose signal shows it.
        self.user = authenticate(self.request, verification=self.verification)
        if self.user is None:
            raise self.verification.refusal or LoginRefused()
        notes.mark_proof(self.request)

    def get_user(self) -> AbstractBaseUser | None:
        """Return who proved to own the number; ``None`` before that."""
        return self.user
