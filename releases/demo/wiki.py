"""The demo's wiki: the team's first document as pages with live tables, and pages that a team writes beside them."""

from typing import Final

from releases.audit import THE_SYSTEM
from releases.engine import wiki as verbs
from releases.models import Project
from releases.wiki import importing, seed

ON_CALL: Final = (
    {
        "title_ko": "당직과 연락처",
        "title_en": "On call and contacts",
        "body_ko": """배포가 잘못되면 [[2.4 롤백 절차]] 페이지를 먼저 봅니다.

| 언제 | 누가 | 무엇을 |
| --- | --- | --- |
| 배포 중 | DevOps 담당자 2명 | 배포, 롤백 |
| 배포 뒤 10분 | 전체팀 | 로그 모니터링 |
| 그 밖 | 운영팀 | 공지, 문의 응대 |

## 지금의 서비스

{{live: services}}

## 서버

{{live: hosts}}
""",
        "body_en": """When a deployment goes wrong, read [the rollback procedure](page:2-4-롤백-절차) first.

| When | Who | What |
| --- | --- | --- |
| During a deployment | the two DevOps engineers | deploy, roll back |
| Ten minutes after it | the whole team | watch the logs |
| At other times | operations | announcements, questions of users |

## The services now

{{live: services}}

## Hosts

{{live: hosts}}
""",
    },
    "on_call",
)
GLOSSARY: Final = (
    {
        "title_ko": "용어",
        "title_en": "Glossary",
        "body_ko": """- **런북**: 적어 둔 절차. 단계마다 담당자와 예상 시간이 있습니다.
- **계획**: 한 릴리스의 런북에 값을 모두 채운 것. 승인은 계획 하나에 대한 것입니다.
- **다운타임 표시**: 런북이 말하는 중단의 시작과 끝. **실측**은 상태 확인이 본 중단입니다.
- **Big Bang**: 전체 시스템을 한 번에 교체하는 배포 방식.

{{live: runbooks}}
""",
        "body_en": """- **Runbook**: the written procedure; each step has an owner and an estimate.
- **Plan**: the runbook of a release with every value filled in. An approval is for one plan.
- **Downtime marks**: where the runbook says that the service is down. **Measured** is what health checks saw.
- **Big Bang**: a deployment that replaces the whole system at once.

{{live: runbooks}}
""",
    },
    "glossary",
)


def load(project: Project) -> None:
    """Make the pages where the project has none yet."""
    if project.wiki_pages.exists():
        return
    verbs.import_pages(project, importing.split(seed.document(), seed.english()), THE_SYSTEM)
    for texts, kind in (ON_CALL, GLOSSARY):
        verbs.create_page(project, texts, "", None, kind, THE_SYSTEM)
