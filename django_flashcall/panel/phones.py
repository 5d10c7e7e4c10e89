"""Admin pages of phone numbers: block, unblock, release and distrust them."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ..accounts import release_numbers
from ..databases import non_atomic, repeat_on_deadlock
from ..models import Phone
from .columns import NumberColumn, ReadOnly


class PhoneAdmin(ReadOnly, NumberColumn):
    """Phone numbers, with actions."""

    columns = ["user", "verified_at", "last_attempt_at", "blocked_at"]
    details = [
        "user",
        "created_at",
        "verified_at",
        "added_at",
        "released_at",
        "trusted_since",
        "last_attempt_at",
        "blocked_at",
    ]
    number_field = "number"
    ordering = ["-pk"]
    list_filter = [("blocked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["number"]
    search_help_text = _("Enter a complete phone number, in any format.")
    show_full_result_count = False
    actions = ["block", "unblock", "release", "distrust"]

    @admin.display(description=_("user"))
    def masked_user(self, phone: Phone) -> str | None:
        """Return the user of the number."""
        return self.link_to_user(phone.user)

    @non_atomic  # a release has its own transactions
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the list, or run an action."""
        return super().changelist_view(request, extra_context)

    def has_block_permission(self, request: HttpRequest) -> bool:
        """Allow users with the permission to change numbers."""
        return request.user.has_perm("django_flashcall.change_phone")

    @admin.action(description=_("Block: never call these numbers"), permissions=["block"])
    def block(self, request: HttpRequest, phones: Any) -> None:
        """Refuse all calls to the chosen numbers."""
        free = list(phones.filter(blocked_at=None))
        count = repeat_on_deadlock(partial(phones.block, now=timezone.now()))
        self._log(request, free, message="Blocked.")
        text = ngettext("%d number was blocked.", "%d numbers were blocked.", count)
        self.message_user(request, text % count, messages.SUCCESS)

    @admin.action(description=_("Unblock: allow calls again"), permissions=["block"])
    def unblock(self, request: HttpRequest, phones: Any) -> None:
        """Allow calls to the chosen numbers again."""
        blocked = list(phones.exclude(blocked_at=None))
        count = repeat_on_deadlock(phones.unblock)
        self._log(request, blocked, message="Unblocked.")
        text = ngettext("%d number was unblocked.", "%d numbers were unblocked.", count)
        self.message_user(request, text % count, messages.SUCCESS)

    @admin.action(
        description=_("Release: detach these numbers from their users"), permissions=["block"]
    )
    def release(self, request: HttpRequest, phones: Any) -> None:
        """Detach the chosen numbers from their users, for example after reassignment."""
        owned = list(phones.exclude(user=None))
        count = release_numbers(phones.exclude(user=None))
        self._log(request, owned, message="Released.")
        text = ngettext("%d number was released.", "%d numbers were released.", count)
        self.message_user(request, text % count, messages.SUCCESS)

    @admin.action(
        description=_("Distrust: revoke the trusted browsers of these numbers"),
        permissions=["block"],
    )
    def distrust(self, request: HttpRequest, phones: Any) -> None:
        """Revoke the trusted browsers of the chosen numbers."""
        count = repeat_on_deadlock(partial(phones.distrust, now=timezone.now()))
        self._log(request, phones, message="Browsers distrusted.")
        text = ngettext(
            "The trusted browsers of %d number were revoked.",
            "The trusted browsers of %d numbers were revoked.",
            count,
        )
        self.message_user(request, text % count, messages.SUCCESS)

    def _log(self, request: HttpRequest, phones: Any, *, message: str) -> None:
        for phone in phones:
            self.log_change(request, phone, message)
