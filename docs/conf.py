"""How Sphinx builds the documentation: ``nox -s docs``."""

from __future__ import annotations

import tomllib
from pathlib import Path

import django
from django.conf import settings

# Autodoc imports the modules, and models need their apps.
settings.configure(
    SECRET_KEY="for the documentation",  # noqa: S106
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django_flashcall",
    ],
    USE_TZ=True,
)
django.setup()

PYPROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())

project = PYPROJECT["project"]["name"]
author = copyright = "django-flashcall contributors"
release = PYPROJECT["project"]["version"]

extensions = ["sphinx.ext.autodoc", "sphinx.ext.graphviz", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
templates_path: list[str] = []

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path: list[str] = []

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88

# Drawn on white, so that a dark page shows the lines, too.
graphviz_output_format = "svg"
graphviz_dot_args = [
    "-Gbgcolor=white",
    "-Gfontname=sans-serif",
    "-Nfontname=sans-serif",
    "-Nfontsize=11",
    "-Efontname=sans-serif",
    "-Efontsize=10",
]
