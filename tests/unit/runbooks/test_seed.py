"""The shipped procedures: the written procedure's own words, commands and minutes."""

import pytest

from releases.runbooks.loader import load, seed_text
from releases.runbooks.order import waves
from releases.runbooks.plan import fill, totals

# Step, title, owner, command, minutes, note: the table of the written procedure.
TABLE = [
    ("1", "서비스 공지 및 사용자 알림", "운영팀", ["공지사항 게시"], 5, "배포 10분 전 실시"),
    ("2", "데이터베이스 백업", "DevOps", ["pg_dump -U postgres -d moyeo > backup_20261125.sql"], 3,
     "롤백용 데이터 백업"),
    ("3", "Backend 로컬 빌드", "BE 개발자", ["./gradlew clean build -x test"], 5, "로컬에서 실행"),
    ("4", "Frontend 로컬 빌드", "FE 개발자", ["npm install && npm run build"], 3, "로컬에서 실행"),
    ("5", "Backend 서비스 중단", "DevOps", ["sudo systemctl stop spring-boot"], 1, "다운타임 시작"),
    ("6", "Frontend 서비스 중단", "DevOps", ["pm2 stop nextjs"], 1, ""),
    ("7", "Backend jar 전송", "BE 개발자", ["scp build/libs/app.jar user@server:/app/backend/"], 2, ""),
    ("8", "Frontend 빌드 결과 전송", "FE 개발자", ["scp -r .next user@server:/app/frontend/"], 2, ""),
    ("9", "DB 스키마 변경", "DevOps", ["수동 SQL 실행 (필요 시)"], 2, "스키마 변경 시"),
    ("10", "Backend 서비스 시작", "DevOps", ["sudo systemctl start spring-boot"], 1, ""),
    ("11", "Frontend 서비스 시작", "DevOps", ["pm2 start nextjs"], 1, "다운타임 종료"),
    ("12", "Health Check 확인", "DevOps", ["curl http://localhost:8080/health", "curl http://localhost:3000"], 2,
     "정상 응답 확인"),
    ("13", "로그 모니터링", "전체팀", ["tail -f /app/backend/logs/app.log", "pm2 logs nextjs"], 10, "초기 안정화 확인"),
    ("14", "서비스 정상화 공지", "운영팀", ["공지사항 업데이트"], 2, ""),
]  # fmt: skip
# The same of the written rollback: what is put back is named by the plan, so its commands are the names of backups.
ROLLBACK = [
    ("1", "Backend 서비스 중단", "DevOps", ["sudo systemctl stop spring-boot"], 1, "다운타임 시작"),
    ("2", "Frontend 서비스 중단", "DevOps", ["pm2 stop nextjs"], 1, ""),
    ("3", "Backend 백업본 복원", "DevOps", ["cp app.jar.bak /app/backend/app.jar"], 1, ""),
    ("4", "Frontend 백업본 복원", "DevOps", ["cp -r .next.bak /app/frontend/.next"], 1, ""),
    ("5", "DB 데이터 복원", "DevOps", ["pg_restore -U postgres -d moyeo"], 3, "스키마 변경 시"),
    ("6", "Backend 서비스 시작", "DevOps", ["sudo systemctl start spring-boot"], 1, ""),
    ("7", "Frontend 서비스 시작", "DevOps", ["pm2 start nextjs"], 1, "다운타임 종료"),
    ("8", "정상 동작 확인", "DevOps", ["curl http://localhost:8080/health", "curl http://localhost:3000"], 2, ""),
]
BOXES = [
    "배포할 코드의 Git 브랜치/커밋 확인",
    "로컬 빌드 성공 확인 (BE: `./gradlew build`, FE: `npm run build`)",
    "DB 스키마 변경 여부 확인 (변경 시 마이그레이션 SQL 준비)",
    "기존 파일 백업 (`app.jar.bak`, `.next.bak`)",
]
VALUES = {"db_name": "moyeo", "date": "20261125", "version": "v2.8.0", "migration": "V41__tags.sql"}
DEMO = {
    "demo_bin": "/opt/demo bin",
    "app_folder": "/tmp/app",
    "backend_url": "http://127.0.0.1:8080/health",
    "frontend_url": "http://127.0.0.1:3000",
    "db_host": "/tmp/pg",
}


def plan(name="deploy", **facts):
    values = {**VALUES, **DEMO} if name.startswith("demo") else VALUES
    return fill(load(seed_text(name)), values, [], facts)


