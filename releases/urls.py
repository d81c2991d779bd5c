"""The addresses of the pages. A generated test walks them all with every role."""

from django.urls import URLPattern, URLResolver, path

from releases.api import api
from releases.views import consent, decide, live

app_name = "releases"

deployment_verbs: list[URLPattern | URLResolver] = [
    path("deployments/<int:number>/rebuild", consent.rebuild, name="rebuild"),
    path("deployments/<int:number>/prove", consent.prove_all, name="prove_all"),
    path("deployments/<int:number>/check-hosts", consent.check_hosts, name="check_hosts"),
    path("deployments/<int:number>/approve", consent.approve, name="approve"),
    path("deployments/<int:number>/start", consent.start_deployment, name="start"),
    path("deployments/<int:number>/cancel", decide.cancel, name="cancel"),
    path("approvals/<int:number>/withdraw", consent.withdraw, name="withdraw"),
    path("checklist/<int:number>/tick", consent.tick, name="tick"),
    path("checklist/<int:number>/untick", consent.untick, name="untick"),
    path("checklist/<int:number>/prove", consent.prove, name="prove"),
    path("steps/<int:number>/retry", decide.retry, name="retry"),
    path("steps/<int:number>/skip", decide.skip, name="skip"),
    path("steps/<int:number>/confirm", decide.confirm, name="confirm"),
    path("steps/<int:number>/resolve", decide.resolve, name="resolve"),
]

live_urls: list[URLPattern | URLResolver] = [
    path("deployments/<int:number>/events", live.events, name="events"),
    path("attempts/<int:number>/log", live.log_lines, name="log_lines"),
    path("attempts/<int:number>/log/raw", live.log_raw, name="log_raw"),
    path("attempt-files/<int:number>", live.attempt_file, name="attempt_file"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/", api.urls),
    *deployment_verbs,
    *live_urls,
]
