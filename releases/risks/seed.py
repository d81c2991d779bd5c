"""The eight views of the team's own document (3.2.2), word for word in Korean, and in English."""

from dataclasses import dataclass
from typing import Final

from releases.models.choices import in_reader_language


@dataclass(frozen=True)
class Text:
    """One text in both languages."""

    ko: str
    en: str

    def __str__(self) -> str:
        return in_reader_language(self.ko, self.en)


@dataclass(frozen=True)
class Row:
    """One line of a view: a problem and its description."""

    key: str
    problem: Text
    description: Text


@dataclass(frozen=True)
class View:
    """One of the eight."""

    key: str
    title: Text
    rows: tuple[Row, ...]
    remark: Text


def _row(key: str, problem_ko: str, text_ko: str, problem_en: str, text_en: str) -> Row:
    return Row(key, Text(problem_ko, problem_en), Text(text_ko, text_en))


VIEWS: Final = (
    View(
        "network",
        Text("네트워크/보안 관점", "Network and security"),
        (
            _row(
                "public_database",
                "퍼블릭 서브넷 DB 존재",
                "인바운드 규칙 실수 시 즉시 공격 대상 노출",
                "The database is in a public subnet",
                "One mistake in the inbound rules makes it a target at once",
            ),
            _row(
                "secrets",
                "키/시크릿 관리",
                ".env 방식의 느슨한 관리로 유출 리스크, 휴먼 에러 가능성",
                "Keys and secrets",
                "Loose handling in .env files: leaks and human error",
            ),
            _row(
                "boundary",
                "보안 경계가 얇음",
                "애플리케이션 계층에서만 방어, 네트워크 레벨 방어 약함",
                "The security boundary is thin",
                "Defended in the application only, weakly on the network",
            ),
            _row(
                "tls",
                "TLS/인증서/도메인 운영",
                "직접 인증서 갱신/리다이렉트 처리 시 실수 여지",
                "TLS, certificates, domains",
                "Renewing certificates and redirects by hand leaves room for mistakes",
            ),
            _row(
                "ai_surface",
                "AI 서버 공격면",
                "퍼블릭 노출 시 비용형 공격에 취약 → 비용 폭발 위험",
                "What an AI server exposes",
                "In public, it is open to attacks on cost: the bill may explode",
            ),
        ),
        Text(
            "기능 개발 속도는 빠르지만, 보안 사고는 한 번이면 서비스 신뢰가 끝날 수 있음",
            "Features come fast, but one security incident may end the trust in the service",
        ),
    ),
    View(
        "availability",
        Text("가용성/장애 격리 관점", "Availability and isolation of faults"),
        (
            _row(
                "single_point",
                "단일 장애 지점",
                "EC2 한 대 장애 시 API/Front/DB 동시 다운",
                "A single point of failure",
                "When the one EC2 fails, API, front and DB are down at once",
            ),
            _row(
                "cascade",
                "연쇄 장애",
                "DB I/O 상승 → API 지연 → 벡터 검색 타임아웃 → 전체 장애",
                "Faults in a chain",
                "DB I/O rises → the API slows → vector search times out → everything is down",
            ),
            _row(
                "recovery_time",
                "복구 시간",
                "수동 대응으로 MTTR이 운에 좌우됨",
                "Time to recover",
                "Answered by hand, so the MTTR is a matter of luck",
            ),
        ),
        Text(
            "문제 파악은 빠르지만, 장애 영향 범위가 전체",
            "Problems are found fast, but a fault hits everything",
        ),
    ),
    View(
        "performance",
        Text("성능/리소스 경쟁 관점", "Performance and competing for resources"),
        (
            _row(
                "contention",
                "CPU/메모리/디스크/IO 경쟁",
                "DB(디스크+벡터 검색) + Spring(CPU) + Front 빌드가 한 머신에서 경쟁",
                "Competing for CPU, memory, disk, I/O",
                "DB (disk and vector search), Spring (CPU) and front builds compete on one machine",
            ),
            _row(
                "vector_search",
                "벡터 검색 성능",
                "pgvector HNSW 인덱스 메모리 사용량 증가 시 일반 쿼리와 경쟁",
                "Speed of vector search",
                "As pgvector's HNSW indexes need more memory, they compete with ordinary queries",
            ),
            _row(
                "delays",
                "간헐적 지연",
                "가끔 5~10초 같은 디버깅 어려운 증상 증가",
                "Delays now and then",
                "More symptoms that are hard to debug, such as 5 to 10 seconds at times",
            ),
            _row(
                "descriptors",
                "커넥션/파일 디스크립터 한계",
                "WebSocket/동시 접속 증가 시 OS 튜닝 없이는 한계",
                "Limits of connections and file descriptors",
                "With more WebSockets and users at once, the OS needs tuning",
            ),
        ),
        Text("", ""),
    ),
    View(
        "scalability",
        Text("확장성 관점", "Scalability"),
        (
            _row(
                "horizontal",
                "수평 확장 불가",
                "DB가 로컬이면 API 인스턴스 증설 불가 (데이터가 묶임)",
                "It can't grow sideways",
                "With a local DB no API instance can be added (the data is tied to it)",
            ),
            _row(
                "zero_downtime",
                "무중단 배포 불가",
                "인스턴스가 하나면 배포 시 서비스 전체 영향",
                "No deployment without downtime",
                "With one instance a deployment hits the whole service",
            ),
        ),
        Text(
            "트래픽이 조금 늘 때는 버티지만, 확장은 구조 변경을 요구",
            "It bears a little more traffic, but growing asks for another structure",
        ),
    ),
    View(
        "operations",
        Text("배포/운영(DevOps) 관점", "Deployment and operations (DevOps)"),
        (
            _row(
                "human_error",
                "인적 오류 리스크",
                "순서 실수, 환경변수 누락, 롤백 미흡",
                "Human error",
                "Wrong order, missing variables, poor rollbacks",
            ),
            _row(
                "rollback",
                "롤백 어려움",
                "한 덩어리로 배포하면 일부만 되돌리기 어려움",
                "Rolling back is hard",
                "Deployed as one lump, a part is hard to take back",
            ),
            _row(
                "observability",
                "관측 한계",
                "트래픽이 늘면 어떤 요청이 문제인지 트레이싱 없어 한계",
                "Little can be seen",
                "With more traffic and no tracing, which request is the problem stays unknown",
            ),
        ),
        Text(
            "초기엔 단순함이 장점이지만, 배포 빈도가 올라가면 곧 리스크가 됨",
            "Simple is good at first, but with more deployments it soon is a risk",
        ),
    ),
    View(
        "backup",
        Text("데이터/백업/복구 관점", "Data, backup, recovery"),
        (
            _row(
                "backups",
                "백업/복구",
                "자동 백업 없으면 사고 시 복구가 느림",
                "Backup and recovery",
                "Without automatic backups recovery is slow",
            ),
            _row(
                "data_loss",
                "데이터 손실 리스크",
                "인스턴스 디스크 장애, 삭제 실수 시 치명적",
                "Loss of data",
                "A broken disk of the instance, or something deleted by mistake, is fatal",
            ),
        ),
        Text("", ""),
    ),
    View(
        "cost",
        Text("비용 관점", "Cost"),
        (
            _row(
                "cheap_at_first",
                "초기엔 저렴",
                "인스턴스 1~2대로 종료",
                "Cheap at first",
                "One or two instances are all",
            ),
            _row(
                "explosion",
                "장애/공격 시 비용 폭발",
                "퍼블릭 노출 + AI 추론 엔드포인트 = 요청 폭탄 → 비용 폭발",
                "Costs explode by a fault or an attack",
                "In public + an AI endpoint = a flood of requests → the bill explodes",
            ),
            _row(
                "scale_up",
                "스케일업 단가 상승",
                "어느 순간 큰 인스턴스로 점프 필요",
                "Scaling up gets dearer",
                "At some point it takes a jump to a big instance",
            ),
        ),
        Text("", ""),
    ),
    View(
        "trust",
        Text("컴플라이언스/신뢰 관점", "Compliance and trust"),
        (
            _row(
                "explaining",
                "퍼블릭 DB는 설명이 어려움",
                "사용자 데이터/결제/정산이 들어가면 퍼블릭 DB는 설명이 어려움",
                "A public DB is hard to explain",
                "With users' data, payments and settlements in it, a public DB is hard to explain",
            ),
            _row(
                "assessment",
                "보안 감사/평가에서 감점 포인트",
                "보안 감사/평가에서 감점 포인트",
                "It costs points in security audits",
                "It costs points in security audits and assessments",
            ),
        ),
        Text("기술이 문제가 아니라 신뢰 문제", "Not a matter of technology but of trust"),
    ),
)
VIEW_OF: Final = {row.key: view.key for view in VIEWS for row in view.rows}
VIEW: Final = {view.key: view for view in VIEWS}
