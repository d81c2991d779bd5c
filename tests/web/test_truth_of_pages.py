"""Pages say what is so now, in the reader's language."""

from datetime import timedelta

from django.utils import timezone, translation

from releases.models import Announcement, AuditEvent, Deployment
from releases.public import facts
from releases.views import audit_words
from tests.factories import World


def test_an_announcement_follows_the_downtime_of_its_deployment(world: World) -> None:
    draft = world.draft()
    began = timezone.now() - timedelta(minutes=3)
    Deployment.objects.filter(pk=draft.pk).update(downtime_opened_at=began)
    draft.refresh_from_db()
    planned = began + timedelta(minutes=16), began + timedelta(minutes=24)
    Announcement.objects.create(
        environment=world.environment, deployment=draft, state="scheduled", title_ko="점검", title_en="Maintenance",
        starts_at=planned[0], ends_at=planned[1],
    )  # fmt: skip
    snapshot = facts.gather(world.project.slug)
    assert snapshot is not None
    (notice,) = snapshot.current
    assert (notice.state, notice.began_at, notice.ended_at) == ("in_progress", began, None)
    assert (notice.starts_at, notice.ends_at) == planned


def test_the_audit_log_names_steps_and_reasons_in_the_readers_language(world: World) -> None:
    step = world.draft().steps.first()
    assert step is not None
    event = AuditEvent(action="step.unknown", target_type="step", target_id=str(step.pk), target_name=str(step))
    event.detail = {"reason": "vanished"}
    with translation.override("ko"):
        audit_words.name_steps([event])
        said = audit_words.sentence(event)
    assert said.startswith(f"{step.number} {step.title_ko} ")
    assert "vanished" not in said
