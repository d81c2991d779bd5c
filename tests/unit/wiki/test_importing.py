"""The team's first document becomes pages: word for word, every table of the required sections live."""

import re

import pytest

from releases.risks.seed import VIEWS
from releases.wiki import importing, markup, seed
from releases.wiki.tables import KNOWN

# Section of the seed -> its live blocks, in order. What the issue asks for: 1, 2, 3.2, 3.3, 4.1, 4.2.
REQUIRED = {
    "인스턴스 선정 및 예상 비용": [
        "costs_traffic",
        "costs_instances",
        "costs_components",
        "costs_storage",
        "costs_total",
        "costs_gpu",
    ],
    "2.1 배포 개요": ["deploy_rules"],
    "2.2 배포 전 준비사항 체크리스트": ["checklist"],
    "2.3 상세 배포 절차": ["procedure_deploy"],
    "2.4 롤백 절차": ["procedure_rollback"],
    "2.5 GPU 서버 배포 (RunPod Serverless)": ["gpu_methods", "procedure_gpu_deploy", "procedure_gpu_rollback"],
    "3.2.1 정량적 분석": ["measures"],
    "3.2.2 관점별 한계 분석": [f"risks_{number}" for number in range(1, 9)],
    "3.3 개선 필요성 및 향후 계획": ["thresholds", "strategy"],
    "4.1 배포 프로세스 플로우차트": ["flow"],
    "4.2 수작업 배포 vs 자동화 배포 비교": ["comparison"],
}
ANY_TABLE = re.compile(r"^\|[ :|-]+\|$", re.M)


@pytest.fixture(scope="module")
def drafts() -> dict[str, importing.Draft]:
    return {draft.title: draft for draft in importing.split(seed.document(), seed.english())}


def test_every_table_of_the_required_sections_is_live(drafts: dict[str, importing.Draft]) -> None:
    assert {title: markup.live_names(drafts[title].text) for title in REQUIRED} == REQUIRED
    for title in REQUIRED:
        assert not ANY_TABLE.search(drafts[title].text), f"a table of {title} was left as it was written"
        assert "- [ ]" not in drafts[title].text
        assert "```mermaid" not in drafts[title].text


def test_every_known_block_is_found_once_in_the_seed(drafts: dict[str, importing.Draft]) -> None:
    found = {name for draft in drafts.values() for name in markup.live_names(draft.text)}
    assert found == {known.block for known in KNOWN}


def test_every_line_of_the_document_is_in_a_first_revision(drafts: dict[str, importing.Draft]) -> None:
    headings = {draft.title for draft in drafts.values()}
    expected = []
    for line in seed.document().split("\n"):
        heading = re.match(r"#{1,5} (.*)", line)
        if heading is None and line.strip():
            expected.append(line)
        elif heading and heading[1].strip() not in headings:  # it has a link in it, which must not be lost
            expected.append(heading[1].strip())
    assert [line for draft in drafts.values() for line in draft.written.split("\n") if line.strip()] == expected


def test_the_tree_follows_the_numbers(drafts: dict[str, importing.Draft]) -> None:
    slugs = {title: draft.slug for title, draft in drafts.items()}
    assert drafts["3.2.1 정량적 분석"].parent == slugs["3.2 수작업 배포의 한계 및 위험 요소"]
    assert drafts["3.3 개선 필요성 및 향후 계획"].parent == slugs["3. 도입 배경 및 한계 분석"]
    assert drafts["2.3 상세 배포 절차"].parent == slugs["2. 배포 절차 설명서"]
    assert drafts["2단계: CI 파이프라인 정착"].parent == slugs["단계별 확장 로드맵"]


def test_english_titles_belong_to_pages_and_keep_their_live_blocks(drafts: dict[str, importing.Draft]) -> None:
    assert set(seed.english()) == set(drafts)
    for title, draft in drafts.items():
        assert draft.title_en
        if draft.body_en:
            assert set(markup.live_names(draft.body_en)) == set(markup.live_names(draft.text)), title


def test_each_view_of_the_risks_is_its_own_block(drafts: dict[str, importing.Draft]) -> None:
    """The same header stands above seven tables; the eighth view is a list. Its title leads to its own rows."""
    draft = drafts["3.2.2 관점별 한계 분석"]
    for text, language in ((draft.text, "ko"), (draft.body_en, "en")):
        found = re.findall(r"\*\*(\d)\) ([^*]+)\*\*\n+\{\{live: risks_(\d), written: 1\}\}", text)
        assert [(int(number), title, int(block)) for number, title, block in found] == [
            (number, getattr(view.title, language), number) for number, view in enumerate(VIEWS, 1)
        ]
    assert "신뢰 문제" in draft.text


def test_written_totals_go_with_their_procedure(drafts: dict[str, importing.Draft]) -> None:
    assert "예상 총" not in drafts["2.3 상세 배포 절차"].text
    assert "Nginx는 리버스 프록시 역할만" in drafts["2.3 상세 배포 절차"].text


def test_headings_in_code_and_lines_before_the_first_heading() -> None:
    drafts = importing.split("hello\n\n```sh\n# no heading\n```\n\n# One\n\n# One\n", name="notes")
    assert [(d.title, d.slug) for d in drafts] == [("notes", "notes"), ("One", "one"), ("One", "one-2")]
    assert "# no heading" in drafts[0].written


def test_a_table_that_nobody_knows_stays() -> None:
    (draft,) = importing.split("# 2.3 Steps\n\n| 이름 | 값 |\n| - | - |\n| a | b |\n")
    assert draft.text == draft.written
    assert draft.replaced == []
