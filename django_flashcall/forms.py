"""Forms to log in with: one takes a phone number and calls it, the other takes the code.

Both do their work during validation, like Django's ``AuthenticationForm``, so a view of a site
needs only ``form.is_valid()`` and a redirect::

    form = PhoneForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("django_flashcall:code", form.verification.key)
"""

from __future__ import annotations

from dataclasses import replace
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
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables

from . import services
from .calls.progress import can_finish
from .choices import Channel, Purpose
from .conf import get_settings
from .exceptions import (
    FlashCallError,
    KeyReused,
    LoginRefused,
    NumberRefused,
    VerificationEnded,
)
from .limits.rates import enforce_rate
from .models import Phone, Verification, VerificationAttempt
from .phone import AMBIGUOUS, example_number, example_numbers, parse_number
from .visitors import sessions
from .visitors.browsers import browser_of, identify
from .visitors.visitor import Visitor, visitor_of


class NumberField(forms.CharField):
    """A phone number in any common format. It is cleaned to E.164, or refused."""

    default_error_messages = {"required": NumberRefused.message}
    widget = forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"})

    def __init__(self, *, max_length: int = 40, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)

    def clean(self, value: Any) -> str:
        """Return the number in E.164."""
        text = super().clean(value)
        try:
            return parse_number(text) if text else ""
        except NumberRefused as error:
            raise ValidationError(str(error), code=error.code) from error


class CodeInput(forms.PasswordInput):
    """A text input that never shows what was entered: a code must not be echoed."""

    input_type = "text"


class CodeField(forms.CharField):
    """A code, or the whole calling number, with the spaces that people paste."""

    default_error_messages = {"required": _("Enter the digits.")}
    # Without a pattern: ``codes.read_code()`` validates, with better messages than a browser's.
    widget = CodeInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"})

    def __init__(self, *, max_length: int = 64, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)


