"""What is shipped."""

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.text_index import text_indexes

VERSION = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", _("Use letters, digits, dots, dashes and +, such as v2.8.0.")
)
COMMIT = RegexValidator(r"^[0-9a-f]{7,40}$", _("Use 7 to 40 hexadecimal digits, as git prints them."))
BRANCH = RegexValidator(r"^(?!-)[A-Za-z0-9][A-Za-z0-9._/-]*$", _("Use a branch name such as main."))


class Release(models.Model):
    """One version of a project: its commit, what changes with it, its artifacts."""

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="releases")
    version = models.CharField(_("version"), max_length=60, validators=[VERSION])
    commit = models.CharField(_("commit"), max_length=40, validators=[COMMIT])
    committed_at = models.DateTimeField(null=True, editable=False, help_text="as git says; null: not known")
    branch = models.CharField(_("branch"), max_length=120, default="main", validators=[BRANCH])
    notes = models.TextField(_("notes"), blank=True)
    schema_changed = models.BooleanField(_("the database schema changes"), default=False)
    nginx_changed = models.BooleanField(_("the nginx configuration changes"), default=False)
    migration_name = models.CharField(_("migration file name"), max_length=200, blank=True)
    migration_sql = models.TextField(_("migration SQL"), blank=True)
    created_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["project", "version"], name="release_version_once")]
        indexes = text_indexes("release", "version", "notes")

    def __str__(self) -> str:
        return self.version


class Artifact(models.Model):
    """A file or folder of a release, on the controller. `sha256` is empty until it is built or registered."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="artifacts")
    service = models.ForeignKey("releases.Service", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    name = models.SlugField(_("name"), max_length=60)
    path = models.CharField(
        _("path"),
        max_length=500,
        help_text=_("On the controller; a relative one starts at the project's workspace."),
    )
    is_folder = models.BooleanField(_("folder"), default=False)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    size = models.PositiveBigIntegerField(_("size (bytes)"), default=0)
    recorded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["release", "name"], name="artifact_name_once"),
            models.CheckConstraint(
                condition=models.Q(sha256="") | models.Q(sha256__regex=r"^[0-9a-f]{64}$"),
                name="artifact_sha256_shape",
            ),
        ]

    def __str__(self) -> str:
        return self.name
