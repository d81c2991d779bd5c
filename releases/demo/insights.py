"""What people of the demo entered for the thresholds: a count of active users, a complaint."""

from datetime import timedelta

from releases.audit import Actor
from releases.engine import clock, user_reports
from releases.models import Project, User

USERS = 120
COMPLAINT = "배포하는 동안 모임 투표가 저장되지 않았습니다. / A vote was not saved while you deployed."


def load(project: Project) -> None:
    """Make them where there are none."""
    person = User.objects.filter(memberships__project=project, memberships__can_operate=True).order_by("pk").first()
    if person is None:
        return
    if not project.active_users.exists():
        user_reports.enter_users(project, USERS, person, Actor(person))
    if not project.complaints.exists():
        day = (clock.now() - timedelta(days=3)).date()
        user_reports.complain(project, day, COMPLAINT, (None, None), person, Actor(person))
