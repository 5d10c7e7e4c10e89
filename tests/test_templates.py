"""The templates: translatable, free of inline code, accessible, and open to a site's changes."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import django_flashcall
from django_flashcall import simulator
from tests.browser import Browser, Page
from tests.constants import LOGIN, NUMBER, Clock, Outbox
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


PACKAGE = Path(str(django_flashcall.__file__)).parent


OURS = sorted((PACKAGE / "templates").rglob("*.html"))


ALL = [*OURS, *sorted((Path(str(simulator.__file__)).parent / "templates").rglob("*.html"))]


PAGES = ["number.html", "code.html", "csrf_failure.html"]


COMMENT = re.compile(r"{% comment %}.*?{% endcomment %}|{#.*?#}", re.DOTALL)


TRANSLATED = re.compile(r"{% blocktranslate.*?{% endblocktranslate %}", re.DOTALL)


TEMPLATE_CODE = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)


ELEMENT = re.compile(r"<[^>]*>", re.DOTALL)


READ_ALOUD = re.compile(r'\b(?:title|alt|placeholder|aria-label|aria-description)="[^"]*[^\W\d_]')


def name_of(template: Path) -> str:
    """Name a template in a test's id."""
    return template.name


def source_of(template: Path) -> str:
    """Return what a template says besides comments."""
    return COMMENT.sub("", template.read_text(encoding="utf-8"))


def blocks_of(*pages: str) -> list[str]:
    """Return the names of the blocks of a page and of what it extends, its frame among them."""
    folder = PACKAGE / "templates/django_flashcall"
    sources = [
        (folder / name).read_text(encoding="utf-8") for name in ("base.html", "page.html", *pages)
    ]
    return sorted(set(re.findall(r"{% block (\w+) %}", "".join(sources))))


@pytest.fixture
def site_templates(tmp_path: Path, settings: Any) -> Path:
    """Return the folder of the site's own templates, which come before ours."""
    templates = copy.deepcopy(settings.TEMPLATES)
    templates[0]["DIRS"] = [tmp_path]
    settings.TEMPLATES = templates
    (tmp_path / "django_flashcall").mkdir()
    return tmp_path / "django_flashcall"


def override(template: Path, *, block: str) -> None:
    """Write a template of the site's that changes one block of ours of the same name."""
    template.write_text(
        f'{{% extends "django_flashcall/{template.name}" %}}'
        f"{{% block {block} %}}from the site{{% endblock %}}"
    )


def shown_pages(browser: Browser, outbox: Outbox, clock: Clock) -> Iterator[Page]:
    """Walk through all pages and states of a page."""
    yield browser.open(LOGIN)
    yield browser.ask("12")
    yield browser.ask(NUMBER)
    yield browser.press("Call again")
    yield browser.answer("12")
    clock.shift(timedelta(seconds=60))
    yield browser.press("Get the code by voice call")
    clock.shift(timedelta(seconds=120))
    yield browser.press("Send an SMS")
    clock.shift(timedelta(minutes=11))
    yield browser.open(browser.url)


class TestSources:
    def test_the_templates_are_found(self) -> None:
        assert {path.name for path in OURS} >= {"base.html", "phone_form.html", *PAGES}

    @pytest.mark.parametrize("template", OURS, ids=name_of)
    def test_every_text_can_be_translated(self, template: Path) -> None:
        source = TEMPLATE_CODE.sub("", TRANSLATED.sub("", source_of(template)))

        assert re.findall(r"[^\W\d_]{2,}", ELEMENT.sub("", source)) == []
        assert READ_ALOUD.findall(source) == []

    @pytest.mark.parametrize("template", ALL, ids=name_of)
    def test_no_template_holds_inline_code(self, template: Path) -> None:
        source = source_of(template)

        assert re.findall(r"<script(?![^>]*\bsrc=)", source) == []
        assert re.findall(r"<style|\bstyle=|\son\w+\s*=|javascript:", source, re.IGNORECASE) == []

    @pytest.mark.parametrize("template", ALL, ids=name_of)
    def test_no_template_fetches_from_another_site(self, template: Path) -> None:
        assert re.findall(r"(?:src|href|action)=\"(?:https?:)?//", source_of(template)) == []

    @pytest.mark.parametrize("template", ALL, ids=name_of)
    def test_nothing_is_trusted_to_be_safe_html(self, template: Path) -> None:
        assert re.findall(r"\|\s*safe|autoescape off", source_of(template)) == []

    @pytest.mark.parametrize("template", PAGES)
    def test_every_page_extends_the_base(self, template: str) -> None:
        folder = PACKAGE / "templates/django_flashcall"
        source, page = (
            (folder / name).read_text(encoding="utf-8") for name in (template, "page.html")
        )

        assert source.startswith('{% extends "django_flashcall/page.html" %}')
        assert page.startswith('{% extends "django_flashcall/base.html" %}')


