"""The pages: a number is typed, the digits are typed, and the visitor is in.

They hold no rules. What may be done is decided in ``services``; here it is asked for and shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import ceil
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from . import door, limits, notes, services
from .clock import clock_time, end_time
from .conf import get_login_redirect, get_session_cookie, get_settings
from .decorators import NonAtomicMixin
from .door import Visitor
from .exceptions import FlashCallError, LoginRefused
from .forms import CodeForm, PhoneForm, StartForm
from .models import Verification, VerificationAttempt
from .words import AttemptStatus, Channel, Purpose, VerificationStatus

guarded = method_decorator(
    [sensitive_post_parameters("number", "code"), csrf_protect, never_cache], name="dispatch"
)
public = method_decorator(login_not_required, name="dispatch")

#: The states in which nothing came of the call; a pending one may have no channel left, and an
#: approved one was not used, should the process have died meanwhile.
ENDED = ("pending", "expired", "exhausted", "approved")

METHODS = ["get", "head", "post", "options"]


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say what to do where Django finds a form forged: for ``CSRF_FAILURE_VIEW``.

    Mostly it is not: somebody logged in in another tab, or the browser keeps no cookies.
    """
    context = {"path": request.get_full_path()}
    return render(request, "django_flashcall/csrf_failure.html", context, status=403)


@public
@guarded
class LoginView(NonAtomicMixin, RedirectURLMixin, FormView):
    """Asks for the number, and has it called."""

    form_class: type[StartForm] = PhoneForm
    code_url_name = "django_flashcall:code"
    template_name = "django_flashcall/login.html"
    http_method_names: Sequence[str] = METHODS
    redirect_authenticated_user = False

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form; who is logged in already may be sent on."""
        if self.redirect_authenticated_user and request.user.is_authenticated:
            return HttpResponseRedirect(self.get_success_url())
        return super().get(request, *args, **kwargs)

    def get_initial(self) -> dict[str, Any]:
        """Keep the number of a call that opened nothing yet: asking again is one click."""
        latest = Verification.objects.filter(
            key__in=door.remembered_keys(self.request)[-1:],
            purpose=self.form_class.purpose,
            status=VerificationStatus.PENDING,
        )
        kept = latest.select_related("phone").first()
        number = {"number": kept.phone.display} if kept else {}
        return {**super().get_initial(), **number}

    def get_form_kwargs(self) -> dict[str, Any]:
        """Give the form what it needs to have the number called."""
        kwargs = super().get_form_kwargs()
        return {**kwargs, "request": self.request, "next_url": self.get_redirect_url()}

    def form_valid(self, form: StartForm) -> HttpResponse:
        """Go to the page that takes the code."""
        return redirect(self.code_url_name, form.verification.key)

    def get_default_redirect_url(self) -> str:
        """Return where a visitor goes who named no page."""
        return resolve_url(self.next_page or get_login_redirect())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add where the visitor wants to go, and what will happen."""
        config = get_settings()
        return super().get_context_data(
            **kwargs,
            **{self.redirect_field_name: self.get_redirect_url()},
            is_lost="lost" in self.request.GET,
            channel=services.expected_channel(now=timezone.now()),
            code_length=config.CODE_LENGTH,
        )


