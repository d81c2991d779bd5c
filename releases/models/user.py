"""People and what they may do in a project."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import Role


class User(AbstractUser):
    """A person who logs in."""

    display_name = models.CharField(_("name"), max_length=80, blank=True)
    role = models.CharField(_("role"), max_length=20, choices=Role, default=Role.DEVOPS)
    language = models.CharField(
        _("language"), max_length=5, choices=[("ko", "한국어"), ("en", "English")], default="ko"
    )
    language_chosen_at = models.DateTimeField(null=True, editable=False, help_text="null: nobody asked them yet")

    def __str__(self) -> str:
        return self.display_name or self.username

    @property
    def initial(self) -> str:
        """The first letter of the name, for the round picture."""
        return str(self)[:1].upper()


class Membership(models.Model):
    """What one person may do in one project. Having a row at all means: may see it."""

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    can_operate = models.BooleanField(_("may run deployments"), default=False)
    can_approve = models.BooleanField(_("may approve"), default=False)
    can_manage = models.BooleanField(_("may change hosts, variables, runbooks"), default=False)
    onboarding_closed_at = models.DateTimeField(null=True, editable=False, help_text="the way in is hidden since")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.project}"
