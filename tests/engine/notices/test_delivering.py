"""The outbox: in order, again after a failure, never twice, and nothing secret in its log."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone
from django.utils.translation import override

from cloudwiki.mail import Mail
from releases.audit import Actor
from releases.engine import channels, delivering
from releases.engine.errors import Conflict
from releases.models import AuditEvent, Channel, Delivery, Notice
from releases.notices import outbox
from tests.engine.notices.conftest import deliver
from tests.engine.notices.receivers import Mailbox, Webhook
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)
Listen = Callable[..., Channel]
SECRETS = ("pass-word-1", "very-secret-path", "secret-relay-name")


@pytest.fixture
def world(data_dir: object) -> World:
    return make_world()


def put(world: World, word: str, event: str = "scheduled") -> Notice:
    words = {"ko": f"{word} 한국어", "en": f"{word} English"}
    return outbox.put(world.project, event, words, {"ko": "본문", "en": "**text**"}, link="/notices/")


def the_one() -> Delivery:
    return Delivery.objects.get()


def test_it_is_sent_again_after_each_failure_with_growing_pauses(
    world: World, webhook: Webhook, listen: Listen
) -> None:
    listen(world.project, webhook.address)
    webhook.answers = [500, 503]
    put(world, "one")
    for attempt, pause, code in ((1, 10, 500), (2, 30, 503)):
        before = timezone.now()
        assert delivering.deliver_due() == 1
        found = the_one()
        assert (found.state, found.attempts, found.claimed_until) == ("pending", attempt, None)
        assert timedelta(seconds=pause - 1) < found.next_at - before < timedelta(seconds=pause + 20)
        with override("ko"):
            assert found.why() == f"수신처의 응답: {code}"
        assert delivering.deliver_due() == 0  # not before its time
        Delivery.objects.update(next_at=timezone.now())
    delivering.deliver_due()
    found = the_one()
    assert (found.state, found.attempts, found.error) == ("sent", 3, "")
    assert webhook.titles == ["one English"]


def test_a_refused_connection_is_tried_again_and_given_up_in_the_end(
    world: World, webhook: Webhook, listen: Listen
) -> None:
    channel = listen(world.project, webhook.address)
    webhook.stop()
    put(world, "one")
    deliver()
    found = the_one()
    assert (found.state, found.attempts) == ("failed", len(delivering.PAUSES) + 1)
    assert "reached" in found.error
    back = Webhook()
    channels.save(channel, Actor(world.requester), back.address, "json")
    delivering.try_again(found, Actor(world.requester))
    deliver()
    assert (the_one().state, back.titles) == ("sent", ["one English"])
    assert AuditEvent.objects.filter(action="delivery.again").count() == 1
    with pytest.raises(Conflict):
        delivering.try_again(the_one(), Actor(world.requester))
    back.stop()


def test_a_channel_is_told_in_order_even_when_the_first_fails(world: World, webhook: Webhook, listen: Listen) -> None:
    listen(world.project, webhook.address)
    webhook.answers = [500]
    for word in ("one", "two", "three"):
        put(world, word)
    assert delivering.deliver_due() == 1
    assert webhook.titles == []
    deliver()
    assert webhook.titles == ["one English", "two English", "three English"]


def test_what_the_receiver_keeps_refusing_holds_up_later_ones_for_a_few_attempts_only(
    world: World, webhook: Webhook, listen: Listen
) -> None:
    listen(world.project, webhook.address)
    webhook.answers = [400] * delivering.HOLDS
    for word in ("one", "two", "three"):
        put(world, word)
    for _attempt in range(delivering.HOLDS):
        assert webhook.titles == []
        Delivery.objects.filter(attempts__gt=0).update(next_at=timezone.now())
        delivering.deliver_due()
    assert webhook.titles == ["two English", "three English"]
    refused = Delivery.objects.get(state="pending")
    assert refused.attempts == delivering.HOLDS
    Delivery.objects.update(next_at=timezone.now())
    delivering.deliver_due()
    assert webhook.titles == ["two English", "three English", "one English"]


def test_one_channel_that_is_away_holds_up_no_other(world: World, webhook: Webhook, listen: Listen) -> None:
    listen(world.project, "json://127.0.0.1:9/nobody")
    listen(world.project, webhook.address, language="ko")
    put(world, "one")
    delivering.deliver_due()
    assert webhook.titles == ["one 한국어"]


def test_ten_workers_send_each_once(world: World, webhook: Webhook, listen: Listen) -> None:
    listen(world.project, webhook.address)
    listen(world.project, webhook.address)
    for number in range(5):
        put(world, str(number))

    def work() -> None:
        for _again in range(20):
            delivering.deliver_due()
        connection.close()

    threads = [threading.Thread(target=work) for _worker in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deliver()
    assert sorted(webhook.titles) == sorted(f"{number} English" for number in range(5) for _channel in range(2))
    assert set(Delivery.objects.values_list("state", "attempts")) == {("sent", 1)}


def test_a_worker_that_died_is_followed_when_its_claim_is_over(world: World, webhook: Webhook, listen: Listen) -> None:
    listen(world.project, webhook.address)
    put(world, "one")
    Delivery.objects.update(claimed_until=timezone.now() + timedelta(minutes=1), attempts=1)
    assert delivering.deliver_due() == 0
    Delivery.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert delivering.deliver_due() == 1
    assert the_one().state == "sent"


def test_mail_has_two_halves_and_the_same_name_in_each_attempt(world: World, mailbox: Mailbox, listen: Listen) -> None:
    listen(world.project, "one@example.com two@example.com", kind="email")
    mailbox.refuses = 1
    put(world, "one")
    delivering.deliver_due()
    assert the_one().detail == "451"
    deliver()
    (mail,) = mailbox.mails
    assert mail.sender == "wiki@example.com"
    assert sorted(mail.to) == ["one@example.com", "two@example.com"]
    assert "one@example.com" not in str(mail.message)  # they do not see each other
    assert mail.message["Message-ID"] == f"<{the_one().key.hex}@example.com>"
    assert "<strong>text</strong>" in mail.part("html")
    assert "https://wiki.example.com/notices/" in mail.part("plain")


def test_without_a_mail_server_the_log_says_what_to_set(world: World, listen: Listen, settings: LazySettings) -> None:
    settings.MAIL = Mail()
    listen(world.project, "one@example.com", kind="email")
    put(world, "one")
    delivering.deliver_due()
    assert "EMAIL_URL" in the_one().error


def test_nothing_secret_is_kept_or_logged(
    world: World, webhook: Webhook, mailbox: Mailbox, listen: Listen, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    channel = listen(world.project, webhook.address)
    listen(world.project, "one@example.com", kind="email")
    webhook.answers, mailbox.refuses = [404], 1
    put(world, "one")
    delivering.deliver_due()
    webhook.stop()
    Delivery.objects.update(next_at=timezone.now())
    delivering.deliver_due()
    channel.refresh_from_db()
    kept = repr(list(Delivery.objects.values("error", "detail"))) + caplog.text + "".join(capfd.readouterr())
    kept += repr(list(Channel.objects.values())) + repr(list(AuditEvent.objects.values()))
    assert not [secret for secret in SECRETS if secret in kept]


@pytest.mark.parametrize("way", ["direct", "redirected"])
def test_it_connects_to_no_private_address_that_was_not_allowed(
    world: World, webhook: Webhook, listen: Listen, settings: LazySettings, way: str
) -> None:
    inner = Webhook()
    if way == "direct":
        settings.PROBE_ALLOWED_NETWORKS = []
    else:
        webhook.answers, webhook.redirect = [302], f"http://127.0.0.1:{inner.server.server_port}/"
    listen(world.project, webhook.address if way == "redirected" else inner.address)
    put(world, "one")
    delivering.deliver_due()
    assert the_one().state == "pending"
    assert inner.asked == 0
    inner.stop()


def test_a_name_that_means_another_address_by_then_is_refused(
    world: World, webhook: Webhook, listen: Listen, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name was checked a moment ago; the connection itself is looked at, too."""
    from releases.notices import ways

    settings.PROBE_ALLOWED_NETWORKS = []
    monkeypatch.setattr(ways, "_check_host", lambda address: None)
    listen(world.project, webhook.address)
    put(world, "one")
    delivering.deliver_due()
    assert "private" in the_one().error
    assert webhook.asked == 0


