"""Every setting of Cloud Wiki, read from the environment. docs/install.md lists the variables."""

import contextlib
import sys
from datetime import timedelta
from pathlib import Path

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _

from cloudwiki import keys, mail, schedule
from cloudwiki.embedded import addresses, data_folder
from cloudwiki.environment import Environment, broker_address
from cloudwiki.log_format import logging_settings

# Lets admin and form classes name their model in brackets, as the type checker wants it.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

# Where we run. Production takes nothing for granted: what is not set is refused by name.
PRODUCTION = env.choice("CLOUDWIKI_ENV", "development", ("development", "production")) == "production"
DEBUG = env.flag("DEBUG", default=False)
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG is on in production and shows settings to visitors. Set DEBUG=0.")

# Folders. Nothing is written outside CLOUDWIKI_DATA.
CLOUDWIKI_DATA = data_folder()
ARTIFACTS_DIR = CLOUDWIKI_DATA / "artifacts"
WORKSPACE_DIR = CLOUDWIKI_DATA / "workspace"
BACKUPS_DIR = CLOUDWIKI_DATA / "backups"
ATTEMPTS_DIR = CLOUDWIKI_DATA / "attempts"  # step folders of steps that run on the controller
SSH_KEY_FILE = env.path("CLOUDWIKI_SSH_KEY_FILE", CLOUDWIKI_DATA / "ssh" / "id_ed25519")
SECRETS_KEY_FILE = env.path("CLOUDWIKI_SECRETS_KEY_FILE", CLOUDWIKI_DATA / "keys" / "secrets.key")
BACKUPS_KEY_FILE = env.path("CLOUDWIKI_BACKUPS_KEY_FILE", CLOUDWIKI_DATA / "keys" / "backups.age")  # made when needed

# Keys: made on first use in development, given in production.
if PRODUCTION:
    SECRET_KEY = env.text("SECRET_KEY", mend="Set it to 50 or more random characters")
    env.text("CLOUDWIKI_SECRETS_KEY_FILE", mend="Set it to the path of a file with 32 random bytes in base64")
else:
    SECRET_KEY = env.text("SECRET_KEY", "") or (
        keys.read_or_create(CLOUDWIKI_DATA / "keys" / "django.key", keys.make_django_key).decode().strip()
    )
    keys.read_or_create(SECRETS_KEY_FILE, keys.make_secrets_key)
try:
    keys.decode_secrets_keys(SECRETS_KEY_FILE.read_bytes())
except (OSError, ValueError) as problem:
    raise ImproperlyConfigured(
        f"CLOUDWIKI_SECRETS_KEY_FILE: {SECRETS_KEY_FILE} cannot serve as the key of stored secrets ({problem}). "
        "It must hold 32 random bytes in base64; `openssl rand -base64 32` makes such a line."
    ) from problem

# Network.
CLOUDWIKI_HOST = env.text("CLOUDWIKI_HOST", "127.0.0.1")
CLOUDWIKI_PORT = env.number("CLOUDWIKI_PORT", 8000, 0, 65535)
# How long an upload may still take when the web server is asked to end; streams end by themselves at once.
CLOUDWIKI_GRACEFUL_SECONDS = env.number("CLOUDWIKI_GRACEFUL_SECONDS", 10, 1, 3600)
ALLOWED_HOSTS = env.words(
    "ALLOWED_HOSTS",
    None if PRODUCTION else ["localhost", "127.0.0.1", "[::1]"],
    mend="Set it to the names that people type, such as wiki.example.com",
)
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", [])

INSTALLED_APPS = [
    "cloudwiki.apps.ProjectConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "pgtrigger",
    "django_htmx",
    "axes",
    "releases",
]
# No GZipMiddleware: it would compress event streams. Static files are served before Django (asgi.py).
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "cloudwiki.urls"
ASGI_APPLICATION = "cloudwiki.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# PostgreSQL and Redis: ours (cloudwiki/embedded) where no address is given. Importing this starts nothing.
if PRODUCTION:
    env.text("DATABASE_URL", mend="Set it to postgres://user:password@host:5432/database")
    env.text("REDIS_URL", mend="Set it to redis://host:6379/0")
_embedded = addresses(CLOUDWIKI_DATA)
# A process that is frozen in the middle of a transaction would hold its locks, the audit log's among them, against
# everybody. No transaction of ours waits for anything but the database. Not longer than a lease, see models/lease.py.
IDLE_IN_TRANSACTION_SECONDS = 8
DATABASES = {
    "default": env.database("DATABASE_URL", _embedded.database)
    # Under ASGI a kept connection belongs to a thread that may never serve again: open one a request.
    | {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False, "ATOMIC_REQUESTS": False}
}
_session = DATABASES["default"].setdefault("OPTIONS", {})
_session["options"] = (
    f"{_session.get('options', '')} -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_SECONDS}s".strip()
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.redis("REDIS_URL", _embedded.redis)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
    }
}

