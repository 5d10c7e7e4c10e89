from __future__ import annotations

import re

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from django_flashcall.simulator.exchange import Call
from django_flashcall.simulator.protocol import Kind

register = template.Library()


@register.filter
def spelled(number: str) -> str:
    """Format a number as people write it: ``+7 495 123-45-67``."""
    return re.sub(r"^\+7(\d{3})(\d{3})(\d\d)(\d\d)$", r"+7 \1 \2-\3-\4", f"+{number}")


@register.simple_tag
def calling_number(call: Call) -> SafeString:
    """Format the calling number, and mark the digits that are the code of a flash call."""
    number = spelled(call.calling_number)
    if call.kind is not Kind.FLASH_CALL:
        return format_html("{}", number)
    last = [match.start() for match in re.finditer(r"\d", number)][-len(call.code)]
    return format_html("{}<mark>{}</mark>", number[:last], number[last:])
