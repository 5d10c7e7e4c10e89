"""Serve the simulator over HTTP, independently of the site's URLs and middleware."""

from __future__ import annotations

import socket
from typing import Any

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.exception import response_for_exception
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import include, path, resolve, set_urlconf
from django.utils.translation import get_language_from_request, override

from django_flashcall.simulator.views import CONNECTION

urlpatterns = [path("", include("django_flashcall.simulator.urls"))]


class SimulatorHandler(WSGIHandler):
    """Answers with the simulator's views, in the browser's language.

    It uses none of the site's middleware, which may need a session, a user, and so a database.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        pass

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        set_urlconf(__name__)
        request.urlconf = __name__
        with override(get_language_from_request(request)):
            try:
                match = resolve(request.path_info, __name__)
                response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
            except Exception as error:
                response = response_for_exception(request, error)
        if isinstance(response, HttpResponse):
            # Without a length, the connection could not be kept alive for a client's pool.
            response.setdefault("Content-Length", str(len(response.content)))
        return response


class RequestHandler(WSGIRequestHandler):
    """Passes the connection to the views, and does not log the handset's polling."""

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), CONNECTION: self.connection}

    def log_message(self, format: str, *args: Any) -> None:
        if self.command == "POST":
            super().log_message(format, *args)


class SimulatorServer(ThreadedWSGIServer):
    """Listens on ``host`` and ``port`` (0: any free one); raises ``OSError`` if it is taken."""

    def __init__(self, *, host: str, port: int) -> None:
        self._open: set[socket.socket] = set()
        super().__init__((host, port), RequestHandler)
        self.set_app(StaticFilesHandler(SimulatorHandler()))
        self.address = f"http://{host}:{self.server_port}/"
        self.api_address = f"{self.address}api/voice-password/send/"

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening, and close all connections, including pooled ones."""
        super().server_close()
        for connection in tuple(self._open):
            super().shutdown_request(connection)
