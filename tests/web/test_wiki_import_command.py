"""`manage.py import_wiki`: says what it replaced, and does nothing twice."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from releases.models import WikiPage
from tests.factories import World


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("import_wiki", *arguments, stdout=out)
    return out.getvalue()


def test_the_shipped_document_is_imported_once(world: World) -> None:
    said = run(world.project.slug)
    assert "2.3 상세 배포 절차: 19 lines under “2.3 상세 배포 절차” -> {{live: procedure_deploy}}" in said
    assert f"{WikiPage.objects.count()} pages made" in said
    page = WikiPage.objects.get(title_ko="2.3 상세 배포 절차")
    first = page.revisions.get(number=1)
    assert "| 14   | 서비스 정상화 공지" in first.body_ko
    assert page.title_en == "2.3 Deploy procedure in detail"
    assert "0 pages made" in run(world.project.slug)


def test_a_file_is_imported(world: World, tmp_path: Path) -> None:
    file = tmp_path / "handbook.md"
    file.write_text("Before.\n\n# One\n\nText.\n")
    run(world.project.slug, str(file))
    assert list(WikiPage.objects.values_list("slug", "body_ko")) == [("handbook", "Before.\n"), ("one", "Text.\n")]


def test_what_can_not_be_read_is_named(world: World, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no project nowhere"):
        run("nowhere")
    with pytest.raises(CommandError, match=r"absent\.md can't be read"):
        run(world.project.slug, str(tmp_path / "absent.md"))
    binary = tmp_path / "binary.md"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="can't be read"):
        run(world.project.slug, str(binary))
