"""A person's own settings, and the switch of the language, which is remembered for those who are logged in."""

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views import i18n
from django.views.decorators.http import require_http_methods

from releases.engine import people
from releases.models import User
from releases.permissions import actor, member_required, signed_in
from releases.views.answers import done


class MeForm(forms.ModelForm[User]):
    """Name and language."""

    class Meta:
        model = User
        fields = ("display_name", "language")


@require_http_methods(["GET", "POST"])
@member_required
def me(request: HttpRequest) -> HttpResponse:
    """One's name as others see it, and the language of pages and mails."""
    user = signed_in(request)
    form = MeForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        people.change_person(user, values["display_name"].strip(), values["language"], actor(request))
        translation.activate(values["language"])
        done(request, _("Your settings are saved."))
        answer = redirect("releases:me")
        remember(request, answer, values["language"])
        return answer
    context = {"form": form, "title": _("My settings"), "section": "me"}
    return render(request, "releases/form.html", context, status=400 if form.errors else 200)


def set_language(request: HttpRequest) -> HttpResponse:
    """Django's switch of the language; whoever is logged in finds their choice again on another machine."""
    answer = i18n.set_language(request)
    wanted = request.POST.get("language", "")
    if request.method == "POST" and isinstance(request.user, User) and wanted in dict(settings.LANGUAGES):
        people.choose_language(request.user, wanted, actor(request))
    return answer


def remember(request: HttpRequest, answer: HttpResponse, language: str) -> None:
    """Let this browser show the language from here on."""
    answer.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        samesite="Lax",
        secure=request.is_secure(),
    )
