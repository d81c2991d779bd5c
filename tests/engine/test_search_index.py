"""The database can find Korean by pieces of words, and the indexes serve the searches."""

from django.contrib.postgres.search import SearchQuery
from django.db import connection

from releases.models import Step, WikiPage
from releases.models.text_index import document, words


def plan_of(rows) -> str:
    """How PostgreSQL would answer, were the table too long to be read through."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    return rows.explain()


def test_korean_letters_are_letters_to_pg_trgm(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT show_trgm('배포 절차')")
        assert len(cursor.fetchone()[0]) == 6


def test_an_index_serves_pieces_of_a_page(db: None) -> None:
    rows = WikiPage.objects.annotate(piece=document("title_ko", "title_en", "body_ko", "body_en"))
    assert "wiki_pieces" in plan_of(rows.filter(piece__has_piece="되돌리는 절차"))


def test_an_index_serves_english_words_of_a_page(db: None) -> None:
    rows = WikiPage.objects.annotate(words=words("title_ko", "title_en", "body_ko", "body_en"))
    assert "wiki_words" in plan_of(rows.filter(words=SearchQuery("deployed", config="english")))


def test_an_index_over_some_rows_serves_the_reasons_of_steps(db: None) -> None:
    rows = Step.objects.exclude(reason="").annotate(piece=document("reason"))
    assert "step_pieces" in plan_of(rows.filter(piece__has_piece="connection refused"))
