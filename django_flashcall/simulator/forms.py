from __future__ import annotations

import re

from django import forms
from django.utils.translation import gettext_lazy as _

from django_flashcall.simulator.exchange import PlannedFault
from django_flashcall.simulator.faults import Fault


def digits_of(text: str) -> str:
    """Return a Russian number in any format as the API expects it: ``79991234567``."""
    digits = re.sub(r"[^0-9]", "", text)
    # Within Russia, people dial 8 instead of +7.
    return f"7{digits[1:]}" if re.fullmatch("8[0-9]{10}", digits) else digits


class ArrangeForm(forms.Form):
    """Arranges a fault for the next requests."""

    fault = forms.ChoiceField(label=_("What happens"), choices=Fault.choices)
    number = forms.CharField(
        label=_("Only for this number"),
        required=False,
        max_length=32,
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )
    times = forms.IntegerField(
        label=_("How many times"), required=False, initial=1, min_value=1, max_value=1000
    )
    seconds = forms.FloatField(
        label=_("Delay of a slow answer, in seconds"),
        required=False,
        initial=10,
        min_value=0,
        max_value=600,
    )

    def clean_number(self) -> str:
        """Return the digits of a number in any format."""
        return digits_of(self.cleaned_data["number"])

    @property
    def planned_fault(self) -> PlannedFault:
        """The fault that a valid form describes."""
        chosen = self.cleaned_data
        defaults = PlannedFault(Fault(chosen["fault"]))
        return PlannedFault(
            defaults.fault,
            chosen["number"],
            chosen["times"] or defaults.times,
            defaults.seconds if chosen["seconds"] is None else chosen["seconds"],
        )