def test_users_hear_nothing_that_is_for_the_team(world: World, webhook: Webhook, listen: Listen) -> None:
    listen(world.project, webhook.address, audience="users")
    assert put(world, "one", event="threshold_crossed").deliveries.count() == 0
    listen(world.project, webhook.address, audience="team")
    assert put(world, "two", event="threshold_crossed").deliveries.count() == 1
    listen(world.project, webhook.address, events=["done"])
    assert put(world, "three", event="scheduled").deliveries.count() == 2


def test_switched_off_or_removed_it_hears_nothing_and_its_address_is_gone(
    world: World, webhook: Webhook, listen: Listen
) -> None:
    channel = listen(world.project, webhook.address)
    put(world, "one")
    channel.enabled = False
    channels.save(channel, Actor(world.requester), "", "")
    assert the_one().state == "failed"
    assert put(world, "two").deliveries.count() == 0
    channels.remove(channel, Actor(world.requester))
    channel.refresh_from_db()
    assert bytes(channel.ciphertext) == b""
    with pytest.raises(Conflict):
        delivering.try_again(the_one(), Actor(world.requester))
    deliver()
    assert webhook.asked == 0


def test_the_test_message_goes_to_its_channel_alone(world: World, webhook: Webhook, listen: Listen) -> None:
    listen(world.project, webhook.address)
    quiet = listen(world.project, webhook.address, language="ko", events=[])
    channels.send_test(quiet, Actor(world.requester))
    deliver()
    assert webhook.titles == [f"{world.project} 시험 메시지"]
    assert AuditEvent.objects.filter(action="channel.test").count() == 1
