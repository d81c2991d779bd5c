"""What the users are told of an emergency rollback."""

from releases.actions.announce import Wording, post
from releases.models import Announcement, Recovery

BEGUN = Wording(
    state=Announcement.State.IN_PROGRESS,
    title_ko="긴급 복구: 이전 버전으로 되돌리고 있습니다",
    title_en="Emergency recovery: going back to the version before",
    body_ko="새 버전에 문제가 있어 이전 버전으로 되돌리는 중입니다. 그동안 서비스를 이용하지 못할 수 있습니다.",
    body_en="The new version has a problem, so we are going back to the one before. Meanwhile the service may be away.",
)
ENDED = Wording(
    state=Announcement.State.DONE,
    title_ko="긴급 복구: 이전 버전으로 되돌렸습니다",
    title_en="Emergency recovery: the version before is back",
    body_ko="이전 버전이 다시 서비스되고 있습니다.",
    body_en="The version before is in service again.",
)


def begun(recovery: Recovery) -> None:
    """Announce that it goes on now, unless its own runbook has said something."""
    if recovery.rollback is not None and not Announcement.objects.filter(deployment=recovery.rollback).exists():
        post(recovery.rollback, BEGUN)


def ended(recovery: Recovery) -> None:
    """Announce that it is over, where what we said of it still stands."""
    said = Announcement.objects.filter(deployment=recovery.rollback, title_ko=BEGUN.title_ko)
    if recovery.rollback is not None and said.exists():
        post(recovery.rollback, ENDED)
