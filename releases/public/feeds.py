"""What is announced, for feed readers: Atom and JSON Feed 1.1. Identifiers stay; each revision is an update."""

import json
from datetime import datetime
from typing import Any, Final

from django.template.loader import render_to_string
from django.utils.feedgenerator import Atom1Feed
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases.public import address, pages, words
from releases.public.reader import Reader
from releases.public.snapshot import Notice, Snapshot

ENTRIES: Final = 50
VERSION: Final = "https://jsonfeed.org/version/1.1"


class _Atom(Atom1Feed):
    """A feed without an entry changed when its project began, not at each look."""

    empty_since: datetime

    def latest_post_date(self) -> datetime:
        return super().latest_post_date() if self.items else self.empty_since


def atom(snapshot: Snapshot, reader: Reader) -> str:
    """The Atom feed."""
    with override(reader.language):
        feed = _Atom(
            title=_title(snapshot),
            link=page_of(snapshot, reader),
            description="",
            language=reader.language,
            author_name=snapshot.name,
            feed_url=reader.base + address.of("public_atom", snapshot.slug) + reader.query,
            feed_guid=f"urn:uuid:{snapshot.uid}",
        )
        feed.empty_since = snapshot.created_at
        for one in snapshot.notices[:ENTRIES]:
            feed.add_item(
                title=heading(one, reader),
                link=link_of(one, snapshot, reader),
                description=_content(one, snapshot, reader),
                unique_id=f"urn:uuid:{one.uid}",
                pubdate=one.created_at,
                updateddate=one.changed_at,
                categories=[words.kind_word(one), words.state_word(one)],
            )
        return feed.writeString("utf-8")


def json_feed(snapshot: Snapshot, reader: Reader) -> str:
    """The JSON Feed."""
    with override(reader.language):
        feed = {
            "version": VERSION,
            "title": _title(snapshot),
            "home_page_url": page_of(snapshot, reader),
            "feed_url": reader.base + address.of("public_json_feed", snapshot.slug) + reader.query,
            "language": reader.language,
            "authors": [{"name": snapshot.name}],
            "items": [_item(one, snapshot, reader) for one in snapshot.notices[:ENTRIES]],
        }
        return json.dumps(feed, ensure_ascii=False, indent=1)


def heading(one: Notice, reader: Reader) -> str:
    """The state goes first, as a feed reader shows no more than a line."""
    return f"[{words.state_word(one)}] {one.title.of(reader.language)}"


def page_of(snapshot: Snapshot, reader: Reader) -> str:
    """The address of the public page."""
    return reader.base + address.of("project_announcements", snapshot.slug) + reader.query


def link_of(one: Notice, snapshot: Snapshot, reader: Reader) -> str:
    """The address of one announcement."""
    return reader.base + address.of("public_announcement", snapshot.slug, one.number) + reader.query


def _title(snapshot: Snapshot) -> str:
    return _("%s: announcements") % snapshot.name


def _item(one: Notice, snapshot: Snapshot, reader: Reader) -> dict[str, Any]:
    return {
        "id": f"urn:uuid:{one.uid}",
        "url": link_of(one, snapshot, reader),
        "title": heading(one, reader),
        "content_html": _content(one, snapshot, reader),
        "date_published": one.created_at.isoformat(timespec="seconds"),
        "date_modified": one.changed_at.isoformat(timespec="seconds"),
        "language": reader.language,
        "tags": [words.kind_word(one), words.state_word(one)],
        "_cloud_wiki": {"kind": one.kind, "state": one.state, "services": one.services},
    }


def _content(one: Notice, snapshot: Snapshot, reader: Reader) -> str:
    return render_to_string("public/entry.html", {"notice": pages.notice(one, snapshot, reader)}).strip()
