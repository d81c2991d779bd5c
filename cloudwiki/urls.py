"""The addresses of the project."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from cloudwiki import health
from releases.api import api
from releases.views.accounts import LoginView, LogoutView
from releases.views.me import set_language

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("i18n/setlang/", set_language, name="set_language"),
    path("admin/", admin.site.urls),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("api/", api.urls),  # here, not below: it finds its own addresses by an outermost namespace
    path("", include("releases.urls")),
]
