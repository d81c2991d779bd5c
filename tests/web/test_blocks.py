"""Live blocks: what they say is what the rows say, in the seed's own figures where the seed's runbooks are used."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.template.loader import render_to_string
from django.utils import timezone, translation

from releases import lifecycle
from releases.models import (
    Deployment,
    DeployWindow,
    GpuSettings,
    Outage,
    Probe,
    ProbeResult,
    Project,
    Runbook,
    Step,
    User,
)
from releases.runbooks import loader
from releases.views.blocks import blocks
from tests.factories import World, save_version


@pytest.fixture
def seeded(world: World) -> World:
    """The world with the runbooks of the seed in use."""
    save_version(world.runbook, loader.seed_text("deploy"))
    made = {}
    for key, kind in (("rollback", "rollback"), ("gpu_deploy", "gpu_deploy"), ("gpu_rollback", "gpu_rollback")):
        made[key] = Runbook.objects.create(project=world.project, key=key, name=key, kind=kind)
        save_version(made[key], loader.seed_text(key))
    world.environment.rollback_runbook = made["rollback"]
    world.environment.save()
    GpuSettings.objects.create(
        environment=world.environment, worker_runbook=made["gpu_deploy"], rollback_runbook=made["gpu_rollback"]
    )
    return world


def shown(name: str, project: Project, language: str = "ko") -> str:
    with translation.override(language):
        block = blocks()[name]
        html = render_to_string(block.template, {"title": block.title(), **block.context(project)})
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)))


def test_every_block_stands_on_an_empty_project_and_on_a_full_one(seeded: World) -> None:
    empty = Project.objects.create(slug="empty", name="Empty")
    for name in blocks():
        for project in (empty, seeded.project):
            for language in ("ko", "en"):
                assert shown(name, project, language).strip(), name


def test_the_deploy_procedure_is_the_seeds(seeded: World) -> None:
    text = shown("procedure_deploy", seeded.project)
    assert "예상 총 소요 시간: 약 38분" in text
    assert "예상 서비스 중단 시간 (다운타임): 약 8분 (5단계~11단계)" in text
    for words in (
        "서비스 공지 및 사용자 알림 운영팀 공지사항 게시",
        "pg_dump -U postgres -d {db_name} > backup_{date}.sql",
        "sudo systemctl stop spring-boot",
        "다운타임 시작",
        "scp -r .next user@server:/app/frontend/",
        "다운타임 종료",
        "수동 SQL 실행 (필요 시)",
        "tail -f /app/backend/logs/app.log pm2 logs nextjs",
    ):
        assert words in text


def test_the_rollback_procedure_is_the_seeds(seeded: World) -> None:
    text = shown("procedure_rollback", seeded.project)
    assert "예상 총 소요 시간: 약 11분" in text
    assert "약 9분 (1단계~7단계)" in text


def test_the_gpu_procedures_stop_nothing(seeded: World) -> None:
    text = shown("procedure_gpu_deploy", seeded.project)
    assert "vLLM Worker 선택" in text
    assert "예상 서비스 중단 시간 (다운타임): 없음" in text
    assert "예상 서비스 중단 시간 (다운타임): 없음" in shown("procedure_gpu_rollback", seeded.project)


def finish(world: World, seconds: tuple[int, ...]) -> None:
    """Deployments that succeeded, whose first step took so long; each ten minutes, with two of downtime."""
    began = timezone.now() - timedelta(days=1)
    for taken in seconds:
        deployment = world.draft()
        Deployment.objects.filter(pk=deployment.pk).update(
            status=lifecycle.SUCCEEDED,
            started_at=began,
            finished_at=began + timedelta(minutes=10),
            downtime_measured=120.0,
        )
        first = deployment.steps.order_by("position")[0]
        Step.objects.filter(pk=first.pk).update(
            status=lifecycle.SUCCEEDED, started_at=began, finished_at=began + timedelta(seconds=taken)
        )


def test_the_real_time_of_a_step_is_the_middle_of_those_that_succeeded(world: World) -> None:
    finish(world, (30, 90, 300))
    text = shown("procedure_deploy", world.project, "en")
    assert "1:30 (3)" in text
    assert "Nothing was measured" not in text


def test_rules_of_deployments_are_those_of_the_environment(world: World) -> None:
    DeployWindow.objects.create(environment=world.environment, weekday=3, opens="02:00", closes="03:00")
    assert "not measured yet" in shown("deploy_rules", world.project, "en")
    finish(world, (30, 30))
    text = shown("deploy_rules", world.project, "en")
    assert "Big Bang: the whole system is replaced at once" in text
    assert "1 window a week" in text
    assert "within 2 minutes 10:00" in text
    assert "within 1 minute 2:00" in text
    assert "2 people 김민준, 이서연" in text
    assert "Wednesday 02:00-03:00" in text
    assert "0.2 a week" in text
    User.objects.filter(pk=world.approver.pk).update(is_active=False)  # who left deploys no more
    assert "1 person" in shown("deploy_rules", world.project, "en")


def test_the_checklist_is_the_runbooks(seeded: World) -> None:
    text = shown("checklist", seeded.project)
    assert "배포할 코드의 Git 브랜치/커밋 확인" in text
    assert "기존 파일 백업" in text


def test_the_flow_has_the_states_of_the_last_deployment(world: World) -> None:
    assert "아직 배포한 것이 없습니다" in shown("flow", world.project)
    deployment = world.draft()
    Deployment.objects.filter(pk=deployment.pk).update(status=lifecycle.FAILED, started_at=timezone.now())
    text = shown("flow", world.project)
    assert f"#{deployment.pk}" in text
    assert "실패" in text


def test_services_say_whether_they_answer(world: World) -> None:
    assert "answers" not in shown("services", world.project, "en")
    service = world.project.services.get()
    probe = Probe.objects.create(environment=world.environment, service=service, url="http://127.0.0.1:1/")
    assert "not measured" in shown("services", world.project, "en")
    ProbeResult.objects.create(probe=probe, at=timezone.now(), ok=True, milliseconds=3)
    assert "answers" in shown("services", world.project, "en")
    Outage.objects.create(probe=probe, started_at=timezone.now())
    assert "does not answer" in shown("services", world.project, "en")


def test_a_runbook_with_mistakes_is_no_procedure(world: World) -> None:
    world.save_runbook("kind: deploy\nsteps: nonsense\n")
    assert "no such runbook" in shown("procedure_deploy", world.project, "en")


def test_blocks_cost_the_same_with_many_deployments(world: World, django_assert_max_num_queries) -> None:
    finish(world, (30,))
    for name in ("procedure_deploy", "deploy_rules", "flow", "services", "hosts"):
        with django_assert_max_num_queries(20) as one:
            shown(name, world.project)
        finish(world, (40, 50))
        with django_assert_max_num_queries(len(one.captured_queries)):
            shown(name, world.project)
