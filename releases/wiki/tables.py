"""Which table of the seed document is which live block: by its section's number and the cells of its header."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from markdown_it.token import Token

from releases.wiki import markup


class Known(NamedTuple):
    """What a live block replaces: a table with these header cells (or a list of boxes, a drawing) in this section.

    `number`: the section's number begins so. `heading`: a word of the nearest heading. `cells`: the first header cells.
    `first`: the first cell below the header, or the first item of a list, where the header does not tell tables apart.
    """

    block: str
    number: str = ""
    heading: str = ""
    cells: tuple[str, ...] = ()
    first: str = ""
    kind: str = "table"
    with_totals: bool = False


_PROCEDURE: Final = ("단계", "작업 내용", "담당자")
_VIEW: Final = ("문제", "설명")
KNOWN: Final = (
    Known("costs_traffic", heading="트래픽", cells=("항목", "예상치")),
    Known("costs_instances", heading="인스턴스", cells=("인스턴스 타입", "vCPU")),
    Known("costs_components", cells=("구성 요소", "예상 RAM")),
    Known("costs_storage", heading="스토리지", cells=("항목", "사양", "월 비용")),
    Known("costs_total", heading="총 예상 비용", cells=("항목", "사양", "월 비용")),
    Known("costs_gpu", heading="GPU", cells=("항목", "값")),
    Known("deploy_rules", number="2.1", cells=("항목", "내용")),
    Known("checklist", number="2.2", kind="boxes"),
    Known("procedure_deploy", number="2.3", cells=_PROCEDURE, with_totals=True),
    Known("procedure_rollback", number="2.4", cells=_PROCEDURE, with_totals=True),
    Known("gpu_methods", number="2.5", cells=("방식", "설명")),
    Known("procedure_gpu_deploy", number="2.5", heading="vLLM", cells=_PROCEDURE, with_totals=True),
    Known("procedure_gpu_rollback", number="2.5", heading="롤백", cells=_PROCEDURE, with_totals=True),
    Known("measures", number="3.2.1", cells=("항목", "현재 상태")),
    Known("risks_1", number="3.2.2", cells=_VIEW, first="퍼블릭 서브넷 DB 존재"),
    Known("risks_2", number="3.2.2", cells=_VIEW, first="단일 장애 지점"),
    Known("risks_3", number="3.2.2", cells=_VIEW, first="CPU/메모리/디스크/IO 경쟁"),
    Known("risks_4", number="3.2.2", cells=_VIEW, first="수평 확장 불가"),
    Known("risks_5", number="3.2.2", cells=_VIEW, first="인적 오류 리스크"),
    Known("risks_6", number="3.2.2", cells=_VIEW, first="백업/복구"),
    Known("risks_7", number="3.2.2", cells=_VIEW, first="초기엔 저렴"),
    Known("risks_8", number="3.2.2", first="사용자 데이터/결제/정산이 들어가면 퍼블릭 DB는 설명이 어려움", kind="list"),
    Known("thresholds", number="3.3", kind="boxes"),
    Known("strategy", number="3.3", cells=("단계", "전략")),
    Known("flow", number="4.1", kind="mermaid"),
    Known("comparison", number="4.2", cells=("비교 항목",)),
)


def known_block(tokens: Sequence[Token], place: int, number: str, heading: str) -> Known | None:
    """The live block that the block of Markdown at `place` is, or None."""
    kind, cells, first = _look_at(tokens, place)
    if not kind:
        return None
    for known in KNOWN:
        if known.kind != kind or not number.startswith(known.number) or known.heading not in heading:
            continue
        if tuple(cells[: len(known.cells)]) == known.cells and known.first in {"", first}:
            return known
    return None


def _look_at(tokens: Sequence[Token], place: int) -> tuple[str, list[str], str]:
    """What stands there ("table", "list", "boxes", "mermaid", ""), a table's header, the first cell or item below."""
    token = tokens[place]
    if token.type == "fence" and token.info.strip() == "mermaid":
        return "mermaid", [], ""
    if token.type == "bullet_list_open":
        inline = next((t for t in tokens[place:] if t.type == "inline"), None)
        first = next(iter((inline.children if inline else None) or ()), None)
        kind = "boxes" if first and first.type == "task" else "list"
        return kind, [], markup.plain(inline) if inline else ""
    if token.type != "table_open":
        return "", [], ""
    cells = []
    for opening, inline in zip(tokens[place:], tokens[place + 1 :], strict=False):
        if opening.type == "th_open":
            cells.append(markup.plain(inline))
        elif opening.type in {"td_open", "table_close"}:
            return "table", cells, markup.plain(inline) if opening.type == "td_open" else ""
    return "table", cells, ""
