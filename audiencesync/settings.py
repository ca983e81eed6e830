"""All settings. Values that differ between installations come from the environment.

See docs/settings.md.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from audiencesync.core import environment
from audiencesync.core.database import sqlite
from audiencesync.core.sync_times import SyncTimes
from audiencesync.core.web import addresses

sqlite.install()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environment.Environment()

DEMO = env.flag("DEMO", False)  # set by `make run`: demo keys, mail to the console, sandbox
DEBUG = env.flag("DEBUG", False)
VAR_DIR = env.place("VAR_DIR", BASE_DIR / "var")
environment.make_folder(VAR_DIR)

# Secrets: SECRET_KEY signs sessions; TOKEN_KEYS encrypts ("seals") tokens of partners: comma
# separated "id:base64 of 32 bytes"; the first one encrypts, all decrypt.
SECRET_KEY = env.str("SECRET_KEY", "")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
TOKEN_KEYS = env.list("TOKEN_KEYS", default=[])

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
SITE_URL = addresses.site("SITE_URL", env.str("SITE_URL", "http://127.0.0.1:8000").rstrip("/"))
HTTPS = SITE_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [
    addresses.origin("CSRF_TRUSTED_ORIGINS", url, must_be_safe=HTTPS)
    for url in env.list("CSRF_TRUSTED_ORIGINS", default=[]) or [SITE_URL]
]

INSTALLED_APPS = [
    "audiencesync.core",
    "audiencesync.groups",
    "audiencesync.people",
    "partners",
    "canvases",
    *(["lab"] if find_spec("lab") else []),  # for development only; not in the image
    "tiktok_sandbox",
    "django.contrib.admin.apps.SimpleAdminConfig",  # the site: groups/operators
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django_htmx",
    "django_q",
    "template_partials",
]

MIDDLEWARE = [
    "audiencesync.core.logs.RequestIds",
    "audiencesync.core.web.health.Probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "audiencesync.core.web.response_headers.private_responses",
    "partners.content_security.ContentSecurityPolicy",
    "audiencesync.rest.middleware.ApiResponses",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "audiencesync.groups.accounts.request_origin.RequestOrigin",
    "audiencesync.groups.accounts.sessions.end_idle",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "audiencesync.core.web.error_pages.method_not_allowed_page",
]

ROOT_URLCONF = "audiencesync.urls"
WSGI_APPLICATION = "audiencesync.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "audiencesync.groups.context.current",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# Database
DATABASE_URL = env.str("DATABASE_URL", f"sqlite:///{VAR_DIR / 'audiencesync.sqlite3'}")
DATABASES = {"default": env.db_url_config(addresses.database("DATABASE_URL", DATABASE_URL))}
DATABASES["default"]["CONN_MAX_AGE"] = None  # connections stay open
DATABASES["default"]["CONN_HEALTH_CHECKS"] = not DATABASES["default"]["ENGINE"].endswith("sqlite3")
DATABASES["default"]["ATOMIC_REQUESTS"] = False
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            f"PRAGMA journal_mode={sqlite.journal_mode()}; PRAGMA synchronous=FULL; "
            "PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY; PRAGMA secure_delete=ON;"
        ),
    }
else:  # an unreachable host that drops packets must not block a page for minutes
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = addresses.redis("REDIS_URL", env.str("REDIS_URL", ""))
# Two installations on one Redis must not take each other's tasks: they could not verify the
# signatures.
INSTALLATION = f"audiencesync-{hashlib.sha256(f'redis {SECRET_KEY}'.encode()).hexdigest()[:12]}"
CACHES = (
    {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": INSTALLATION,
            "OPTIONS": {"socket_connect_timeout": 5, "socket_timeout": 5},
        }
    }
    if REDIS_URL
    else {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cache",
            # The cache holds the rate limits of sign-in. With Django's default of 300 entries, an
            # attacker could evict them. groups/retention.py deletes expired entries.
            "OPTIONS": {"MAX_ENTRIES": 1_000_000},
        }
    }
)
# django-q2 writes statistics twice a second. They are not used, so they stay in memory.
CACHES["engine"] = {
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "LOCATION": "engine",
}

# See audiencesync/core/beat.py. All state is in rows: a task may be lost, late or repeated.
Q_CLUSTER = {
    "name": "audiencesync",
    "workers": env.whole("ENGINE_WORKERS", 3, least=1, most=64),
    "timeout": 90,  # seconds, after which a worker is killed
    "retry": 300,  # seconds; must be longer than the timeout
    # A task that fails is not repeated: the next beat finds its work in the tables.
    "ack_failures": True,
    "max_attempts": 1,
    "catch_up": False,
    "queue_limit": 3,  # tasks in memory
    "bulk": 1,
    "recycle": 500,  # tasks, after which a worker process is replaced
    "save_limit": 250,
    "poll": 0.3,  # seconds between two looks at the queue in the database
    "guard_cycle": 1.0,  # seconds between two looks at the worker processes
    "label": "Engine",
    "cache": "engine",
}
if REDIS_URL:
    Q_CLUSTER |= {
        "name": INSTALLATION,
        "broker_class": "audiencesync.core.beat.TickRedis",
        "redis": REDIS_URL,
    }
else:
    Q_CLUSTER |= {"broker_class": "audiencesync.core.beat.TickOrm", "orm": "default"}
BEAT_SECONDS = env.amount("BEAT_SECONDS", 5.0, least=0.1, most=60)
# The periodic jobs: name -> (period in seconds, dotted path of the function). Names are stored, so
# some are older than the words of today: letters are mails, journeys are canvases.
BEATS = {
    "journeys": (BEAT_SECONDS, "canvases.engine.beat"),
    "sync": (BEAT_SECONDS, "partners.queue.flush.beat"),
    "privacy": (3 * BEAT_SECONDS, "canvases.privacy.erase.beat"),
    "deletions": (3 * BEAT_SECONDS, "canvases.privacy.group_deletion.beat"),
    "probes": (BEAT_SECONDS, "partners.housekeeping.probe"),
    # Imports are started by `wake`; this job finds those whose process died.
    "imports": (3 * BEAT_SECONDS, "audiencesync.people.imports.runner.beat"),
    "imports_tidy": (60.0, "audiencesync.people.imports.lifecycle.tidy"),
    "webhooks": (BEAT_SECONDS, "partners.notices.webhooks.beat"),
    "letters": (BEAT_SECONDS, "partners.connections.mailing.beat"),
    "housekeeping": (60.0, "partners.housekeeping.beat"),
    "member_counts": (60.0, "partners.audiences.member_counts.beat"),
    "checks": (60.0, "partners.health.probes.beat"),
    "step_hours": (60.0, "canvases.engine.retention.beat"),
    "brakes": (60.0, "canvases.engine.brake.beat"),
}

# Removals of a canvas are held until a member confirms them if within an hour at least so many
# people, and more than so many per cent of its live audience, would be removed.
REMOVAL_BRAKE_PERCENT = env.amount("REMOVAL_BRAKE_PERCENT", 20.0, least=1, most=100)
REMOVAL_BRAKE_PEOPLE = env.amount("REMOVAL_BRAKE_PEOPLE", 1000, least=1, most=1_000_000_000)

# Each connection is checked as a whole so often, for the page Health.
CHECK_EVERY_MINUTES = env.amount("CHECK_EVERY_MINUTES", 60.0, least=1, most=1440)

# The supervisor of `manage.py engine`: the longest time without a heartbeat, and the longest stop.
ENGINE_SILENCE_SECONDS = env.amount("ENGINE_SILENCE_SECONDS", 30.0, least=6, most=3600)
ENGINE_STOP_SECONDS = env.amount("ENGINE_STOP_SECONDS", 20.0, least=1, most=600)

# TikTok
TIKTOK_APP_ID = env.str("TIKTOK_APP_ID", "")
TIKTOK_APP_SECRET = env.str("TIKTOK_APP_SECRET", "")
TIKTOK_API_URL = env.str("TIKTOK_API_URL", "https://business-api.tiktok.com").rstrip("/")
TIKTOK_AUTH_URL = env.str("TIKTOK_AUTH_URL", "https://business-api.tiktok.com/portal/auth")
addresses.service("TIKTOK_API_URL", TIKTOK_API_URL)
addresses.service("TIKTOK_AUTH_URL", TIKTOK_AUTH_URL)
TIKTOK_PRESET = env.choice(
    "TIKTOK_PRESET", "published_by_braze", among=("published_by_braze", "published_by_tiktok")
)
HOUR, DAY = 3600.0, 86_400.0
# Times of the sync queue in seconds. A flush must end within the timeout of Q_CLUSTER.
SHORTEST_DEADLINE = 1 if DEMO else 600  # seconds; refuses "13" of an operator who means hours
SYNC = SyncTimes(
    requests_per_second=env.amount("SYNC_REQUESTS_PER_SECOND", 48.0, least=0.1, most=10_000),
    deadline=env.amount("SYNC_DEADLINE", 13 * 3600.0, least=SHORTEST_DEADLINE, most=30 * DAY),
    erasure_deadline=env.amount(
        "SYNC_ERASURE_DEADLINE", 30 * 86400.0, least=SHORTEST_DEADLINE, most=365 * DAY
    ),
    erasure_rest=env.amount("SYNC_ERASURE_REST", 900.0, least=0, most=7 * DAY),
    backoff_base=env.amount("SYNC_BACKOFF_BASE", 5.0, least=0.01, most=HOUR),
    backoff_max=env.amount("SYNC_BACKOFF_MAX", 1800.0, least=0.01, most=DAY),
    lease=env.amount("SYNC_LEASE", 60.0, least=1, most=HOUR),
    create_lease=env.amount("SYNC_CREATE_LEASE", 90.0, least=1, most=HOUR),
    request_deadline=env.amount("SYNC_REQUEST_DEADLINE", 20.0, least=0.5, most=50),
    flush_seconds=env.amount("SYNC_FLUSH_SECONDS", 8.0, least=0.5, most=30),
    probe=env.amount("SYNC_PROBE", 300.0, least=0.1, most=DAY),
    throttle_park=env.amount("SYNC_THROTTLE_PARK", 300.0, least=0.1, most=DAY),
    threads=env.whole("SYNC_THREADS", 16, least=1, most=256),
)
SYNC.check(is_demo=DEMO)

# Sign-in
AUTH_USER_MODEL = "groups.User"
AUTHENTICATION_BACKENDS = ["audiencesync.groups.accounts.backend.AddressBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_ADAPTER = "audiencesync.groups.accounts.adapter.InvitationAdapter"
ACCOUNT_FORMS = {
    "signup": "audiencesync.groups.accounts.signup.InvitedSignupForm",
    "add_email": "audiencesync.groups.accounts.forms.ChangeEmailForm",
    "change_password": "audiencesync.groups.accounts.forms.NewPasswordForm",
    "reset_password": "audiencesync.groups.accounts.forms.ResetForm",
    "reset_password_from_key": "audiencesync.groups.accounts.forms.ResetKeyForm",
}
# One address per account; a new one replaces it after the mailed link was opened.
ACCOUNT_CHANGE_EMAIL = True
# A mailed invitation confirms the address; after a link passed on by hand a mail is sent.
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of a new address (to the old one), password, second factor
# For a change of address or second factor. Our own actions use groups/reauthentication.py.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900  # seconds
# A password reset for an unknown address sends no mail; the page is the same.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = "AudienceSync: "
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = None
MFA_ADAPTER = "audiencesync.groups.accounts.second_factor.SealingAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "AudienceSync"
SMTP = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_BACKEND = env.str(
    "EMAIL_BACKEND",
    f"django.core.mail.backends.{'console' if DEMO or DEBUG else 'smtp'}.EmailBackend",
)
# Without mail, pages say that no mail is sent.
HAS_MAIL = EMAIL_BACKEND != SMTP or bool(env.str("EMAIL_HOST", ""))
EMAIL_HOST = env.str("EMAIL_HOST", "") or "localhost"
EMAIL_PORT = env.whole("EMAIL_PORT", 25, least=1, most=65_535)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", False)
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = env.str(
    "DEFAULT_FROM_EMAIL", f"AudienceSync <noreply@{urlsplit(SITE_URL).hostname or 'localhost'}>"
)

# Languages, time, files
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
# The second folder replaces texts of allauth and Django.
LOCALE_PATHS = [BASE_DIR / "locale", BASE_DIR / "locale" / "overrides"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
USE_THOUSAND_SEPARATOR = True
FORMAT_MODULE_PATH = "audiencesync.formats"
STATIC_URL = "static/"
STATIC_ROOT = env.place("STATIC_ROOT", VAR_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": env.str(
            "STATICFILES_BACKEND", "whitenoise.storage.CompressedManifestStaticFilesStorage"
        ),
    },
}
FILE_UPLOAD_HANDLERS = ["audiencesync.people.imports.uploads.CsvUploadHandler"]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Browser security
SECURE_SSL_REDIRECT = HTTPS and env.flag("SSL_REDIRECT", True)
# Probes call a process without a proxy. A client that sends its API key over plain HTTP must get
# an error instead of a redirect.
API_PATHS = r"(?:users|canvas|segments|audiences|deliveries|campaigns|feed|events)(?:/|$)"
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$", f"^{API_PATHS}"]
BEHIND_PROXY = env.flag("BEHIND_PROXY", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
# Without the count, rate limits would see only the proxy's IP address, and one client could lock
# out all.
ALLAUTH_TRUSTED_PROXY_COUNT = int(BEHIND_PROXY)
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
if HTTPS:  # browsers accept cookies with these names from exactly this host only
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # with Strict, the way back from a partner would have no session
SESSION_COOKIE_AGE = 14 * 24 * 3600  # seconds
# 0: sessions do not end when idle.
SESSION_IDLE_MINUTES = env.whole("SESSION_IDLE_MINUTES", 0, least=0, most=14 * 24 * 60)
# The path under which staff read the tables; empty: there is none.
ADMIN_PATH = addresses.path("ADMIN_PATH", env.str("ADMIN_PATH", "staff/tables/"))
STAFF_REQUIRE_SECOND_FACTOR = env.flag("STAFF_REQUIRE_SECOND_FACTOR", False)
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "audiencesync.core.web.error_pages.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],  # and the consent pages: partners/content_security.py
    }
}

# The REST API. A limit is "calls/seconds" per app group; door.require uses the names.
API_MAX_OBJECTS = env.whole("API_MAX_OBJECTS", 75, least=1, most=10_000)
DATA_UPLOAD_MAX_MEMORY_SIZE = env.whole(
    "API_MAX_BODY_BYTES", 2_621_440, least=65_536, most=100_000_000
)
_LIMITS = {  # the defaults of API_LIMITS
    "track": "3000/3",
    "users": "20000/60",
    "export": "250/60",
    "trigger": "250000/3600",
    "broadcast": "250/60",
    "default": "250000/3600",
}
API_LIMITS = environment.rate_limits(
    "API_LIMITS", env.dict("API_LIMITS", default={}), defaults=_LIMITS
)

# Retention times in days; 0: for ever (docs/operations.md, "What is kept how long").
KEEP_DAYS = {
    "deliveries": env.days("KEEP_DELIVERIES_DAYS", 90.0),
    "pushes": env.days("KEEP_PUSHES_DAYS", 30.0),
    "incidents": env.days("KEEP_INCIDENTS_DAYS", 365.0),
    "checks": env.days("KEEP_CHECKS_DAYS", 90.0),
    "step_hours": env.days("KEEP_STEP_HOURS_DAYS", 730.0),
    "audience_sizes": env.days("KEEP_AUDIENCE_SIZES_DAYS", 730.0),
    "events": env.days("KEEP_EVENTS_DAYS", 730.0),
    "activities": env.days("KEEP_ACTIVITIES_DAYS", 730.0),
    "uploads": env.days("KEEP_UPLOADS_DAYS", 1.0),
    "rejects": env.days("KEEP_REJECTS_DAYS", 7.0),
    "members": env.days("KEEP_MEMBERS_DAYS", 30.0),
}

# A monitoring service that raises an alarm when its calls stop: an engine calls it every minute.
DEADMAN_URL = addresses.call("DEADMAN_URL", env.str("DEADMAN_URL", ""))
# Salted hashes of erased identifiers, outside the database: a restored backup does not know of
# later erasures (docs/operations.md).
ERASURE_LEDGER = str(env.place("ERASURE_LEDGER", VAR_DIR / "erasures.jsonl"))

# Webhooks about incidents go to public addresses by https only; true allows others, for tests.
WEBHOOK_ALLOW_PRIVATE = env.flag("WEBHOOK_ALLOW_PRIVATE", False)

METRICS_TOKEN = env.token("METRICS_TOKEN", least=16)  # without it /metrics is 404

LOG_FORMAT = env.choice("LOG_FORMAT", "plain" if DEMO else "json", among=("json", "plain"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {"()": "audiencesync.core.logs.JsonLines"},
    },
    "filters": {
        "paths_to_routes": {"()": "audiencesync.core.logs.PathsToRoutes"},
        "once_per_minute": {"()": "audiencesync.core.logs.OncePerMinute"},
        "short_disallowed_host": {"()": "audiencesync.core.logs.ShortDisallowedHost"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "plain" if LOG_FORMAT == "plain" else "json",
        }
    },
    "root": {"handlers": ["console"], "level": env.level("LOG_LEVEL", "INFO")},
    "loggers": {
        # One line per request.
        "audiencesync.core.logs": {"level": "WARNING" if LOG_FORMAT == "plain" else "NOTSET"},
        "urllib3": {"level": "WARNING"},
        "django.request": {"filters": ["paths_to_routes"]},
        "django.security.csrf": {"filters": ["paths_to_routes"]},
        "django.security.DisallowedHost": {
            "filters": ["short_disallowed_host", "once_per_minute"],
        },
        "django-q": {
            "level": env.level("TASK_LOG_LEVEL", "WARNING"),
            "filters": ["once_per_minute"],
        },
        "django.db.backends": {"level": "WARNING"},
    },
}
