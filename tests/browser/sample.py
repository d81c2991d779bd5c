"""What the components show in the gallery: the seed's deployment, half way, with every state somewhere."""

import base64
from datetime import UTC, datetime
from typing import Any

NOON = datetime(2026, 11, 24, 17, 14, 25, tzinfo=UTC)
ZONE = "Asia/Seoul"

STEPS: list[dict[str, Any]] = [
    {"title": "서비스 공지 및 사용자 알림", "role": "운영팀", "status": "succeeded", "elapsed": 252, "estimate": 300},
    {
        "title": "데이터베이스 백업",
        "role": "DevOps",
        "status": "succeeded",
        "elapsed": 128,
        "estimate": 180,
        "note": "412 MB · SHA-256 확인",
    },
    {"title": "Backend 로컬 빌드", "role": "BE 개발자", "status": "succeeded", "elapsed": 281, "estimate": 300},
    {"title": "Frontend 로컬 빌드", "role": "FE 개발자", "status": "succeeded", "elapsed": 217, "estimate": 180},
    {
        "title": "Backend 서비스 중단",
        "role": "DevOps",
        "status": "succeeded",
        "elapsed": 4,
        "estimate": 60,
        "opens_downtime": True,
        "down": "first",
    },
    {
        "title": "Frontend 서비스 중단",
        "role": "DevOps",
        "status": "succeeded",
        "elapsed": 3,
        "estimate": 60,
        "down": "middle",
    },
    {
        "title": "Backend jar 전송",
        "role": "BE 개발자",
        "status": "succeeded",
        "elapsed": 82,
        "estimate": 120,
        "note": "84.2 MB",
        "down": "middle",
    },
    {
        "title": "Frontend 빌드 결과 전송",
        "role": "FE 개발자",
        "status": "succeeded",
        "elapsed": 159,
        "estimate": 120,
        "attempts": "1차 실패 · 2차 성공",
        "attempts_state": "failed",
        "down": "middle",
    },
    {
        "title": "DB 스키마 변경",
        "role": "DevOps",
        "status": "skipped",
        "elapsed": None,
        "estimate": 120,
        "skipped_because": "스키마 변경 없음",
        "down": "middle",
    },
    {
        "title": "Backend 서비스 시작",
        "role": "DevOps",
        "status": "running",
        "elapsed": 32,
        "estimate": 60,
        "ticking": True,
        "down": "middle",
        "open": True,
        "body": "components/log_pane.html",
    },
    {
        "title": "Frontend 서비스 시작",
        "role": "DevOps",
        "status": "pending",
        "elapsed": None,
        "estimate": 60,
        "closes_downtime": True,
        "down": "last",
        "down_todo": True,
    },
    {"title": "Health Check 확인", "role": "DevOps", "status": "pending", "elapsed": None, "estimate": 120},
    {"title": "로그 모니터링", "role": "전체팀", "status": "pending", "elapsed": None, "estimate": 600},
    {"title": "서비스 정상화 공지", "role": "운영팀", "status": "pending", "elapsed": None, "estimate": 120},
]
for number, step in enumerate(STEPS, start=1):
    step.update(key=f"s{number}", number=number)

PHASES = [
    ("준비", "DB 백업", "succeeded", STEPS[:4], 738, 960),
    ("중단", "점검 페이지 활성화", "succeeded", STEPS[4:6], 7, 120),
    ("교체", "새 코드/DB 반영", "running", STEPS[6:11], 192, 480),
    ("검증", "내부 기능 확인", "pending", STEPS[11:13], None, 720),
    ("완료", "서비스 개방", "pending", STEPS[13:], None, 120),
]

