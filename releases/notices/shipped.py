"""The words that a new announcement begins with, by kind and stage, until a project writes its own."""

from typing import Final, NamedTuple

from releases.models import Announcement, Stage


class Words(NamedTuple):
    """A title and a text in both languages."""

    title_ko: str
    title_en: str
    body_ko: str
    body_en: str

    @classmethod
    def of(cls, row: Announcement) -> "Words":
        """The words that an announcement has."""
        return cls(row.title_ko, row.title_en, row.body_ko, row.body_en)


_PEOPLE_AT_IT_KO = "담당자가 확인하고 있습니다. 정상화되면 다시 알려 드리겠습니다."
_PEOPLE_AT_IT_EN = "People are at it. We will tell you when all is well again."
_NO_CHANGE_KO = "서비스는 바뀌지 않았으며 계속 이용할 수 있습니다."
_NO_CHANGE_EN = "Nothing was changed; the service goes on as before."
_KIND, _STAGE = Announcement.Kind, Stage

SHIPPED: Final[dict[tuple[str, str], Words]] = {
    (_KIND.DEPLOY, _STAGE.SCHEDULED): Words(
        "서비스 점검 안내 ({version})",
        "Scheduled maintenance ({version})",
        "새 버전을 배포합니다. 약 {downtime_minutes}분 동안 서비스를 이용하지 못할 수 있습니다.",
        "A new version will be deployed. The service may be unavailable for about {downtime_minutes} minutes.",
    ),
    (_KIND.DEPLOY, _STAGE.IN_PROGRESS): Words(
        "서비스 점검 중 ({version})",
        "Maintenance in progress ({version})",
        "새 버전을 배포하고 있습니다. 그동안 서비스를 이용하지 못할 수 있습니다.",
        "A new version is being deployed. Meanwhile the service may be unavailable.",
    ),
    (_KIND.DEPLOY, _STAGE.TROUBLE): Words(
        "서비스 점검 지연 안내",
        "Maintenance takes longer than planned",
        f"배포 중에 문제가 생겼습니다. {_PEOPLE_AT_IT_KO}",
        f"A problem came up during the deployment. {_PEOPLE_AT_IT_EN}",
    ),
    (_KIND.DEPLOY, _STAGE.VERIFYING): Words(
        "서비스 점검 마무리 ({version})",
        "Maintenance nearly finished ({version})",
        "서비스를 다시 이용할 수 있습니다. 새 버전이 잘 작동하는지 확인하고 있습니다.",
        "The service is available again. We are checking that the new version works well.",
    ),
    (_KIND.DEPLOY, _STAGE.DONE): Words(
        "서비스 정상화 안내 ({version})",
        "Maintenance finished ({version})",
        "배포가 끝나 서비스를 정상적으로 이용할 수 있습니다.",
        "The deployment has finished and the service is available again.",
    ),
    (_KIND.DEPLOY, _STAGE.CANCELLED): Words(
        "서비스 점검 취소 안내",
        "Maintenance called off",
        f"예정된 배포를 진행하지 않습니다. {_NO_CHANGE_KO}",
        f"The planned deployment does not take place. {_NO_CHANGE_EN}",
    ),
    (_KIND.ROLLBACK, _STAGE.SCHEDULED): Words(
        "이전 버전으로 되돌립니다",
        "Going back to the version before",
        "약 {downtime_minutes}분 동안 서비스를 이용하지 못할 수 있습니다.",
        "The service may be unavailable for about {downtime_minutes} minutes.",
    ),
    (_KIND.ROLLBACK, _STAGE.IN_PROGRESS): Words(
        "이전 버전으로 되돌리고 있습니다",
        "Going back to the version before",
        "새 버전에 문제가 있어 이전 버전으로 되돌리는 중입니다. 그동안 서비스를 이용하지 못할 수 있습니다.",
        "The new version has a problem, so we are going back to the one before. Meanwhile the service may be away.",
    ),
    (_KIND.ROLLBACK, _STAGE.TROUBLE): Words(
        "복구 지연 안내",
        "The recovery takes longer than planned",
        f"이전 버전으로 되돌리는 중에 문제가 생겼습니다. {_PEOPLE_AT_IT_KO}",
        f"A problem came up while going back to the version before. {_PEOPLE_AT_IT_EN}",
    ),
    (_KIND.ROLLBACK, _STAGE.VERIFYING): Words(
        "이전 버전으로 되돌렸고 확인하고 있습니다",
        "The version before is back and is being checked",
        "서비스를 다시 이용할 수 있습니다. 잘 작동하는지 확인하고 있습니다.",
        "The service is available again. We are checking that it works well.",
    ),
    (_KIND.ROLLBACK, _STAGE.DONE): Words(
        "이전 버전으로 되돌렸습니다",
        "The version before is back",
        "이전 버전이 다시 서비스되고 있습니다.",
        "The version before is in service again.",
    ),
    (_KIND.ROLLBACK, _STAGE.CANCELLED): Words(
        "되돌리기 취소 안내",
        "Not going back",
        f"이전 버전으로 되돌리지 않습니다. {_NO_CHANGE_KO}",
        f"We do not go back to the version before. {_NO_CHANGE_EN}",
    ),
    (_KIND.GPU, _STAGE.SCHEDULED): Words(
        "AI 기능 점검 안내",
        "AI features: scheduled maintenance",
        "AI 모델을 교체합니다. 서비스는 계속 이용할 수 있으며 AI 기능의 첫 응답이 느릴 수 있습니다.",
        "The AI model will be replaced. The service stays available; first answers of AI features may be slow.",
    ),
    (_KIND.GPU, _STAGE.IN_PROGRESS): Words(
        "AI 기능 점검 중",
        "AI features: maintenance in progress",
        "AI 모델을 교체하고 있습니다. 잠시 AI 기능의 응답이 느리거나 실패할 수 있습니다.",
        "The AI model is being replaced. AI features may be slow or fail for a moment.",
    ),
    (_KIND.GPU, _STAGE.TROUBLE): Words(
        "AI 기능 점검 지연 안내",
        "AI features: maintenance takes longer than planned",
        f"AI 모델을 교체하는 중에 문제가 생겼습니다. {_PEOPLE_AT_IT_KO}",
        f"A problem came up while the AI model was being replaced. {_PEOPLE_AT_IT_EN}",
    ),
    (_KIND.GPU, _STAGE.VERIFYING): Words(
        "AI 기능 점검 마무리",
        "AI features: maintenance nearly finished",
        "AI 기능을 다시 이용할 수 있습니다. 잘 작동하는지 확인하고 있습니다.",
        "AI features are available again. We are checking that they work well.",
    ),
    (_KIND.GPU, _STAGE.DONE): Words(
        "AI 기능 정상화 안내",
        "AI features: maintenance finished",
        "점검이 끝나 AI 기능을 정상적으로 이용할 수 있습니다.",
        "The maintenance has finished and AI features work as usual.",
    ),
    (_KIND.GPU, _STAGE.CANCELLED): Words(
        "AI 기능 점검 취소 안내",
        "AI features: maintenance called off",
        f"예정된 점검을 진행하지 않습니다. {_NO_CHANGE_KO}",
        f"The planned maintenance does not take place. {_NO_CHANGE_EN}",
    ),
    (_KIND.MAINTENANCE, _STAGE.SCHEDULED): Words(
        "{project} 점검 안내",
        "{project}: scheduled maintenance",
        "{starts_at}부터 약 {downtime_minutes}분 동안 서비스를 이용하지 못할 수 있습니다.",
        "From {starts_at} the service may be unavailable for about {downtime_minutes} minutes.",
    ),
    (_KIND.MAINTENANCE, _STAGE.IN_PROGRESS): Words(
        "{project} 점검 중",
        "{project}: maintenance in progress",
        "점검하고 있습니다. 그동안 서비스를 이용하지 못할 수 있습니다.",
        "Maintenance is in progress. Meanwhile the service may be unavailable.",
    ),
    (_KIND.MAINTENANCE, _STAGE.TROUBLE): Words(
        "{project} 점검 지연 안내",
        "{project}: maintenance takes longer than planned",
        f"점검이 계획보다 길어지고 있습니다. {_PEOPLE_AT_IT_KO}",
        f"The maintenance takes longer than planned. {_PEOPLE_AT_IT_EN}",
    ),
    (_KIND.MAINTENANCE, _STAGE.VERIFYING): Words(
        "{project} 점검 마무리",
        "{project}: maintenance nearly finished",
        "서비스를 다시 이용할 수 있습니다. 잘 작동하는지 확인하고 있습니다.",
        "The service is available again. We are checking that it works well.",
    ),
    (_KIND.MAINTENANCE, _STAGE.DONE): Words(
        "{project} 점검 완료",
        "{project}: maintenance finished",
        "점검이 끝나 서비스를 정상적으로 이용할 수 있습니다.",
        "The maintenance has finished and the service is available as usual.",
    ),
    (_KIND.MAINTENANCE, _STAGE.CANCELLED): Words(
        "{project} 점검 취소 안내",
        "{project}: maintenance called off",
        f"예정된 점검을 진행하지 않습니다. {_NO_CHANGE_KO}",
        f"The planned maintenance does not take place. {_NO_CHANGE_EN}",
    ),
    (_KIND.INCIDENT, _STAGE.SCHEDULED): Words(
        "{project} 장애가 예상됩니다",
        "{project}: a disruption is expected",
        "서비스 이용에 문제가 생길 수 있습니다.",
        "The service may be disrupted.",
    ),
    (_KIND.INCIDENT, _STAGE.IN_PROGRESS): Words(
        "{project} 장애 안내",
        "{project}: disruption",
        f"서비스 이용에 문제가 있습니다. {_PEOPLE_AT_IT_KO}",
        f"The service is disrupted. {_PEOPLE_AT_IT_EN}",
    ),
    (_KIND.INCIDENT, _STAGE.TROUBLE): Words(
        "{project} 장애 지속 안내",
        "{project}: the disruption goes on",
        f"아직 해결되지 않았습니다. {_PEOPLE_AT_IT_KO}",
        f"It is not solved yet. {_PEOPLE_AT_IT_EN}",
    ),
    (_KIND.INCIDENT, _STAGE.VERIFYING): Words(
        "{project} 장애 조치 후 확인 중",
        "{project}: mended and being checked",
        "조치를 마치고 서비스가 잘 작동하는지 확인하고 있습니다.",
        "A mend is in place. We are checking that the service works well.",
    ),
    (_KIND.INCIDENT, _STAGE.DONE): Words(
        "{project} 장애 해결",
        "{project}: disruption solved",
        "문제가 해결되어 서비스를 정상적으로 이용할 수 있습니다.",
        "The problem is solved and the service is available as usual.",
    ),
    (_KIND.INCIDENT, _STAGE.CANCELLED): Words(
        "{project} 장애 공지 취소",
        "{project}: no disruption",
        "확인한 결과 서비스에 문제가 없었습니다.",
        "We looked into it: the service was not disrupted.",
    ),
}
