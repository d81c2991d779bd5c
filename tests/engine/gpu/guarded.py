"""An environment whose endpoints are watched: rows with endpoints at the emulator, made without any step."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
from django.db.models import F

from releases import lifecycle, secrets
from releases.endpoints import accounts, specs
from releases.engine import clock, gpu_watch
from releases.models import AuditEvent, Deployment, EndpointState, GpuAccount, GpuEndpoint, GpuSettings, GpuSpec
from tests.emulators.runpod import RunPod
from tests.emulators.runpod.endpoint import Endpoint
from tests.factories import World

from .specs import spec

COLD = 11  # simulated seconds from the first job to an idle worker: pulling, starting, answering
PRICE = Decimal("0.684")  # of a worker on the dearest card of the pool
SPEC = specs.written(
    GpuSpec(image="runpod/worker-v1-vllm:v2.25.2", model="Qwen/Qwen2.5-7B-Instruct", pools=["AMPERE_24"])
)


class Guarded:
    """`runpod`: an emulator whose time stands still unless it is skipped."""

    def __init__(self, world: World, runpod: RunPod) -> None:
        self.world, self.runpod, self.environment = world, runpod, world.environment
        self.account = self.open_account("team", runpod)
        self.rules = GpuSettings.objects.create(environment=self.environment, account=self.account)
        self._numbers = itertools.count(1)

    def open_account(self, name: str, runpod: RunPod, **changes: Any) -> GpuAccount:
        values = {
            "control_url": runpod.control_url,
            "data_url": runpod.data_url,
            "ciphertext": secrets.seal(runpod.key),
        }
        return GpuAccount.objects.create(
            project=self.world.project, name=name, key_version=1, worker_quota=5, **{**values, **changes}
        )

    def budget(self, **budgets: str) -> None:
        """Set budgets in USD: deployment, day, month."""
        values = {f"budget_{name}": Decimal(amount) for name, amount in budgets.items()}
        GpuSettings.objects.filter(pk=self.rules.pk).update(**values)

    # Endpoints

    def deployment(self, status: str = lifecycle.RUNNING, ended: float = 0) -> Deployment:
        """One that runs, or has ended so many minutes ago."""
        made = self.world.draft()
        now = clock.now()
        values: dict[str, Any] = {"status": status, "started_at": now - timedelta(hours=1)}
        if status in lifecycle.FINISHED:
            values["finished_at"] = now - timedelta(minutes=ended)
        Deployment.objects.filter(pk=made.pk).update(**values)
        return made

    def endpoint(
        self, state: str = EndpointState.ACTIVE, account: GpuAccount | None = None, **changes: Any
    ) -> GpuEndpoint:
        """A row with its endpoint; one that is in use was active before."""
        account = account or self.account
        tag = f"r{next(self._numbers)}"
        with accounts.opened(account) as provider:
            made = provider.create(spec(max_workers=changes.get("max_workers", 2)), tag)
        if state in (EndpointState.ACTIVE, EndpointState.RETAINED):
            changes.setdefault("activated_at", clock.now())
        values: dict[str, Any] = {"max_workers": 2, "price": PRICE, "priced_at": clock.now(), "spec": SPEC, **changes}
        row = GpuEndpoint.objects.create(
            environment=self.environment, account=account, name=made.name, ref=made.id, state=state, **values
        )
        return GpuEndpoint.objects.select_related("account", "environment__project").get(pk=row.pk)

    def age(self, row: GpuEndpoint, **columns: timedelta) -> None:
        """Let what is in these columns have been so much earlier."""
        GpuEndpoint.objects.filter(pk=row.pk).update(**{name: F(name) - by for name, by in columns.items()})

    def there(self, row: GpuEndpoint) -> Endpoint:
        """What the provider has of it."""
        return self.runpod.endpoint(row.ref)

    def ask(self, row: GpuEndpoint, runpod: RunPod | None = None) -> None:
        """A request of a user, by the queue."""
        runpod = runpod or self.runpod
        head = {"Authorization": f"Bearer {runpod.key}"}
        given = {"input": {"messages": [{"role": "user", "content": "What is 2 + 3?"}]}}
        url = f"{runpod.data_url}/{row.ref}/run"
        assert httpx.post(url, json=given, headers=head, trust_env=False).status_code == 200

    def warm(self, row: GpuEndpoint) -> None:
        """Let it have an idle worker."""
        self.ask(row)
        self.runpod.skip(COLD)
        assert self.there(row).summary()["idle"] == 1

    # Time

    def look(self, seconds: float = 60) -> None:
        """The next look, so many seconds after the last one."""
        rows = GpuEndpoint.objects.filter(watched_at__isnull=False)
        rows.update(watched_at=F("watched_at") - timedelta(seconds=seconds))
        gpu_watch.watch()

    def looks(self, number: int, between: Callable[[], None] = lambda: None) -> None:
        for _look in range(number):
            between()
            self.look()


def told(row: GpuEndpoint) -> list[str]:
    """The alarms about it that were audited, by their kind."""
    events = AuditEvent.objects.filter(action="gpu_endpoint.alarm", target_id=str(row.pk)).order_by("sequence")
    return [event.detail["kind"] for event in events]


def actions(row: GpuEndpoint) -> list[str]:
    """What was audited about it."""
    rows = AuditEvent.objects.filter(target_type="gpuendpoint", target_id=str(row.pk)).order_by("sequence")
    return list(rows.values_list("action", flat=True))


def touched(runpod: RunPod, row: GpuEndpoint) -> list[str]:
    """The requests that may change something of an endpoint."""
    return [line for line in runpod.requests if row.ref in line and not line.startswith("GET ")]