LOG = """\x1b[2m$\x1b[0m sudo systemctl start spring-boot
  .   ____          _            __ _ _
 /\\\\ / ___'_ __ _ _(_)_ __  __ _ \\ \\ \\ \\
( ( )\\___ | '_ | '_| | '_ \\/ _` | \\ \\ \\ \\
 \x1b[32m:: Spring Boot ::\x1b[0m                \x1b[2m(v3.5.7)\x1b[0m
\x1b[32mINFO\x1b[0m  \x1b[35m18342\x1b[0m \x1b[2m---\x1b[0m \x1b[36mc.wiki.App\x1b[0m : Starting with profile "prod"
\x1b[32mINFO\x1b[0m  \x1b[35m18342\x1b[0m \x1b[2m---\x1b[0m \x1b[36mcom.hikari\x1b[0m : HikariPool-1 - Starting...
\x1b[33mWARN\x1b[0m  \x1b[35m18342\x1b[0m \x1b[2m---\x1b[0m \x1b[36mcom.hikari\x1b[0m : HikariPool-1 took 912 ms
\x1b[31mERROR\x1b[0m \x1b[35m18342\x1b[0m \x1b[2m---\x1b[0m 한글 오류 <script>alert(1)</script> & 'quotes'
10%\r40%\r\x1b[1m100%\x1b[0m done
\x1b[34mhttps://example.test\x1b[0m \x1b[4munderlined\x1b[0m
"""


def log_answer(text: bytes, from_line: int, count: int, *, complete: bool = False) -> dict[str, Any]:
    """The answer of the lines URL for a log of these bytes."""
    lines = text.splitlines(keepends=True) if b"\r" not in text else text.split(b"\n")
    if b"\r" in text:
        lines = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    chosen = lines[from_line - 1 : from_line - 1 + count]
    return {
        # Without their newlines, as the store gives them.
        "lines": [
            {
                "n": from_line + place,
                "at": "2026-11-24T17:13:53.412Z",
                "data": base64.b64encode(line.removesuffix(b"\n")).decode(),
            }
            for place, line in enumerate(chosen)
        ],
        "total_lines": len(lines),
        "size": len(text),
        "complete": complete,
    }


def samples(up: int, down: int) -> list[str]:
    """Sixty probes: `up` answered, then `down` did not."""
    return ["up"] * up + ["down"] * down + ["none"] * (60 - up - down)


class Person:
    """A signed-in reader, without a database."""

    is_authenticated = True

    def __str__(self) -> str:
        return "김민준"

    def __getitem__(self, key: slice) -> str:
        return str(self)[key]

    def get_role_display(self) -> str:
        """The role shown under the name."""
        return "DevOps"


