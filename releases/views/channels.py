"""Channels of announcements: who hears what, in which language. Their addresses are never shown again."""

import re
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from releases import permissions
from releases.engine import channels as engine
from releases.models import Channel, Delivery, Event, Project, User
from releases.notices import ways
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, once, verb
from releases.views.careful_forms import CarefulForm
from releases.views.grouped_forms import Group, form_page

HEARD: Final = [(event.value, event.label) for event in Event if event != Event.TEST]
GROUPS: Final = (
    Group(gettext_lazy("Channel"), ("project", "name", "kind", "enabled")),
    Group(
        gettext_lazy("Where it goes"),
        ("address",),
        gettext_lazy(
            "Of e-mail one or several addresses. Of chat an address as Apprise writes it: `slack://…`, `discord://…`,"
            " `tgram://…`, `jsons://example.com/hook`, or the webhook's own https address from Slack or Discord. It is"
            " stored encrypted and never shown again."
        ),
    ),
    Group(
        gettext_lazy("What it hears"),
        ("audience", "language", "events"),
        gettext_lazy("Users hear of production alone, with a link to the public page; the team hears of all."),
    ),
)


class ChannelForm(CarefulForm[Channel]):
    """A channel. One that exists keeps its address unless another is entered."""

    address = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=2000,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("Hears"), choices=HEARD, widget=forms.CheckboxSelectMultiple, required=False
    )

    class Meta:
        model = Channel
        fields = ("project", "name", "kind", "enabled", "audience", "language", "events")
        labels = {"project": gettext_lazy("Project")}

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.hint = ""
        if self.instance.pk:
            del self.fields["project"], self.fields["kind"]
            self.fields["address"].required = False
            self.fields["address"].help_text = _("Empty: it stays as it is.")
        else:
            self.initial.setdefault("events", [value for value, _label in HEARD if value != Event.TEAM])

    def clean(self) -> dict[str, Any]:
        """The address fits the kind; the form never gives it back."""
        values = super().clean() or {}
        address, kind = values.get("address", ""), values.get("kind", self.instance.kind)
        if address:
            try:
                values["address"], self.hint = _mail(address) if kind == Channel.Kind.EMAIL else _chat(address)
            except ValidationError as error:
                self.add_error("address", error)
        return values


def _mail(text: str) -> tuple[str, str]:
    """The addresses, a space between them, and what may be shown."""
    found = [address for address in re.split(r"[\s,;]+", text) if address]
    for address in found:
        try:
            validate_email(address)
        except ValidationError as error:
            sentence = _("Number %s of the addresses is none; write name@example.com.") % (found.index(address) + 1)
            raise ValidationError(sentence) from error
    name, _at, domain = found[0].rpartition("@")
    more = f" +{len(found) - 1}" if len(found) > 1 else ""
    return " ".join(found), f"{name[:1]}•••@{domain}{more}"


def _chat(text: str) -> tuple[str, str]:
    try:
        return text, ways.check_chat(text)
    except ways.NotSent as error:
        raise ValidationError(str(error)) from error


@require_GET
@member_required
def channels(request: HttpRequest) -> HttpResponse:
    """The channels of one's projects, with what waits and what failed."""
    user = signed_in(request)
    states = Delivery.State
    rows = permissions.visible(Channel, user).filter(removed_at__isnull=True).select_related("project", "updated_by")
    rows = rows.annotate(
        waiting=Count("deliveries", filter=Q(deliveries__state=states.PENDING)),
        failed=Count("deliveries", filter=Q(deliveries__state=states.FAILED)),
    )
    managed, operated = permissions.projects(user, Need.MANAGE), permissions.projects(user, Need.OPERATE)
    labels = dict(HEARD)
    entries = [
        {
            "channel": row,
            "hears": [labels[event] for event, _label in HEARD if event in row.events],
            "may_manage": row.project_id in managed,
            "may_operate": row.project_id in operated,
        }
        for row in rows.order_by("project__name", "name")
    ]
    context = {"entries": entries, "may_manage": bool(managed), "section": "notices"}
    return render(request, "releases/notices/channels.html", context)


@require_http_methods(["GET", "POST"])
@member_required
@once
def new_channel(request: HttpRequest) -> HttpResponse:
    """Add a channel."""
    form = ChannelForm(request.POST or None)
    projects = _managed(signed_in(request))
    form.fields["project"].queryset = projects  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        permissions.require(signed_in(request), Need.MANAGE, form.cleaned_data["project"].pk)
        return _save(request, form)
    if len(projects) == 1:
        form.fields["project"].initial = projects[0]
    return form_page(request, form, GROUPS, _("New channel"), reverse("releases:channels"), section="notices")


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_channel(request: HttpRequest, number: int) -> HttpResponse:
    """Change a channel, or remove it."""
    channel = permissions.get(Channel, signed_in(request), Need.MANAGE, "project", pk=number)
    form = ChannelForm(request.POST or None, instance=channel)
    if channel.removed_at is None and request.method == "POST" and form.is_valid():
        return _save(request, form)
    removal = {"remove_url": reverse("releases:remove_channel", args=[number]), "remove_text": _("Remove the channel")}
    title, back = _("Change %s") % channel, reverse("releases:channels")
    return form_page(request, form, GROUPS, title, back, section="notices", **removal)


@verb
def remove_channel(request: HttpRequest, number: int) -> HttpResponse:
    """Remove a channel and forget its address."""
    channel = permissions.get(Channel, signed_in(request), Need.MANAGE, "project", pk=number)
    engine.remove(channel, actor(request))
    done(request, _("%s is removed; its address is gone.") % channel)
    return redirect("releases:channels")


@verb
def send_test(request: HttpRequest, number: int) -> HttpResponse:
    """Send a test message; the delivery log shows what becomes of it."""
    channel = permissions.get(Channel, signed_in(request), Need.OPERATE, "project", pk=number)
    engine.send_test(channel, actor(request))
    done(request, _("The test message is on its way."))
    return redirect(f"{reverse('releases:deliveries')}?channel={channel.pk}")


def _save(request: HttpRequest, form: ChannelForm) -> HttpResponse:
    channel = form.save(commit=False)
    engine.save(channel, actor(request), form.cleaned_data["address"], form.hint)
    done(request, _("%s is saved.") % channel)
    return redirect("releases:channels")


def _managed(user: User) -> QuerySet[Project]:
    return Project.objects.filter(pk__in=permissions.projects(user, Need.MANAGE)).order_by("name")
