"""How a POST answers: back to the page, with the reason when the engine said no."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate
from urllib.parse import urlsplit

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from psycopg.errors import UniqueViolation

from releases import lifecycle
from releases.engine.errors import Blocked, EngineError, NotAllowed
from releases.models import Deployment
from releases.permissions import member_required
from releases.views.plan_reasons import blocker_entries
from releases.views.secret_fields import SecretFound, ask_again


def back_to(deployment: Deployment) -> HttpResponse:
    """To the page of a deployment."""
    return redirect("releases:deployment", deployment.pk)


def back_where_it_was_pressed(request: HttpRequest) -> HttpResponse:
    """To the page that the press was on."""
    return redirect(_back(request))


def verb[**P](
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A POST that calls a verb of the engine; a refusal becomes a page that says why (403 or 409)."""

    @wraps(view)
    def answered(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if any("\0" in value for _name, values in request.POST.lists() for value in values):
            return refusal(request, _("The text holds a zero byte, which can't be kept. Remove it."), 400)
        try:
            return view(request, *args, **kwargs)
        except SecretFound as error:
            return ask_again(request, error, _back(request))
        except NotAllowed as error:
            return refusal(request, str(error), 403)
        except Blocked as error:
            return refusal(request, _("It can't start now."), 409, error)
        except EngineError as error:
            return refusal(request, str(error), 409)
        except lifecycle.ForbiddenTransition:
            return refusal(request, _("It changed a moment ago; look at the page again and decide anew."), 409)

    return require_POST(member_required(answered))


def once[**P](
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A form that adds a row: where a second click or person was quicker by a moment, a page says so (409)."""

    @wraps(view)
    def answered(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except IntegrityError as error:
            if not isinstance(error.__cause__, UniqueViolation):
                raise
            return refusal(request, _("The same was saved a moment ago. Go back and look at what is there now."), 409)

    return answered


def refusal(request: HttpRequest, message: str, status: int, blocked: Blocked | None = None) -> HttpResponse:
    """The page that says why not, with a way back; nothing was changed."""
    entries = blocker_entries(blocked.blockers, None, may_operate=False) if blocked else []
    context = {"message": message, "blockers": entries, "back": _back(request)}
    return render(request, "releases/refused.html", context, status=status)


def done(request: HttpRequest, message: str) -> None:
    """Show a sentence on the next page."""
    messages.success(request, message)


def _back(request: HttpRequest) -> str:
    """The path of the page the request came from, if it is one of ours."""
    try:
        came_from = urlsplit(request.META.get("HTTP_REFERER", ""))
    except ValueError:
        return "/"
    return came_from.path if came_from.netloc == request.get_host() else "/"