def context() -> dict[str, Any]:
    """Everything that the gallery's pages need."""
    phases = [
        {
            "title": title,
            "subtitle": subtitle,
            "state": state,
            "steps": steps,
            "elapsed": elapsed,
            "estimate": estimate,
            "down": title == "교체",
        }
        for title, subtitle, state, steps, elapsed, estimate in PHASES
    ]
    return {
        "user": Person(),
        "zone": ZONE,
        "now_ms": int(NOON.timestamp() * 1000),
        "phases": phases,
        "every_state": [
            "succeeded",
            "running",
            "waiting",
            "failed",
            "unknown",
            "skipped",
            "pending",
            "cancelled",
            "errored",
            "timed_out",
            "lost",
            "dispatching",
            "cancelling",
            "draft",
        ],
        "state_steps": [
            {
                "key": f"x-{code}",
                "number": place,
                "title": STEPS[place]["title"],
                "role": STEPS[place]["role"],
                "note": code,
                "status": code,
                "elapsed": 40 if code != "pending" else None,
                "estimate": 60,
            }
            for place, code in enumerate(
                [
                    "pending",
                    "running",
                    "waiting",
                    "succeeded",
                    "failed",
                    "errored",
                    "timed_out",
                    "unknown",
                    "lost",
                    "skipped",
                    "cancelled",
                    "dispatching",
                    "cancelling",
                ]
            )
        ],
        "broken": [
            dict(phase, state=state)
            for phase, state in zip(phases, ["succeeded", "succeeded", "unknown", "failed", "pending"], strict=True)
        ],
        "branch": {"title": "긴급 복구", "subtitle": "백업본으로 원복", "state": "off"},
        "hot_branch": {"title": "긴급 복구", "subtitle": "백업본으로 원복", "state": "waiting"},
        "downtime": {
            "elapsed": 198.4,
            "ticking": True,
            "budget": 600,
            "label": "다운타임 · 실측 중",
            "planned": 480,
            "planned_note": "5–11단계",
            "marked": 199,
            "marked_note": "02:11:06부터",
            "measured": 198,
            "measured_note": "02:11:07부터",
            "opens_at": "02:16",
            "lost_requests": 33,
            "over": None,
        },
        "amber": {"elapsed": 492, "budget": 600, "label": "다운타임", "planned": 480, "lost_requests": None},
        "red": {
            "elapsed": 634.7,
            "budget": 600,
            "label": "다운타임",
            "planned": 480,
            "over": 34.7,
            "lost_requests": None,
        },
        "now": {"label": "10 Backend 서비스 시작", "elapsed": 32, "estimate": 60, "ticking": True, "state": "running"},
        "next": {"label": "11 Frontend 서비스 시작", "estimate": 60, "mark": "다운타임 종료"},
        "progress": {
            "done": 9,
            "total": 14,
            "elapsed": 862,
            "estimate": 2280,
            "state": "running",
            "ends": "02:30",
            "note": "8분 빠름",
        },
        "pane": {
            "attempt": 12,
            "number": 1,
            "step_key": "s10",
            "step_title": "Backend 서비스 시작",
            "host": "prod-1",
            "total_lines": 11,
            "zone": ZONE,
            "lines_url": "/attempts/12/log",
            "raw_url": "/attempts/12/raw",
        },
        "probes": [
            {
                "name": "Backend",
                "address": ":8080/health",
                "state": "failed",
                "word": "응답 없음 3:18",
                "samples": samples(22, 38),
                "spoken": "최근 5분. 02:11:07부터 응답 없음",
            },
            {
                "name": "데이터베이스",
                "address": ":5432",
                "state": "succeeded",
                "word": "정상 · 3 ms",
                "samples": samples(60, 0),
                "spoken": "정상",
            },
            {
                "name": "AI",
                "address": "GPU 대기",
                "state": "pending",
                "word": "측정 안 함",
                "samples": samples(0, 0),
                "spoken": "측정 안 함",
            },
        ],
        "people": [
            {"name": "김민준", "role": "DevOps", "note": "시작한 사람"},
            {"name": "이서연", "role": "DevOps", "note": "승인한 사람"},
        ],
        "events": [
            {"state": "running", "text": "10단계 시작", "moment": NOON},
            {"icon": "user", "person": "최유나", "text": "8단계 다시 시도", "moment": NOON},
            {"icon": "eye", "text": "첫 응답 실패: 다운타임 측정 시작", "moment": NOON},
        ],
        **plan_context(),
    }