def test_the_fourteen_steps_are_those_of_the_table():
    steps = [step for step in plan(schema_changed=True) if step.condition != "nginx_changed"]
    shown = [
        (step.number, step.title.ko, step.role.value, [step.tool.ko] if step.tool else list(step.lines),
         step.estimate // 60, step.note.ko)
        for step in steps
    ]  # fmt: skip
    assert shown == TABLE
    assert all(step.title.en for step in steps)


@pytest.mark.parametrize("name", ["rollback", "demo_rollback"])
def test_the_eight_steps_of_the_rollback_are_those_of_the_table(name):
    steps = plan(name, schema_changed=True)
    words = [
        (step.number, step.title.ko, step.role.value, list(step.lines), step.estimate // 60, step.note.ko)
        for step in steps
    ]
    if name == "rollback":
        assert words == ROLLBACK
    assert [(*row[:3], *row[4:]) for row in words] == [(*row[:3], *row[4:]) for row in ROLLBACK]
    assert totals(steps) == (11 * 60, 9 * 60)
    assert totals(plan(name)) == (8 * 60, 6 * 60)
    assert all(step.title.en for step in steps)


def test_the_four_boxes_are_those_of_the_checklist():
    checklist = load(seed_text("deploy")).checklist
    assert [item.title.ko for item in checklist] == BOXES
    assert [item.proof for item in checklist] == ["git_ref", "artifacts", "migration", "backup_age"]
    assert [entry["link"] for entry in checklist[3].parameters["files"]] == ["app.jar.bak", ".next.bak"]
    assert all(item.title.en for item in checklist)


@pytest.mark.parametrize("name", ["deploy", "demo"])
@pytest.mark.parametrize(
    ("facts", "estimate", "downtime"),
    [
        ({}, 38, 8),
        ({"schema_changed": True}, 40, 10),
        ({"nginx_changed": True}, 40, 8),
        ({"schema_changed": True, "nginx_changed": True}, 42, 10),
    ],
)
def test_the_minutes_add_up(name, facts, estimate, downtime):
    assert totals(plan(name, **facts)) == (estimate * 60, downtime * 60)


def test_the_downtime_runs_from_step_5_to_step_11():
    steps = plan()
    assert [step.number for step in steps if step.opens_downtime or step.closes_downtime] == ["5", "11"]


@pytest.mark.parametrize("name", ["deploy", "demo"])
def test_the_builds_and_the_uploads_may_run_side_by_side(name):
    groups = [[step.number for step in group] for group in waves(plan(name))]
    assert groups == [
        ["1"], ["2"], ["3", "4"], ["5"], ["6"], ["7", "8"], ["9"], ["10"], ["11"], ["11-1"], ["11-2"],
        ["12"], ["13"], ["14"]
    ]  # fmt: skip


def test_the_nginx_commands_run_only_for_a_changed_configuration():
    changed = [step for step in plan(nginx_changed=True) if step.condition == "nginx_changed"]
    assert [step.lines for step in changed] == [("sudo nginx -t",), ("sudo nginx -s reload",)]
    assert [step.skipped_because for step in changed] == ["", ""]
    unchanged = [step for step in plan() if step.condition == "nginx_changed"]
    assert [step.skipped_because for step in unchanged] == ["nginx_changed"] * 2


def test_the_schema_step_shows_its_sql():
    assert plan(schema_changed=True)[8].lines == ("psql -U postgres -d moyeo -f V41__tags.sql",)
    assert plan()[8].skipped_because == "schema_changed"


READS = {"systemctl", "ps", "grep", "ls", "sha256sum", "cat", "export", "psql", "curl", "'/opt/demo bin'/service"}


@pytest.mark.parametrize("name", ["deploy", "demo"])
def test_steps_that_change_what_is_live_have_a_probe_that_only_reads(name):
    steps = {step.key: step for step in plan(name, schema_changed=True, nginx_changed=True)}
    changing = {f"{verb}_{part}" for verb in ("stop", "upload", "start") for part in ("backend", "frontend")}
    assert changing | {"migrate"} <= {key for key, step in steps.items() if "probe" in step.scripts}
    for step in steps.values():
        lines = step.asides.get("probe", ())
        programs = {part.split()[0] for line in lines for part in line.split(" | ")}
        programs |= {"'/opt/demo bin'/service" for line in lines if line.startswith("'/opt/demo bin'/service status ")}
        assert programs - {"'/opt/demo"} <= READS, step.key
        assert not any("systemctl" in line and "systemctl show" not in line for line in lines), step.key
    assert "default_transaction_read_only=on" in steps["migrate"].asides["probe"][0]


def test_the_announcement_names_the_planned_downtime():
    assert "약 8분" in plan()[0].parameters["message"]["ko"]
    assert "10 minutes" in plan(schema_changed=True)[0].parameters["message"]["en"]


def test_the_demo_has_the_same_shape_and_its_own_commands():
    demo, deploy = plan("demo"), plan("deploy")
    same = [(step.key, step.number, step.title, step.action, step.estimate, step.after) for step in deploy]
    assert [(step.key, step.number, step.title, step.action, step.estimate, step.after) for step in demo] == same
    assert demo[4].lines == ("'/opt/demo bin'/service stop backend",)
    watch = next(step for step in demo if step.action == "watch_logs")
    assert watch.parameters["seconds"] == 2
    assert demo[1].lines == ("pg_dump -U postgres -h /tmp/pg -p 5432 -d moyeo > backup_20261125.sql",)
