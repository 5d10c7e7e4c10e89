from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseServerError,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from django_flashcall.simulator import protocol
from django_flashcall.simulator.decorators import only_in_debug
from django_flashcall.simulator.exchange import Call, PlannedFault, Received, exchange
from django_flashcall.simulator.faults import ERRORS, FAULTY_NUMBERS, Fault, Refused
from django_flashcall.simulator.forms import ArrangeForm, digits_of

#: The key under which the simulator's own server passes the connection, to cut an answer off.
CONNECTION = "flashcall_simulator.connection"


@only_in_debug
@require_POST
def send(request: HttpRequest) -> HttpResponseBase:
    """Simulate ``POST /api/voice-password/send/``. Errors also have the status 200."""
    header = request.headers.get("Authorization", "")
    exchange.receive(Received(header, request.body.decode(errors="replace")))
    try:
        return _carry_out(request, header)
    except Refused as refusal:
        return JsonResponse({"result": "error", "error_code": refusal.fault.value})


def _carry_out(request: HttpRequest, header: str) -> HttpResponseBase:
    document = protocol.parse(request.body)
    key = protocol.authorise(header, document)
    order = protocol.read_order(document)
    arranged = exchange.fault_for(order)
    fault = arranged.fault if arranged else None
    if fault in ERRORS:
        raise Refused(fault)
    if fault is Fault.HTTP_500:
        return HttpResponseServerError("<h1>Internal Server Error</h1>")
    call = exchange.place(order, key=key, arrived=fault is not Fault.LOST_CALL)
    return _answer(request, call, arranged)


def _answer(request: HttpRequest, call: Call, arranged: PlannedFault | None) -> HttpResponseBase:
    answer = JsonResponse(
        {
            "result": "ok",
            "id": call.id,
            "number": call.number,
            "price": str(call.price),
            "code": call.code,
        }
    )
    if arranged and arranged.fault is Fault.SLOW:
        exchange.pause(arranged.seconds)
    if arranged and arranged.fault is Fault.LOST_ANSWER:
        return _cut_off(answer.content, request.META.get(CONNECTION))
    return answer


def _cut_off(content: bytes, connection: socket.socket | None) -> StreamingHttpResponse:
    """Answer with half of the content, then close the connection.

    Other servers do not pass the connection. With a length, they would keep it open for the rest of
    the content, so they send none, and the client gets half a JSON document.
    """

    def half() -> Iterator[bytes]:
        yield content[: len(content) // 2]
        if connection:
            connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError("The answer is cut off, as arranged.")

    response = StreamingHttpResponse(half(), content_type="application/json")
    if connection:
        response["Content-Length"] = str(len(content))
    return response


@only_in_debug
@require_safe
def handset(request: HttpRequest) -> HttpResponse:
    """Show calls and SMS, as a phone does."""
    return _handset(request, ArrangeForm())


@only_in_debug
@require_safe
def calls(request: HttpRequest) -> HttpResponse:
    """Return the part of the handset page that changes."""
    return HttpResponse(render_to_string("flashcall_simulator/calls.html", _ringing(request)))


@only_in_debug
@require_POST
def control(request: HttpRequest) -> HttpResponse:
    """Arrange a fault: ``fault``, and optionally ``number``, ``times`` and ``seconds``."""
    form = ArrangeForm(_fields(request))
    if form.is_valid():
        exchange.arrange(form.planned_fault)
        return _done(request)
    if _speaks_json(request):
        return JsonResponse({"result": "error", "errors": form.errors}, status=400)
    return _handset(request, form, status=400)


@only_in_debug
@require_POST
def reset(request: HttpRequest) -> HttpResponse:
    """Delete all calls, requests and faults."""
    exchange.reset()
    return _done(request)


def _ringing(request: HttpRequest) -> dict[str, Any]:
    number = digits_of(request.GET.get("number", ""))
    return {"calls": exchange.ringing(number), "exchange": exchange, "number": number}


def _handset(request: HttpRequest, form: ArrangeForm, status: int = 200) -> HttpResponse:
    """Render the page without the request, since context processors may need a database."""
    ringing = _ringing(request)
    context = ringing | {
        "form": form,
        "faulty_numbers": [(number, fault.label) for number, fault in FAULTY_NUMBERS.items()],
        # An invalid form must stay until it is corrected, and its URL does not accept GET.
        "paused": form.is_bound or "paused" in request.GET,
        "query": urlencode({"number": ringing["number"]} if ringing["number"] else {}),
    }
    page = render_to_string("flashcall_simulator/handset.html", context)
    return HttpResponse(page, status=status)


def _speaks_json(request: HttpRequest) -> bool:
    return request.content_type == "application/json"


def _fields(request: HttpRequest) -> Any:
    if not _speaks_json(request):
        return request.POST
    try:
        document = json.loads(request.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _done(request: HttpRequest) -> HttpResponse:
    if _speaks_json(request):
        return JsonResponse({"result": "ok"})
    return redirect("flashcall_simulator:handset")
