"""What the components show in the gallery: the seed's deployment, half way, with every state somewhere."""

from typing import Any

from tests.browser.sample_plan import NOON, ZONE, plan_context

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


def samples(up: int, down: int) -> list[str]:
    """Sixty probes: `up` answered, then `down` did not."""
    return ["up"] * up + ["down"] * down + ["none"] * (60 - up - down)


class Person:
    """A signed-in reader, without a database."""

    is_authenticated = sees_system = True

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