class TestBlocks:
    @pytest.mark.parametrize("block", blocks_of("number.html", "login.html"))
    def test_a_site_replaces_any_block_of_the_login_page(
        self, block: str, browser: Browser, site_templates: Path
    ) -> None:
        override(site_templates / "login.html", block=block)

        assert browser.open(LOGIN).html.count("from the site") == 1

    @pytest.mark.parametrize("block", blocks_of("code.html"))
    def test_a_site_replaces_any_block_of_the_code_page(
        self, block: str, browser: Browser, site_templates: Path
    ) -> None:
        override(site_templates / "code.html", block=block)

        assert browser.ask(NUMBER).html.count("from the site") == 1

    def test_a_site_gives_all_pages_its_own_frame(
        self, browser: Browser, site_templates: Path
    ) -> None:
        (site_templates / "base.html").write_text(
            "<html><head><title>Site: {% block title %}{% endblock %}</title></head>"
            "<body>{% block content %}{% endblock %}</body></html>"
        )

        assert browser.open(LOGIN).title == "Site: Log in by phone"
        assert browser.ask("12").title == "Site: Error: Log in by phone"
        assert browser.ask(NUMBER).title == "Site: Enter the digits"
        assert "Continue" in browser.page.buttons

    def test_blocks_of_the_sites_own_base_are_left_alone(
        self, browser: Browser, site_templates: Path
    ) -> None:
        names = ["heading", "form", "status", "help", "contact"]
        own = "".join(
            f"<p>{{% block {name} %}}the site's {name}{{% endblock %}}</p>" for name in names
        )
        (site_templates.parent / "own_base.html").write_text(
            "<html><head><title>{% block title %}{% endblock %}</title></head>"
            f"<body>{{% block main %}}{{% endblock %}}{own}</body></html>"
        )
        (site_templates / "base.html").write_text(
            '{% extends "own_base.html" %}'
            "{% block main %}{% block content %}{% endblock %}{% endblock %}"
        )

        for page in (browser.open(LOGIN), browser.ask(NUMBER)):
            assert [page.text.count(f"the site's {name}") for name in names] == [1] * len(names)
            assert len([form for form in page.forms if {"number", "code"} & {*form.fields}]) == 1

    def test_other_ways_in_are_offered_to_who_logs_in_and_to_nobody_else(
        self, browser: Browser, site_templates: Path
    ) -> None:
        override(site_templates / "login.html", block="alternatives")

        assert "from the site" in browser.open(LOGIN).text
        browser.client.force_login(UserFactory())
        assert "from the site" not in browser.open("/phone/confirm/").text


