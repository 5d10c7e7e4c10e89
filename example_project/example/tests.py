"""How a site tests its phone login: ``python example_project/manage.py test example``."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.test import TestCase
from django.urls import URLPattern, reverse
from django.utils import timezone

from django_flashcall.models import Phone, Verification
from django_flashcall.testing import PhoneTestMixin

from .urls import urlpatterns

NUMBER, OTHER = "+7 999 123-45-67", "+7 999 765-43-21"
OWN = "+79991234567"
PASSWORD = "for show"


class VisitorTest(PhoneTestMixin, TestCase):
    """A visitor who does not have an account yet."""

    def test_logs_in_by_phone_and_sees_the_number(self) -> None:
        """Log in on the package's own pages, in one call."""
        self.log_in_by_phone(NUMBER)

        self.assertContains(self.client.get("/account/"), NUMBER)

    def test_logs_in_on_the_page_of_the_site(self) -> None:
        """Post to the site's own page, and read the code from the outbox."""
        code_page = self.client.post("/own-login/", {"number": NUMBER})
        self.client.post(code_page["Location"], {"code": self.outbox[-1].code})

        self.assertContains(self.client.get("/account/"), NUMBER)

    def test_is_called_once_for_a_double_click(self) -> None:
        """The form's key prevents a second call."""
        key = "6f1ed002-ab55-4d0d-9b1f-8b1d6b1f5a11"
        for _ in range(2):
            self.client.post("/own-login/", {"number": NUMBER, "key": key})

        self.assertEqual(len(self.outbox), 1)


class UserTest(PhoneTestMixin, TestCase):
    """A user who has a number."""

    def test_sees_the_secret_after_a_login_by_phone(self) -> None:
        """A login by phone is a fresh proof of the number."""
        self.log_in_by_phone(NUMBER)

        self.assertEqual(self.client.get("/secret/").status_code, 200)

    def test_is_called_before_the_secret_after_a_login_by_password(self) -> None:
        """A login by password is not a proof of the number."""
        self.client.force_login(get_user_model().objects.create_user("anna"))

        self.assertRedirects(
            self.client.get("/secret/"),
            "/phone/again/?next=%2Fsecret%2F",
            fetch_redirect_response=False,
        )
        self.assertEqual(self.outbox, [])

    def test_changes_the_number_on_pages_of_the_site(self) -> None:
        """Two of the site's own views each use a form of the package."""
        self.log_in_by_phone(NUMBER)
        code_page = self.client.post("/own-change/", {"number": OTHER})
        self.client.post(code_page["Location"], {"code": self.outbox[-1].code})

        account = self.client.get("/account/")
        self.assertContains(account, OTHER)
        self.assertNotContains(account, NUMBER)

    def test_proves_the_number_again_on_pages_of_the_site(self) -> None:
        """The user's own number is called, whatever is posted."""
        user = get_user_model().objects.create_user("anna")
        Phone.objects.create(number=OWN, user=user, verified_at=timezone.now())
        self.client.force_login(user)
        code_page = self.client.post("/own-again/", {"phone": ""})
        self.client.post(code_page["Location"], {"code": self.outbox[-1].code})

        self.assertEqual(self.client.get("/secret/").status_code, 200)

    def test_takes_the_second_step_on_pages_of_the_site(self) -> None:
        """The user enters the password, presses a button and enters the code."""
        user = get_user_model().objects.create_user("anna", password=PASSWORD)
        Phone.objects.create(number=OWN, user=user, verified_at=timezone.now())
        self.client.post("/password/", {"username": "anna", "password": PASSWORD})
        code_page = self.client.post("/own-second-step/", {"phone": ""})
        self.client.post(code_page["Location"], {"code": self.outbox[-1].code})

        self.assertIn("_auth_user_id", self.client.session)

    def test_may_choose_between_phone_and_password(self) -> None:
        """Both forms are on one page, and redirect to the same URL."""
        page = self.client.get("/password/?next=/secret/")

        self.assertContains(page, 'action="/phone/login/"')
        self.assertContains(page, 'name="next" value="/secret/"', count=2)

    def test_is_called_after_the_password(self) -> None:
        """The call is the second step for users with a number."""
        self.log_in_by_phone(NUMBER)
        user = get_user_model().objects.get()
        user.set_password(PASSWORD)
        user.save()
        self.client.logout()

        page = self.client.post("/password/", {"username": user.username, "password": PASSWORD})

        self.assertEqual(page["Location"], "/phone/second-step/?next=%2Faccount%2F")
        self.assertNotIn("_auth_user_id", self.client.session)


class SafeMethodTest(PhoneTestMixin, TestCase):
    """A browser that loads pages in advance."""

    def test_changes_nothing_on_any_page_of_the_site(self) -> None:
        """GET, HEAD and OPTIONS place no call, write no row, and end no session."""
        self.log_in_by_phone(NUMBER)
        self.client.post("/own-change/", {"number": OTHER})
        key = Verification.objects.latest("pk").key
        for page in urlpatterns:
            if isinstance(page, URLPattern):
                arguments = {"key": key} if "key" in page.pattern.converters else {}
                self.look_at(reverse(str(page.name), kwargs=arguments))

    def look_at(self, url: str) -> None:
        """Send each safe method, with what the buttons would send in the query."""
        before = self.everything()
        for method in (self.client.get, self.client.head, self.client.options):
            with self.subTest(url=url, method=method.__name__):
                method(url, query_params={"number": OTHER, "code": "1234", "cancel": "1"})
                self.assertEqual(self.everything(), before)

    def everything(self) -> list[Any]:
        """Return all rows, all calls and the session's cookie."""
        rows = [list(model._default_manager.order_by("pk").values()) for model in apps.get_models()]
        return [*rows, list(self.outbox), self.client.cookies["sessionid"].value]
