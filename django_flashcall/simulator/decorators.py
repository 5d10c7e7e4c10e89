"""The decorator of the simulator's views."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connections
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotFound
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

View = Callable[..., HttpResponseBase]


def only_in_debug(view: View) -> View:
    """Allow a view for every browser and program while ``DEBUG`` is on; otherwise respond with 404.

    The view requires no login and no CSRF token, since programs arrange faults as well. It has no
    transaction, since a slow answer must not keep one open on a database of the site.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # SECURITY: the codes of these calls log in to accounts, and anybody can read them here.
        if not settings.DEBUG:
            return HttpResponseNotFound(
                _("The simulated provider only works while DEBUG is on."),
                content_type="text/plain; charset=utf-8",
            )
        return view(request, *args, **kwargs)

    for alias in connections:
        guarded = non_atomic_requests(using=alias)(guarded)
    return never_cache(csrf_exempt(login_not_required(guarded)))
