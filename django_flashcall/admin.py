"""Registers the admin pages, which are in ``panel``."""

from __future__ import annotations

from django.contrib import admin

from .models import Phone, Price, Usage, Verification
from .panel.phones import PhoneAdmin
from .panel.prices import PriceAdmin, UsageAdmin
from .panel.verifications import VerificationAdmin

admin.site.register(Verification, VerificationAdmin)
admin.site.register(Phone, PhoneAdmin)
admin.site.register(Price, PriceAdmin)
admin.site.register(Usage, UsageAdmin)