class TestMarkup:
    def test_every_page_is_sound(self, browser: Browser, outbox: Outbox, clock: Clock) -> None:
        for page in shown_pages(browser, outbox, clock):
            ids = page.ids
            assert page.elements("html", lang="en")
            assert page.title
            assert len(page.elements("h1")) == 1
            assert len(page.elements("main")) == 1
            assert sorted(ids) == sorted(set(ids)), "an id is there twice"
            assert {attributes["for"] for attributes in page.elements("label")} <= set(ids)

    def test_every_input_that_is_seen_has_a_label(
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        for page in shown_pages(browser, outbox, clock):
            labelled = [attributes["for"] for attributes in page.elements("label")]
            seen = [one["id"] for one in page.elements("input") if one.get("type") != "hidden"]
            assert seen == labelled

    def test_every_description_is_on_the_page(
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        for page in shown_pages(browser, outbox, clock):
            for _, attributes in page.tags:
                for word in ("aria-describedby", "aria-labelledby"):
                    assert set(attributes.get(word, "").split()) <= set(page.ids)

    def test_every_way_through_the_page_ends_somewhere(
        self, browser: Browser, outbox: Outbox, clock: Clock
    ) -> None:
        for page in shown_pages(browser, outbox, clock):
            targets = [one["href"].removeprefix("#") for one in page.elements("a")]
            assert set(targets) <= set(page.ids)
            assert page.buttons


class TestErrors:
    def test_a_page_without_mistakes_is_not_titled_an_error(self, browser: Browser) -> None:
        assert browser.open(LOGIN).title == "Log in by phone"
        assert browser.ask(NUMBER).title == "Enter the digits"
        assert not browser.page.elements("div", role="alert")

    @pytest.mark.parametrize("mistake", ["number", "code", "channel"])
    def test_a_mistake_is_named_in_the_title_and_summed_up_above(
        self, mistake: str, browser: Browser
    ) -> None:
        browser.ask("12" if mistake == "number" else NUMBER)
        if mistake == "code":
            browser.answer("12")
        if mistake == "channel":
            browser.press("Call again")

        assert browser.page.title.startswith("Error: ")
        [summary] = browser.page.elements("div", role="alert")
        assert summary["tabindex"] == "-1"

    def test_a_mistake_in_the_number_is_tied_to_its_input(self, browser: Browser) -> None:
        attributes = browser.ask("12").input("number")

        assert attributes["aria-invalid"] == "true"
        assert attributes["aria-describedby"].split() == ["id_number_error"]
        assert browser.page.elements("a", href="#id_number")

    def test_a_mistake_in_the_code_is_tied_to_its_input_beside_the_hint(
        self, browser: Browser
    ) -> None:
        browser.ask(NUMBER)

        attributes = browser.answer("12").input("code")

        assert attributes["aria-invalid"] == "true"
        assert attributes["aria-describedby"].split() == ["id_code_helptext", "id_code_error"]
        assert browser.page.elements("a", href="#id_code")


class TestTexts:
    def test_the_inputs_suit_a_telephone(self, browser: Browser) -> None:
        number = browser.open(LOGIN).input("number")
        code = browser.ask(NUMBER).input("code")

        assert (number["type"], number["autocomplete"]) == ("tel", "tel")
        assert code["type"] == "text"
        assert (code["inputmode"], code["autocomplete"]) == ("numeric", "one-time-code")
        assert int(code["maxlength"]) >= 20  # a whole number with its spaces

    def test_the_code_is_labelled_by_what_it_is(
        self, browser: Browser, clock: Clock, flashcall: Any
    ) -> None:
        flashcall(CODE_LENGTH=5)
        assert "the last 5 digits" in browser.open(LOGIN).text
        assert "Last 5 digits of the calling number" in browser.ask(NUMBER).text
        clock.shift(timedelta(seconds=60))

        page = browser.press("Get the code by voice call")

        assert "digits of the calling number" not in page.text

    def test_the_login_page_says_beforehand_what_will_happen(self, browser: Browser) -> None:
        assert "You don't need to answer." in browser.open(LOGIN).text

    def test_the_code_page_warns_of_those_who_ask_for_the_digits(self, browser: Browser) -> None:
        assert "Never share these digits with anyone." in browser.ask(NUMBER).text

    def test_the_page_counts_down_and_says_the_time_for_those_without_javascript(
        self, browser: Browser, clock: Clock
    ) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(seconds=18))

        page = browser.open(browser.url)

        [wait] = page.elements("p", **{"data-flashcall-wait": "42"})
        assert "You can ask again after 12:01." in page.text
        assert "role" not in wait  # a clock that is read aloud each second is a torment
        # There from the beginning, and empty: what changes in it is read aloud.
        [ready] = page.elements("p", role="status")
        assert ready["data-flashcall-text"] == "You can ask again now."

    def test_after_the_wait_nothing_is_said_about_it(self, browser: Browser, clock: Clock) -> None:
        browser.ask(NUMBER)
        clock.shift(timedelta(seconds=61))

        assert "You can ask again after" not in browser.open(browser.url).text


class TestEscaping:
    def test_a_page_from_right_to_left_says_so(self, browser: Browser) -> None:
        page = browser.open(LOGIN, **{"accept-language": "ar"})

        assert page.elements("html", lang="ar", dir="rtl")

    @pytest.mark.parametrize("text", ["<b>12", '"><script>alert(1)</script>'])
    def test_what_was_typed_is_never_html(self, text: str, browser: Browser) -> None:
        page = browser.ask(text)

        assert page.input("number")["value"] == text
        assert text not in page.html

    def test_a_page_works_for_who_is_logged_in_already(
        self, browser: Browser, outbox: Outbox
    ) -> None:
        browser.client.force_login(UserFactory(), backend="django_flashcall.backends.PhoneBackend")
        browser.ask(NUMBER)

        assert browser.answer(outbox[0].code).text.startswith("welcome phone-")

    def test_numbers_for_the_script_are_written_for_it(
        self, browser: Browser, clock: Clock, flashcall: Any, settings: Any
    ) -> None:
        settings.USE_THOUSAND_SEPARATOR = True
        flashcall(
            COOLDOWNS=[timedelta(minutes=20)],
            CODE_LIFETIME=timedelta(minutes=1),
            VERIFICATION_LIFETIME=timedelta(minutes=1),
        )

        browser.ask(NUMBER)
        clock.shift(timedelta(minutes=2))
        page = browser.open(browser.url)

        assert page.elements("p", **{"data-flashcall-wait": "1080"})
