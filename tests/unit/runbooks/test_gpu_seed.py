"""The shipped procedures for GPU servers: the written procedure's own words and minutes, with what makes them safe."""

import pytest

from releases.runbooks.loader import load, seed_text
from releases.runbooks.plan import PlannedStep, fill, totals

# Step, title, owner, details, minutes, note: the table of the written procedure.
TABLE = [
    ("1", "RunPod 콘솔 접속", "DevOps", "https://runpod.io → Serverless 메뉴", 1, ""),
    ("2", "vLLM Worker 선택", "DevOps", "Quick Deploy → vLLM Worker 선택", 1, ""),
    ("3", "모델 설정", "DevOps + AI 개발자", "", 1, "AI 개발자가 모델명 결정"),
    ("4", "고급 설정", "DevOps + AI 개발자", "", 2, "AI 개발자가 파라미터 결정"),
    ("5", "GPU 선택", "DevOps", "L4 (24GB) 또는 RTX 4090 선택", 1, "7B 모델 기준"),
    ("6", "Worker 설정", "DevOps", "Min Workers: 0, Max Workers: 2", 1, "Flex 모드"),
    ("7", "Endpoint 생성", "DevOps", "Create Endpoint 클릭 → Endpoint ID 발급", 2, ""),
    ("8", "Backend 환경변수 설정", "DevOps + BE 개발자", "", 3, "BE 개발자가 변수명 확인"),
    ("9", "Backend 재시작", "DevOps", "sudo systemctl restart spring-boot", 2, ""),
    ("10", "연동 테스트", "DevOps", "API 호출 테스트", 3, "첫 요청은 Cold Start로 느림"),
]
ROLLBACK = [
    ("1", "이전 Endpoint 활성화", "DevOps", 2, "RunPod 콘솔에서 이전 버전 Endpoint 활성화"),
    ("2", "Backend 환경변수 변경", "DevOps", 3, ".env 또는 systemd"),
    ("3", "Backend 재시작", "DevOps", 2, ""),
    ("4", "연동 테스트", "DevOps", 2, "첫 요청은 Cold Start로 느림"),
]
DEMO = {"demo_bin": "/opt/demo bin", "backend_env_file": "/tmp/b.env", "ai_test_url": "http://127.0.0.1:8080/api"}
DEPLOYS, ROLLBACKS = ["gpu_deploy", "gpu_handler", "gpu_demo"], ["gpu_rollback", "gpu_demo_rollback"]


def plan(name: str) -> tuple[PlannedStep, ...]:
    return fill(load(seed_text(name)), DEMO if "demo" in name else {}, [], {})


def written(steps: tuple[PlannedStep, ...]) -> list[PlannedStep]:
    """Those of the table: what was added has a number of its own behind a dash."""
    return [step for step in steps if "-" not in step.number]


def test_the_ten_steps_are_those_of_the_table() -> None:
    steps = written(plan("gpu_deploy"))
    shown = [(s.number, s.title.ko, s.role.value, s.tool.ko or _command(s), s.estimate // 60, s.note.ko) for s in steps]
    assert shown == TABLE
    assert sum(step.estimate for step in steps) == 17 * 60


def _command(step: PlannedStep) -> str:
    return step.lines[0] if step.action == "shell" else ""


@pytest.mark.parametrize("name", ROLLBACKS)
def test_the_four_steps_of_the_rollback_are_those_of_the_table(name: str) -> None:
    steps = written(plan(name))
    assert [(s.number, s.title.ko, s.role.value, s.estimate // 60, s.note.ko) for s in steps] == ROLLBACK
    assert sum(step.estimate for step in steps) == 9 * 60


@pytest.mark.parametrize("name", DEPLOYS)
def test_nothing_is_spent_before_it_is_looked_at_and_nobody_meets_what_was_not_proved(name: str) -> None:
    order = [step.action for step in plan(name)]
    assert order == [*["gpu_check"] * 6, "gpu_create", "gpu_prove", "gpu_switch", "shell", "http_check", "gpu_retain"]
    about = {part for step in plan(name) if step.action == "gpu_check" for part in step.parameters["about"]}
    assert about == {"account", "worker", "model", "settings", "cards", "workers"}


@pytest.mark.parametrize("name", [*DEPLOYS, *ROLLBACKS])
def test_there_is_no_downtime_and_every_step_may_run_again(name: str) -> None:
    steps = plan(name)
    assert totals(steps).downtime == 0
    assert all(step.idempotent or step.check for step in steps)
    assert all(step.title.en and bool(step.note.ko) == bool(step.note.en) for step in steps)


def test_the_rollback_ends_what_the_undone_one_costs() -> None:
    assert [step.action for step in plan("gpu_rollback")][-1] == "gpu_stop"
