"""Triggers that keep history as it was written."""

import pgtrigger


def append_only(name: str) -> list[pgtrigger.Trigger]:
    """Triggers that refuse UPDATE, DELETE and TRUNCATE of a table."""
    return [
        pgtrigger.Protect(name=f"{name}_no_change", operation=pgtrigger.Update | pgtrigger.Delete),
        _no_truncate(name),
    ]


def frozen_once(name: str, finished: str) -> list[pgtrigger.Trigger]:
    """Triggers that refuse DELETE and TRUNCATE always, and UPDATE once the column `finished` is set."""
    return [
        pgtrigger.Protect(
            name=f"{name}_no_change",
            operation=pgtrigger.Update,
            condition=pgtrigger.Q(**{f"old__{finished}__isnull": False}),
        ),
        pgtrigger.Protect(name=f"{name}_no_delete", operation=pgtrigger.Delete),
        _no_truncate(name),
    ]


def _no_truncate(name: str) -> pgtrigger.Trigger:
    return pgtrigger.Trigger(
        name=f"{name}_no_truncate",
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        operation=pgtrigger.Truncate,
        func="RAISE EXCEPTION 'pgtrigger: Cannot truncate rows from % table', TG_TABLE_NAME;",
    )