# Celery carries hints: PostgreSQL knows what is to be done, so a lost message loses nothing.
CELERY_BROKER_URL = broker_address(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever; cloudwiki/broker.py says how often
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "socket_keepalive": True,
    "socket_connect_timeout": 2,
    # Who sends does not wait for an absent broker: twice at once, then the reconciler has to find the row.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_TASK_DEFAULT_QUEUE = "cloudwiki"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = env.number("CLOUDWIKI_WORKERS", 4, 1, 256)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TIMEZONE = "Asia/Seoul"
# GPU endpoints: seconds between two looks at what they cost, for which a creation without a reply may still be at work,
# and between two looks at workers that shall go.
GPU_WATCH_SECONDS = env.number("CLOUDWIKI_GPU_WATCH_SECONDS", 60, 1, 3600)
GPU_SETTLE_SECONDS = float(env.number("CLOUDWIKI_GPU_SETTLE_SECONDS", 10, 0, 600))
GPU_LOOK_SECONDS = 2.0
GPU_QUIET_SECONDS = 30.0  # without a byte, after which an answer of the provider counts as lost
CELERY_BEAT_SCHEDULE = schedule.of(GPU_WATCH_SECONDS)
# How long the folder of an ended attempt stays on its machine, for a look by hand.
ATTEMPT_HOURS = env.number("CLOUDWIKI_ATTEMPT_HOURS", 24, 0, 24 * 365)

# People.
AUTH_USER_MODEL = "releases.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# What browsers may do with our pages.
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "object-src": [CSP.NONE],
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
# TLS ends at the proxy. uvicorn believes its X-Forwarded-Proto only from FORWARDED_ALLOW_IPS.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION

# Language and time.
LANGUAGE_CODE = "ko"
LANGUAGES = [("ko", _("Korean")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Seoul"
FILTERS_EMPTY_CHOICE_LABEL = _("All")  # of a filter that lets everything through

# Static and uploaded files.
STATIC_URL = "/static/"
# In development static files are served from where they lie, so a stale collection is never shown.
STATIC_ROOT = env.path("CLOUDWIKI_STATIC_ROOT", BASE_DIR / "staticfiles") if PRODUCTION else None
STATICFILES_DIRS = [BASE_DIR / "static"]
_static_storage = (
    "whitenoise.storage.CompressedManifestStaticFilesStorage"
    if PRODUCTION
    else "django.contrib.staticfiles.storage.StaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _static_storage},
    "backups": env.bucket("CLOUDWIKI_BACKUPS")
    or {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": BACKUPS_DIR, "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = DEBUG
MEDIA_ROOT = CLOUDWIKI_DATA / "media"
_uploads = CLOUDWIKI_DATA / "uploads"  # beside the artifacts, so that keeping a large upload is a rename
with contextlib.suppress(OSError):
    _uploads.mkdir(mode=0o700, exist_ok=True)
FILE_UPLOAD_TEMP_DIR = str(_uploads) if _uploads.is_dir() else None
FILE_UPLOAD_PERMISSIONS = 0o600

# Bytes of a step's output that are kept; the log says so when a step prints more.
LOG_CAP = env.number("CLOUDWIKI_LOG_CAP", 1 << 30, 1024, 1 << 40)

# Networks whose addresses probes may call although they are private or local, such as 10.0.0.0/8.
PROBE_ALLOWED_NETWORKS = env.words("CLOUDWIKI_PROBE_ALLOWED_NETWORKS", [])

# Announcements by mail: the server, the sender, and the address that links begin with.
MAIL = mail.of(env)
MAILERS = MAIL.mailers()

# What Prometheus shows at /metrics; without one only people who may see the system page read it.
METRICS_TOKEN = env.text("CLOUDWIKI_METRICS_TOKEN", "")
if METRICS_TOKEN and len(METRICS_TOKEN) < 32:
    raise ImproperlyConfigured(
        "CLOUDWIKI_METRICS_TOKEN has fewer than 32 characters. Make one with `openssl rand -hex 32`, or unset it."
    )

# Our own log, and the switch of the fault tests.
LOGGING = logging_settings(
    json=PRODUCTION,
    colours=sys.stderr.isatty() or env.flag("CLOUDWIKI_COLOUR", default=False),
    level=env.choice("CLOUDWIKI_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
)
FAULT_POINTS = env.flag("CLOUDWIKI_FAULT_POINTS", default=False)
if PRODUCTION and FAULT_POINTS:
    raise ImproperlyConfigured("CLOUDWIKI_FAULT_POINTS is on in production and lets a file end workers. Unset it.")
