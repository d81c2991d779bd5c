"""Markdown that people wrote, in templates."""

from django import template

from releases.markdown import render

register = template.Library()
register.filter("markdown", render)