@public
@guarded
class CodeView(NonAtomicMixin, RedirectURLMixin, FormView):
    """Says who is called and how, takes the code, and offers what else can be done.

    It shows only what this browser began; to any other the page does not exist, and it starts
    again. Beside the code it takes ``channel`` (call again that way) and ``cancel``.
    """

    form_class: type[CodeForm] = CodeForm
    #: Has the same number called again once this call is over.
    start_form_class: type[StartForm] = PhoneForm
    template_name = "django_flashcall/code.html"
    start_url_name = "django_flashcall:login"
    code_url_name = "django_flashcall:code"
    http_method_names: Sequence[str] = METHODS
    purpose: str = Purpose.LOGIN
    #: In full for who has typed the number, else masked.
    shows_number = True
    verification: Verification

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Find the verification that this browser began; without one start again."""
        verification = self.find_verification(kwargs["key"])
        if verification is None:
            return self.start_again(request)
        self.verification = verification
        if not self._attempts:
            return self.start_again(request)  # purged meanwhile
        if verification.consumed_at and request.user.is_authenticated:
            return HttpResponseRedirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)

    def start_again(self, request: HttpRequest) -> HttpResponse:
        """Send a stranger to the login page, and whoever clicked twice to where they are now.

        The second click of a login comes with the cookie of the session that ended with the first.
        Django would delete it, and with it the new session of the same name.
        """
        if request.method != "POST":
            return redirect(f"{reverse(self.start_url_name)}?lost")
        request.COOKIES.pop(get_session_cookie(), None)
        return redirect(request.path)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check a code, call again, or give up; the same click again does nothing."""
        if "cancel" in request.POST:
            return self.cancel()
        if self._was_answered():
            return self.here()
        if "channel" in request.POST:
            return self.resend(request.POST["channel"])
        return super().post(request, *args, **kwargs)

    def here(self) -> HttpResponse:
        """Show the page: what was posted to it is done, and reloading it does nothing again."""
        return redirect(self.code_url_name, self.verification.key)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        """Log in, and go where the visitor wanted to."""
        success_url = self.get_success_url()
        if user := form.get_user():
            login(self.request, user)  # type: ignore[arg-type]  # any user model
        return self.trusting(HttpResponseRedirect(success_url))

    def trusting(self, response: HttpResponse) -> HttpResponse:
        """Give this browser quotas of its own, so that strangers do not keep the owner out."""
        door.trust(self.request, response, phone_id=self.verification.phone_id)
        return response

    def form_invalid(self, form: CodeForm) -> HttpResponse:
        """Show what is wrong; a right code that opened no account has a hook of its own."""
        if self.verification.refusal:
            return self.login_refused(form, self.verification.refusal)
        return super().form_invalid(form)

    def login_refused(self, form: CodeForm, refusal: LoginRefused) -> HttpResponse:
        """Say so; a site may ask for a second proof here instead, as ``refusal.code`` wants it."""
        return super().form_invalid(form)

    def resend(self, channel: str) -> HttpResponse:
        """Have the number called again, or say on the page why there is no further call."""
        try:
            door.admit(self.request, door="start")
            services.resend(self.verification, visitor=self.visitor(), channel=channel)
        except FlashCallError as error:
            self.verification.refresh_from_db(fields=["attempt_count"])
            if not self._was_answered():
                notes.tell(self.request, str(error), page=self.request.path)
        return self.here()

    def visitor(self) -> Visitor:
        """Return who asks."""
        return self.unbound().visitor()

    def cancel(self) -> HttpResponse:
        """Give the verification up, and ask for a number again, to go where one wanted to."""
        if self.verification.state(now=timezone.now()) == "pending":
            services.cancel(self.verification)
        return redirect(door.way_to(self.start_url_name, next_url=self.get_redirect_url()))

    def unbound(self) -> CodeForm:
        """Return the form without what was posted to another button."""
        form = self.form_class(self.request, verification=self.verification)
        return self.describe(form)

    def get_form(self, form_class: type[CodeForm] | None = None) -> CodeForm:
        """Say at the input what belongs into it."""
        return self.describe(super().get_form(form_class))

    def describe(self, form: CodeForm) -> CodeForm:
        """Name the input of ``form`` after what the latest call brings."""
        _describe(form.fields["code"], self._attempts[-1])
        return form

    def find_verification(self, key: UUID) -> Verification | None:
        """Return the verification with this key, if this browser began it."""
        if not door.remembers(self.request, key):
            return None
        verifications = Verification.objects.select_related("phone")
        return verifications.filter(key=key, purpose=self.purpose).first()

    def get_form_kwargs(self) -> dict[str, Any]:
        """Give the form what it needs to check the code."""
        kwargs = super().get_form_kwargs()
        return {**kwargs, "request": self.request, "verification": self.verification}

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Return where the visitor wanted to go, as it was judged when the number was typed."""
        return door.next_url_of(self.request, self.verification.key)

    def get_default_redirect_url(self) -> str:
        """Return where a visitor goes who named no page."""
        return resolve_url(self.next_page or get_login_redirect())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what is known of the call, and what can be done next."""
        now = timezone.now()
        state = self.verification.state(now=now)
        attempts, phone = self._attempts, self.verification.phone
        free_at = self._free_channels(now=now) if state == "pending" else {}
        ringing = [one for one in attempts if _may_still_ring(one, now=now)]
        until = max((one.expires_at for one in ringing), default=now)
        expects_code = state == "pending" and bool(ringing)
        is_over = state in ENDED and not (expects_code or free_at)
        return super().get_context_data(
            **kwargs,
            **(self._over(now=now) if is_over else self._waiting(free_at.values(), now=now)),
            verification=self.verification,
            refusal=notes.told(self.request, page=self.request.path),
            number=phone.display if self.shows_number else phone.masked,
            shows_number=self.shows_number,
            attempt=attempts[-1],
            state=state,
            expects_code=expects_code,
            code_until=until,
            code_time=end_time(until),
            channels=list(free_at),
            has_other_way=any(channel != attempts[-1].channel for channel in free_at),
            now=now,
        )

    def _waiting(self, free_at: Iterable[datetime], *, now: datetime) -> dict[str, Any]:
        """Say when something can be asked for again."""
        retry_at = min(free_at, default=now)
        wait = retry_at - now
        return {
            "retry_at": retry_at,
            "retry_time": clock_time(retry_at),
            "wait_seconds": ceil(wait.total_seconds()),
            "is_soon": wait <= limits.HOUR,
        }

    @cached_property
    def _attempts(self) -> list[VerificationAttempt]:
        attempts = list(self.verification.attempts.all())
        if any(attempt.status == AttemptStatus.REQUESTED for attempt in attempts):
            services.sweep_attempts()
            attempts = list(self.verification.attempts.all())
        return attempts

    def _free_channels(self, *, now: datetime) -> dict[Channel, datetime]:
        """Return by which channels there can be another call in time, and from when on."""
        if not self.verification.attempts_left:
            return {}
        channels = services.available_channels(self.verification)
        usable = self.verification.expires_at - limits.USABLE
        free_at = limits.free_at(
            self.verification.phone, channels=channels, now=now, device=self.verification.device
        )
        return {Channel(name): at for name, at in free_at.items() if at < usable}

    def _over(self, *, now: datetime) -> dict[str, Any]:
        """Offer a new start with the same number: nobody has to type it again."""
        form = self.start_form_class(self.request, next_url=self.get_redirect_url())
        phone, device = self.verification.phone, self.verification.device
        channels = services.starting_channels()
        free_at = limits.free_at(phone, channels=channels, now=now, device=device)
        checks_at = limits.checks_free_at(phone, now=now, device=device)
        return {
            **self._waiting([max(min(free_at.values(), default=now), checks_at)], now=now),
            "again_form": form,
            "again_url": reverse(self.start_url_name),
            "again_subject": form.subject_of(phone),
            "channel": services.expected_channel(now=now),
            "code_length": get_settings().CODE_LENGTH,
        }

    def _was_answered(self) -> bool:
        """Tell whether the page that was posted knew of fewer calls, or checks, than there are."""
        now = {
            "attempt_count": str(self.verification.attempt_count),
            "checks": str(self.verification.checks),
        }
        return any(self.request.POST.get(name, count) != count for name, count in now.items())


def _may_still_ring(attempt: VerificationAttempt, *, now: datetime) -> bool:
    """Tell whether a code can come, or has come, that would be accepted."""
    return attempt.is_live(now=now) or attempt.status == AttemptStatus.REQUESTED


def _describe(field: forms.Field, attempt: VerificationAttempt) -> None:
    """Say at the input what belongs into it."""
    if attempt.channel == Channel.FLASH_CALL:
        label = ngettext(
            "Last %d digit of the calling number",
            "Last %d digits of the calling number",
            attempt.code_length,
        )
        field.label = label % attempt.code_length
        field.help_text = _("The call may be over already: look among the missed calls.")
