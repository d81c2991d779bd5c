"""Running a migration."""

import hashlib
import re
from typing import Final

import sqlparse
from django.utils.translation import gettext as _
from sqlparse import tokens

from releases.actions import database
from releases.actions.base import NotApproved, Script, ScriptAction, StepContext
from releases.actions.explain import explain_tail, plain
from releases.actions.texts import shell_text, shown

# Statements that PostgreSQL refuses inside a transaction, and a file's own control of transactions.
_ALONE: Final = re.compile(
    r"""^(?:
        CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\b | DROP\s+INDEX\s+CONCURRENTLY\b
        | REINDEX\b.*\bCONCURRENTLY\b | REINDEX\s+(?:\(.*\)\s*)?(?:DATABASE|SYSTEM|SCHEMA)\b
        | VACUUM\b | CLUSTER\s*$ | ALTER\s+SYSTEM\b
        | (?:CREATE|DROP)\s+(?:DATABASE|TABLESPACE)\b | ALTER\s+DATABASE\b.*\bSET\s+TABLESPACE\b
        | ALTER\s+TYPE\b.*\bADD\s+VALUE\b | ALTER\s+TABLE\b.*\bDETACH\s+PARTITION\b.*\bCONCURRENTLY\b
        | (?:CREATE|ALTER|DROP)\s+SUBSCRIPTION\b
        | BEGIN\b | START\s+TRANSACTION\b | COMMIT\b | END\s*$ | ROLLBACK\b | PREPARE\s+TRANSACTION\b
        | \\(?:c|connect)\b
    )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_ERROR: Final = re.compile(r"^psql:(?P<file>[^\n]*?):(?P<line>\d+): ERROR: +(?P<error>[^\n]*)", re.MULTILINE)
_STATEMENT: Final = re.compile(r"^psql:[^\n]*?:\d+: STATEMENT: +(?P<statement>.*?)(?=^psql:|^sql: |\Z)", re.M | re.S)


class Sql(ScriptAction):
    """`psql` with a file, stopping at the first error; in one transaction where the file allows it."""

    kind = "sql"

    def script(self, context: StepContext) -> Script:
        parameters, release = context.parameters, context.deployment.release
        name, secrets = database.password(parameters)
        ours = self._is_ours(context)
        data = {
            "step_connection": database.connection(parameters),
            "step_password": name,
            "step_single": "yes" if self._single(context) else "no",
            "step_name": _file_name(parameters["file"]) if ours else "",
            "step_sql": release.migration_sql if ours else "",
            "step_file": "" if ours else parameters["file"],
            "step_shown": shown(context.planned.lines),
        }
        return Script(shell_text("machine.sh", "database.sh", "sql.sh"), data, secrets)

    def _is_ours(self, context: StepContext) -> bool:
        """The file is the release's migration. Raises NotApproved when its SQL is not the one in the plan."""
        migration = context.deployment.plan.content["release"]["migration"]
        if not migration["name"] or context.parameters["file"] != migration["name"]:
            return False
        sql = context.deployment.release.migration_sql
        if (hashlib.sha256(sql.encode()).hexdigest() if sql else "") != migration["sha256"]:
            sentence = _("The SQL of %s is not the one that was approved. Make a new deployment.")
            raise NotApproved(sentence % migration["name"])
        return True

    def _single(self, context: StepContext) -> bool:
        wanted, sql = context.parameters["transaction"], context.deployment.release.migration_sql
        return bool(wanted == "single" or (wanted == "auto" and fits_one_transaction(sql)))

    def succeeded(self, context: StepContext) -> None:
        context.evidence["file"] = context.parameters["file"]
        context.evidence["one_transaction"] = self._single(context)

    def explain(self, exit_code: int, tail: bytes) -> str:
        text = plain(tail)
        error = _ERROR.search(text)
        if error is None:
            return explain_tail(tail, exit_code)
        statement = _STATEMENT.search(text)
        words = [_("Line %(line)s: %(error)s.") % {"line": error["line"], "error": error["error"].rstrip(".")}]
        if statement:
            words.append(_("In: %s") % " ".join(statement["statement"].split())[:200])
        if "cannot run inside a transaction block" in text:
            words.append(_("Set transaction: none on this step."))
        if "sql: rolled back" in text:
            words.append(_("Everything was rolled back; the database is as it was."))
        elif "sql: stopped there" in text:
            words.append(_("What came before it took effect."))
        return " ".join(words)


def fits_one_transaction(sql: str) -> bool:
    """Whether no statement has to stand outside a transaction, and the file controls none itself."""
    return not any(_ALONE.match(statement) for statement in statements(sql))


def statements(sql: str) -> list[str]:
    """The statements of a file without comments; what stands in quotes is emptied."""
    found = [""]
    for kind, text in sqlparse.lexer.tokenize(_without_bodies(sql)):  # type: ignore[no-untyped-call]
        if kind in tokens.Comment:
            found[-1] += " "
        elif kind in tokens.Punctuation and text == ";":
            found.append("")
        elif kind in tokens.String:
            found[-1] += "''"
        else:
            found[-1] += text
    return [statement.strip() for statement in found if statement.strip()]


def _without_bodies(sql: str) -> str:
    """Bodies of functions ($$...$$) hold statements of another sort."""
    return re.sub(r"(\$(?:[A-Za-z_]\w*)?\$).*?\1", "''", sql, flags=re.DOTALL)


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".-") or "migration.sql"
