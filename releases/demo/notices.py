"""The demo's announcements: what a project like this tells its users, and two channels that are switched off."""

from datetime import timedelta

from django.utils import timezone

from releases.audit import THE_SYSTEM
from releases.engine import announcements, channels
from releases.engine.announcements import Wish
from releases.models import Announcement, Channel, Event, Project
from releases.notices.shipped import SHIPPED

# Names that no mail and no webhook reaches; a person enters real ones and switches them on.
CHANNELS = (
    ("사용자 메일", Channel.Kind.EMAIL, Channel.Audience.USERS, "users@example.com", "u•••@example.com"),
    ("팀 채팅", Channel.Kind.CHAT, Channel.Audience.TEAM, "jsons://chat.example.com/hook", "jsons"),
)


def load(project: Project) -> None:
    """Make what is missing."""
    for name, kind, audience, address, hint in CHANNELS:
        if not Channel.objects.filter(project=project, name=name).exists():
            heard = [event.value for event in Event if event not in {Event.TEAM, Event.TEST}]
            heard += [Event.TEAM.value] if audience == Channel.Audience.TEAM else []
            made = Channel(project=project, name=name, kind=kind, audience=audience, enabled=False, events=heard)
            channels.save(made, THE_SYSTEM, address, hint)
    production = project.environments.get(key="production")
    if not Announcement.objects.filter(environment=production, kind=Announcement.Kind.MAINTENANCE).exists():
        begins = (timezone.now() + timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
        words = SHIPPED[Announcement.Kind.MAINTENANCE, "scheduled"]
        wish = Wish("scheduled", words, begins, begins + timedelta(minutes=10), tuple(project.services.all()))
        announcements.announce(production, Announcement.Kind.MAINTENANCE, wish, THE_SYSTEM)
