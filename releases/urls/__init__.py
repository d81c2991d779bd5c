"""The addresses of the pages. A generated test walks them all with every role."""

from django.urls import URLPattern, URLResolver

from releases.urls import running, telling

app_name = "releases"

verbs: list[URLPattern | URLResolver] = [*running.verbs, *telling.verbs]
urlpatterns: list[URLPattern | URLResolver] = [*running.pages, *telling.pages, *verbs]
