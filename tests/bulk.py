"""Many rows at once: copies of one row, inserted by PostgreSQL itself."""

from __future__ import annotations

from typing import Any

from django.db import connection, models


def multiply(row: models.Model, *, times: int, **values: str) -> None:
    """Insert ``times`` copies of a row; ``values`` are SQL expressions of ``n``, from 1 on."""
    fields = [field for field in row._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    chosen = ", ".join(values.get(field.attname, f'template."{field.column}"') for field in fields)
    table = f'"{row._meta.db_table}"'
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {chosen} FROM {table} AS template"  # noqa: S608
            f" CROSS JOIN generate_series(1, %s) AS n WHERE template.id = %s",
            [times, row.pk],
        )


def analyze() -> None:
    """Let PostgreSQL count the rows, as its daemon does after a while."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def plan_of(sql: str, params: Any) -> str:
    """Return how PostgreSQL would execute a statement."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", params)
        return "\n".join(line for (line,) in cursor.fetchall())
