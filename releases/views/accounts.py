"""Logging in and out."""

from django.conf import settings
from django.contrib.auth import views
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from releases import audit
from releases.audit import Actor
from releases.models import User
from releases.permissions import actor
from releases.views.me import remember


@method_decorator(never_cache, name="dispatch")
class LoginView(views.LoginView):
    """The sign-in page. Too many wrong passwords lock the name out for a while (django-axes)."""

    template_name = "releases/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Log in, note it, and show the person's own language from here on."""
        answer = super().form_valid(form)
        user = form.get_user()
        if isinstance(user, User):
            audit.record(Actor(user, self.request.META.get("REMOTE_ADDR", "") or ""), "user.login", user)
            # A language that they chose goes with them; before they chose one, this browser's stays.
            if user.language_chosen_at or settings.LANGUAGE_COOKIE_NAME not in self.request.COOKIES:
                translation.activate(user.language)
                remember(self.request, answer, user.language)
        return answer


class LogoutView(views.LogoutView):
    """The way out; POST only."""

    next_page = "login"

    def post(self, request: HttpRequest, *args: object, **named: object) -> HttpResponse:
        """Note it, then log out."""
        if request.user.is_authenticated:
            who = actor(request)
            if who.user is not None:
                audit.record(who, "user.logout", who.user)
        return super().post(request, *args, **named)