def plan_context() -> dict[str, Any]:
    """What the parts of the plan's page need."""
    return {
        "blockers": [
            {
                "state": "failed",
                "title": "백업 증거가 오래됨",
                "detail": "기존 파일 백업은 26시간 전 것입니다. 기준은 24시간 이내.",
                "action_label": "다시 백업",
                "action_url": "/x",
                "action_icon": "refresh-cw",
                "action_method": "post",
            },
            {
                "state": "waiting",
                "title": "승인 1건 부족",
                "detail": "운영은 요청자가 아닌 2명의 승인이 필요합니다.",
                "action_label": "박지호에게 알림",
                "action_url": "/x",
                "action_icon": "bell",
                "action_method": "get",
            },
            {"state": "pending", "title": "배포 시간대가 아님", "detail": "매주 수요일 02:00~03:00."},
        ],
        "passed": ["다른 배포 없음", "잠금 없음", "호스트 키 고정됨: prod-1", "디스크 여유 61 GB"],
        "items": [
            {
                "key": "git",
                "title": "배포할 코드의 Git 브랜치/커밋 확인",
                "state": "ticked",
                "proved_by": "check",
                "evidence": ["main = a41f9c2", "태그 v2.8.0과 일치"],
                "moment": NOON,
                "zone": ZONE,
                "may_change": True,
            },
            {
                "key": "schema",
                "title": "DB 스키마 변경 여부 확인",
                "state": "ticked",
                "proved_by": "person",
                "person": "이서연",
                "note": "변경 없음",
                "moment": NOON,
                "zone": ZONE,
                "may_change": True,
                "untick_url": "/x",
            },
            {
                "key": "build",
                "title": "로컬 빌드 성공 확인",
                "state": "open",
                "proved_by": "person",
                "may_change": True,
                "tick_url": "/x",
            },
            {
                "key": "backup",
                "title": "기존 파일 백업",
                "state": "failed",
                "proved_by": "check",
                "problem": "오래됨: 26시간 전 · 기준 24시간",
                "may_change": True,
                "prove_url": "/x",
            },
        ],
        "approvals": [
            {
                "person": "이서연",
                "role": "DevOps",
                "state": "succeeded",
                "word": "승인",
                "digest": "7c1e41d29b04",
                "moment": NOON,
                "zone": ZONE,
            },
            {
                "person": "박지호",
                "role": "BE 개발자",
                "state": "waiting",
                "word": "승인 기다림",
                "digest": "7c1e41d29b04",
                "url": "/x",
            },
        ],
        "hunks": [
            {
                "title": "7단계 Backend jar 전송",
                "lines": [
                    {"number": 13, "kind": "same", "text": "npm install && npm run build"},
                    {"number": 14, "kind": "del", "text": "scp app.jar deploy@prod-1:/app/backend/  # 2.7.3"},
                    {"number": 14, "kind": "add", "text": "scp app.jar deploy@prod-1:/app/backend/  # 2.8.0"},
                ],
            },
        ],
        "unknown_panel": {
            "facts": [
                {"label": "마지막으로 아는 것", "text": "02:12:31 전송 71% (1,204 / 1,697 파일)"},
                {"label": "다시 이어 보기", "text": "02:13:14 연결됨. 래퍼의 종료 코드 파일이 없음"},
            ],
            "url": "/x",
            "version": 4,
            "idempotent": True,
            "step_key": "u",
            "may_decide": True,
        },
        "failed_panel": {
            "heading": "이 단계가 실패해서 배포가 멈췄습니다.",
            "detail": "exit 1",
            "mend": "로그를 보세요.",
            "step_key": "f",
            "version": 4,
            "retry_url": "/x",
            "skip_url": "/x",
            "may_decide": True,
        },
        "manual_panel": {
            "heading": "로그를 함께 보고 확인해 주세요.",
            "instructions": "10분 동안 Critical이 없어야 합니다.",
            "url": "/x",
            "version": 4,
            "step_key": "m",
            "takes_file": True,
            "may_decide": True,
        },
        "dialog": {
            "id": "ask-cancel",
            "title": "배포를 취소할까요?",
            "text": "원격 작업이 끝납니다.",
            "url": "/x",
            "label": "배포 취소",
            "icon": "ban",
            "kind": "danger",
            "asks_reason": True,
            "confirm_name": "운영",
        },
        "editor": {
            "name": "text",
            "label": "YAML",
            "check_url": "/check",
            "value": "kind: deploy\nstepz:\n  - key: a\n",
            "errors": [{"line": 2, "column": 1, "message": "unknown key stepz", "mend": "Write steps."}],
        },
        "empty": {
            "icon": "package",
            "title": "아직 릴리스가 없습니다",
            "text": "커밋과 산출물로 릴리스를 만드세요.",
            "action_label": "릴리스 만들기",
            "action_url": "/x",
            "action_icon": "plus",
        },
        "budget": {
            "title": "배포 다운타임",
            "limit": "한도 50:00",
            "figure": "38:43",
            "part": 2323,
            "whole": 3000,
            "tick": 2900,
            "state": "running",
            "note": "잃은 요청 약 387건",
        },
        "service": {
            "name": "위키 화면",
            "state": "succeeded",
            "word": "정상",
            "days": (["up"] * 6 + ["planned"]) * 12 + ["down"] * 6,
            "share": "99.93%",
            "spoken": "최근 90일",
        },
        "dock": {
            "clock_label": "다운타임 / 10:00",
            "clock_ms": 198400,
            "clock_text": "3:18",
            "ticking": True,
            "place_label": "지금 단계로 ↓",
            "place_text": "10 / 14",
            "place_href": "#step-s10",
            "action_label": "배포 취소…",
            "action_icon": "ban",
            "action_kind": "stop",
            "action_dialog": "ask-cancel",
        },
    }
