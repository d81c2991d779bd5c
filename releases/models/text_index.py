"""Indexes of texts that people search: whole English words, and pieces of words for Korean.

The expressions stand here alone: an index serves a search only when both say exactly the same.
"""

from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVector
from django.db.models import CharField, F, Index, Lookup, Q, TextField, Value
from django.db.models.expressions import Combinable, CombinedExpression
from django.db.models.functions import Left

READ = 250_000  # characters


def document(*fields: str) -> Combinable:
    """The texts of a row as one, a space between them. None of the columns may be NULL."""
    joined: Combinable = F(fields[0])
    for field in fields[1:]:
        joined = _joined(_joined(joined, Value(" ")), F(field))
    return joined


def words(*fields: str) -> SearchVector:
    """The same as words that English inflects: "deployments" finds "deployment".

    PostgreSQL refuses a row whose words take more than 1 MB, so no more than the beginning is read.
    """
    return SearchVector(Left(document(*fields), READ), config="english")


def text_indexes(name: str, *fields: str, only: Q | None = None) -> list[Index]:
    """Both indexes over some columns of a model, for its Meta; `only` leaves rows out that hold no text."""
    return [
        GinIndex(OpClass(document(*fields), name="gin_trgm_ops"), name=f"{name}_pieces", condition=only),
        GinIndex(words(*fields), name=f"{name}_words", condition=only),
    ]


def _joined(left: Combinable, right: Combinable) -> CombinedExpression:
    return CombinedExpression(left, "||", right, output_field=TextField())


@CharField.register_lookup
@TextField.register_lookup
class HasPiece(Lookup[str]):
    """`text ILIKE '%piece%'`. Unlike `icontains` it leaves the text as it is, so that an index of pieces serves it."""

    lookup_name = "has_piece"

    def get_prep_lookup(self) -> str:
        """The piece with the signs that LIKE knows made plain."""
        escaped = str(self.rhs).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return f"%{escaped}%"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """The comparison in PostgreSQL's words."""
        left, left_values = self.process_lhs(compiler, connection)
        right, right_values = self.process_rhs(compiler, connection)
        return f"{left} ILIKE {right}", (*left_values, *right_values)
