"""Check whether a user can be created after a right code, before a call is paid for."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.auth import get_backends, get_user_model
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import FieldDoesNotExist
from django.db.models import AutoField, Field, Model, UniqueConstraint
from django.db.models.expressions import F
from django.db.models.fields import NOT_PROVIDED

from ..conf import FlashCallSettings
from .values import valid_settings

#: The longest number in E.164, with its plus.
NUMBER_LENGTH = 16

#: A number of that length, to measure the user name that is generated from it.
LONGEST_NUMBER = f"+{'9' * (NUMBER_LENGTH - 1)}"

#: The methods of backends that a site has not overridden.
KNOWN_METHODS = (
    "django_flashcall.backends.PhoneBackend.",
    "django.contrib.auth.backends.ModelBackend.",
)


def check_sign_up(**kwargs: Any) -> list[CheckMessage]:
    """Report why the user model cannot store a new user, before a call is paid for."""
    config = valid_settings()
    if config is None:
        return []  # check_settings reports it
    model = get_user_model()
    return [
        message
        for backend in phone_backends()
        if not _creates_users_itself(backend)
        for message in sign_up_messages(model, backend=backend, config=config)
    ]


def phone_backends() -> list[Any]:
    """Return the backends that log in by phone."""
    # By signature, since this module is imported before the models, which the backend needs.
    return [backend for backend in _backends() if "verification" in _parameters(backend)]


def is_shorter(field: Any, length: int) -> bool:
    """Return whether ``field`` has room for fewer than ``length`` characters."""
    return field.max_length is not None and field.max_length < length


def sign_up_messages(
    model: type[Model], *, backend: Any, config: FlashCallSettings
) -> list[CheckMessage]:
    """Return a message for each reason why ``backend`` cannot create users of ``model``."""
    if not config.SIGN_UP:
        return []
    faults = [*_name_faults(model, backend=backend, config=config)]
    faults += _login_faults(model, backend=backend, config=config)
    unset = [*_required_columns(model, config=config), *_repeated_columns(model, config=config)]
    kind = Warning if _fills_its_columns(model) else Error
    return [
        *(_error(fault, model=model) for fault in faults),
        *(_message(kind, fault, model=model) for fault in unset),
    ]


def _backends() -> list[Any]:
    try:
        return list(get_backends())
    except Exception:
        # Backends of the site are imported and created here, and each has errors of its own.
        # Django raises the same error at the first request, with a better traceback.
        return []


def _parameters(backend: Any) -> Iterable[str]:
    authenticate = getattr(backend, "authenticate", None)  # some only grant permissions
    try:
        return inspect.signature(authenticate).parameters if authenticate else ()
    except (TypeError, ValueError):
        return ()


def _creates_users_itself(backend: Any) -> bool:
    return _is_overridden(backend, "create_user") or _is_overridden(backend, "new_user")


def _is_overridden(backend: Any, name: str) -> bool:
    """Return whether a method of ``PhoneBackend`` was replaced by one of the site."""
    method: Any = getattr(type(backend), name, None)
    module, known_as = getattr(method, "__module__", ""), getattr(method, "__qualname__", "")
    return not f"{module}.{known_as}".startswith(KNOWN_METHODS)


def _name_faults(model: type[Model], *, backend: Any, config: FlashCallSettings) -> Iterator[str]:
    field = _field(model, getattr(model, "USERNAME_FIELD", ""))
    if field is None or not hasattr(model, "set_unusable_password"):
        yield "it does not derive from AbstractBaseUser"
        return
    if field.name == config.USER_PHONE_FIELD or _is_overridden(backend, "make_username"):
        return
    if not field.empty_strings_allowed:
        yield f"the field {field.name!r} cannot contain a generated user name, which is a text"
    elif is_shorter(field, length := len(backend.make_username(LONGEST_NUMBER))):
        yield (
            f"the field {field.name!r} has room for {field.max_length} characters, and a "
            f"generated user name has {length}"
        )


def _login_faults(model: type[Model], *, backend: Any, config: FlashCallSettings) -> Iterator[str]:
    if _is_overridden(backend, "may_log_in"):
        return
    is_asked = not _is_overridden(backend, "user_can_authenticate")
    if is_asked and not _initial(model, "is_active", unknown=True):
        yield "is_active is missing or false for new users, so they may not log in"
    is_staff = any(_initial(model, name, unknown=False) for name in ("is_staff", "is_superuser"))
    if is_staff and not config.ALLOW_STAFF:
        yield "new users are staff, and ALLOW_STAFF is off, so they may not log in"


def _required_columns(model: type[Model], *, config: FlashCallSettings) -> Iterator[str]:
    for field in _unset_fields(model, config=config).values():
        if field.get_default() is None and not field.null:
            yield f"the field {field.name!r} must not be null, and has no default"


def _repeated_columns(model: type[Model], *, config: FlashCallSettings) -> Iterator[str]:
    fields = _unset_fields(model, config=config)
    for names in dict.fromkeys(_unique_together(model)):
        alike = [fields[name].get_default() for name in names if name in fields]
        if len(alike) == len(names) and None not in alike:
            yield (
                f"the value of {' and '.join(map(repr, names))} must be unique, and is "
                f"{', '.join(map(repr, alike))} for all new users, so the second one is refused"
            )


def _unset_fields(model: type[Model], *, config: FlashCallSettings) -> dict[str, Any]:
    """Return the fields, by name, that are the same for all new users: nothing sets them."""
    given = {getattr(model, "USERNAME_FIELD", ""), config.USER_PHONE_FIELD, "password"}
    fields = [field for field in model._meta.concrete_fields if field.name not in given]
    return {field.name: field for field in fields if not _is_filled(field)}


def _is_filled(field: Any) -> bool:
    """Return whether the field or the database gives each row a value of its own."""
    is_link = field.remote_field is not None and getattr(field.remote_field, "parent_link", False)
    is_computed = getattr(field, "generated", False) or field.db_default is not NOT_PROVIDED
    is_now = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    is_called = field.has_default() and callable(field.default)
    is_auto = isinstance(field, AutoField) or is_link or is_computed or is_now or is_called
    return is_auto or not _is_of_django(type(field).pre_save)


def _unique_together(model: type[Model]) -> Iterator[tuple[str, ...]]:
    """Yield the names of the fields whose values together must be unique, in every row."""
    for each in (model, *model._meta.get_parent_list()):
        yield from ((field.name,) for field in each._meta.local_concrete_fields if field.unique)
        yield from (tuple(names) for names in each._meta.unique_together)
        for constraint in each._meta.constraints:
            if isinstance(constraint, UniqueConstraint) and constraint.condition is None:
                yield (*constraint.fields, *_named_in(constraint.expressions))


def _named_in(expressions: Iterable[Any]) -> Iterator[str]:
    """Yield the fields of expressions such as ``Lower("email")`` and ``F("email")``."""
    for expression in expressions:
        parts: Iterable[Any] = getattr(expression, "flatten", lambda alone=expression: [alone])()
        named: list[Any] = [part for part in parts if isinstance(part, F)]
        yield from (part.name for part in named)


def _initial(model: type[Model], name: str, *, unknown: bool) -> bool:
    """Return the value of an attribute of new users, ``unknown`` if each gets its own."""
    field = _field(model, name)
    if field is None:
        value = getattr(model, name, False)
        is_property = hasattr(value, "__get__") and not callable(value)
        return unknown if is_property else bool(value)
    return unknown if _is_filled(field) else bool(field.get_default())


def _fills_its_columns(model: type[Model]) -> bool:
    """Return whether ``save()`` is the site's own, and may set what seems to be missing."""
    return not _is_of_django(model.save)


def _is_of_django(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).startswith("django.")


def _field(model: type[Model], name: str) -> Field[Any, Any] | None:
    try:
        field = model._meta.get_field(name) if name else None
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, Field) else None


def _error(fault: str, *, model: type[Model]) -> CheckMessage:
    return _message(Error, fault, model=model)


def _message(kind: type[Any], fault: str, *, model: type[Model]) -> CheckMessage:
    message: CheckMessage = kind(
        f"No user can be created after a right code, since in {model._meta.label} {fault}.",
        hint="Change the field, or set it in new_user() of a subclass of PhoneBackend. See "
        "“Change how users are found and created” in the docs.",
        id="django_flashcall.E008" if kind is Error else "django_flashcall.W010",
    )
    return message
