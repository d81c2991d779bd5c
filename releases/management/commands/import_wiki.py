"""`manage.py import_wiki PROJECT [FILE]`: wiki pages from a Markdown document, or from the one that ships."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from releases.audit import THE_SYSTEM
from releases.engine import wiki
from releases.models import Project
from releases.wiki import importing, seed


class Command(BaseCommand):
    """Pages whose short names exist already stay as they are, so it is safe to run again."""

    help = "Import a Markdown document into a project's wiki."

    def add_arguments(self, parser: CommandParser) -> None:
        """The project's short name, and the document."""
        parser.add_argument("project", help="short name of the project")
        parser.add_argument("file", nargs="?", type=Path, help="a Markdown file; without it the document that ships")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Import, and say what was replaced."""
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']}. Give the short name of one that exists.")
        file: Path | None = options["file"]
        try:
            text = file.read_text(encoding="utf-8-sig") if file else seed.document()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} can't be read as UTF-8 text: {error}") from error
        drafts = importing.split(text, seed.english(), name=file.stem if file else importing.FALLBACK)
        made, there = wiki.import_pages(project, drafts, THE_SYSTEM)
        slugs = {page.slug for page in made}
        for draft in drafts:
            for one in draft.replaced if draft.slug in slugs else []:
                self.stdout.write(
                    f"{draft.title}: {one.lines} lines under “{one.heading}” -> {{{{live: {one.block}}}}}"
                )
        self.stdout.write(f"{len(made)} pages made, {len(there)} were there already")