class StartForm(forms.Form):
    """Base of the forms that call a number. After validation, ``verification`` is set.

    ``key`` prevents a second call: the same form sent twice by a browser gives the same
    verification. Another browser with the same key gets its own. ``next_url`` is the URL to visit
    afterwards, by default the ``next`` of the request if it is on this site.
    """

    key = forms.UUIDField(widget=forms.HiddenInput, required=False)

    purpose: str
    #: The page that the form posts to, wherever it is shown.
    url_name: str
    verification: Verification

    # SECURITY: the arguments contain the posted data.
    @sensitive_variables()
    def __init__(
        self, request: HttpRequest, *args: Any, next_url: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        # SECURITY: hides the posted data from error reports, whatever the view does.
        request.sensitive_post_parameters = "__ALL__"  # type: ignore[attr-defined]
        self.request = request
        wanted = sessions.requested_url(request) if next_url is None else next_url
        self.next_url = sessions.bounded_url(wanted)
        self.fields["key"].initial = uuid4

    @classmethod
    def initial_for(cls, phone: Phone) -> dict[str, str]:
        """Return the initial data with which the form calls ``phone``."""
        raise NotImplementedError

    @property
    def action(self) -> str:
        """The URL that the form posts to."""
        return reverse(self.url_name)

    def number_to_call(self, cleaned: dict[str, Any]) -> str:
        """Return the number, in E.164, that the ``cleaned`` data asks for."""
        raise NotImplementedError

    # SECURITY: Django's own stack frames contain the number, so they are hidden from error
    # reports as well.
    @sensitive_variables()
    def full_clean(self) -> None:
        """Validate, with all variables hidden from error reports."""
        super().full_clean()

    def clean(self) -> dict[str, Any]:
        """Call the number, unless this browser has a pending verification for it."""
        cleaned = super().clean() or self.cleaned_data
        if "key" in self.errors:
            self._renew_key()
        if self.errors:
            return cleaned
        identify(self.request)
        try:
            number = self.number_to_call(cleaned)
            self.verification = self._pending(number) or self._start(number, cleaned["key"])
        except FlashCallError as error:
            self.add_refusal(error)
        return cleaned

    def add_refusal(self, error: FlashCallError) -> None:
        """Add ``error`` to the errors of the form."""
        if isinstance(error, KeyReused):
            self._renew_key()
        self.add_error(None, ValidationError(str(error), code=error.code))

    def visitor(self) -> Visitor:
        """Return the visitor who sent the request."""
        return visitor_of(self.request)

    def _start(self, number: str, key: UUID | None) -> Verification:
        enforce_rate(self.request, action="start")
        visitor = replace(self.visitor(), next_url=self.next_url)
        if key:
            # SECURITY: the key of the form is not secret, since a page may be cached for many. The
            # key of the verification also depends on the browser, and is in the next page's URL.
            key = uuid5(key, f"{visitor.browser} {visitor.user_id}")
        return services.start_verification(number, purpose=self.purpose, visitor=visitor, key=key)

    def _pending(self, number: str) -> Verification | None:
        visitor = self.visitor()
        begun = Verification.objects.begun_by(browser=visitor.browser, user_id=visitor.user_id)
        pending = begun.open(now=timezone.now()).filter(phone__number=number, purpose=self.purpose)
        verification = pending.select_related("phone").order_by("-pk").first()
        if verification is not None and verification.next_url != self.next_url:
            pending.filter(pk=verification.pk).update(next_url=self.next_url)
            verification.next_url = self.next_url
        return verification

    def _renew_key(self) -> None:
        fresh = {self.add_prefix("key"): str(uuid4())}
        self.data = {**{name: self.data[name] for name in self.data}, **fresh}


class PhoneForm(StartForm):
    """Takes a number and calls it, to log in."""

    number = NumberField(label=_("Phone number"))

    purpose = Purpose.LOGIN
    url_name = "django_flashcall:login"

    @sensitive_variables()
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["number"]
        field.widget.attrs.setdefault("placeholder", example_number())
        if len(get_settings().REGIONS) > 1:
            field.help_text = AMBIGUOUS % {"example": example_numbers()}

    @classmethod
    def initial_for(cls, phone: Phone) -> dict[str, str]:
        """Return the number as people write it."""
        return {"number": phone.display}

    def number_to_call(self, cleaned: dict[str, Any]) -> str:
        """Return the number that was entered."""
        return str(cleaned["number"])

    def add_refusal(self, error: FlashCallError) -> None:
        """Add a refusal of the number itself to its field."""
        if isinstance(error, NumberRefused):
            self.add_error("number", ValidationError(str(error), code=error.code))
        else:
            super().add_refusal(error)


class CodeForm(forms.Form):
    """Takes a code. After a right one, ``get_user()`` returns the user who may be logged in.

    With ``attempt``, the input has a label that says where its code is found.
    """

    code = CodeField(label=_("Code"))

    # SECURITY: the arguments contain the posted data.
    @sensitive_variables()
    def __init__(
        self,
        request: HttpRequest,
        *args: Any,
        verification: Verification,
        attempt: VerificationAttempt | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        # SECURITY: hides the posted data from error reports, whatever the view does.
        request.sensitive_post_parameters = "__ALL__"  # type: ignore[attr-defined]
        self.request = request
        self.verification = verification
        self.user: AbstractBaseUser | None = None
        self.finishes = can_finish(verification, now=timezone.now())
        if self.finishes:
            self.fields["code"].disabled, self.fields["code"].required = True, False
        if attempt and attempt.channel == Channel.FLASH_CALL:
            self._ask_for_last_digits(attempt.code_length)

    # SECURITY: Django's own stack frames contain the code, so they are hidden from error
    # reports as well.
    @sensitive_variables()
    def full_clean(self) -> None:
        """Validate, with all variables hidden from error reports."""
        super().full_clean()

    def _ask_for_last_digits(self, length: int) -> None:
        label = ngettext(
            "Last %d digit of the calling number", "Last %d digits of the calling number", length
        )
        self.fields["code"].label = label % length
        self.fields["code"].help_text = _("The call may already be over. Check your missed calls.")

    def clean_code(self) -> str:
        """Check the code, which costs one check unless it is malformed.

        After a right code whose sign-up failed, none is needed.
        """
        code: str = self.cleaned_data["code"]
        try:
            self._refuse_other_browser()
            enforce_rate(self.request, action="check")
            if not self.finishes:
                services.check_code(self.verification, code, visitor=self.visitor())
        except FlashCallError as error:
            raise ValidationError(str(error), code=error.code) from error
        return code

    def visitor(self) -> Visitor:
        """Return the visitor who sent the request."""
        return visitor_of(self.request)

    def clean(self) -> dict[str, Any]:
        """Use the approval after a right code."""
        cleaned = super().clean() or self.cleaned_data
        if "code" in cleaned:
            try:
                self.finish()
            except FlashCallError as error:
                raise ValidationError(str(error), code=error.code) from error
        return cleaned

    def finish(self) -> None:
        """Do what the code was requested for: find the user who may be logged in."""
        if self.verification.purpose != Purpose.LOGIN:
            return
        # SECURITY: the code itself is never passed to authenticate(), whose signal would reveal it.
        self.user = authenticate(self.request, verification=self.verification)
        if self.user is None:
            raise self.verification.refusal or LoginRefused()
        phone = self.verification.phone
        if self.visitor().user:
            phone.refresh_from_db(fields=["added_at"])  # the login may have added it
        sessions.mark_proof(self.request, added_at=phone.added_at)

    def get_user(self) -> AbstractBaseUser | None:
        """Return the user of the verified number; ``None`` before a right code."""
        return self.user

    def _refuse_other_browser(self) -> None:
        # SECURITY: a code is only accepted in the browser that began the verification.
        browser = browser_of(self.request)
        if browser is None or browser != self.verification.browser:
            raise VerificationEnded()
