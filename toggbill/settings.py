"""All settings, read from the environment (design section 10); every variable stands in .env.example.

With ``DEBUG=1`` and no other variable the site runs on what a bare machine has: SQLite and a broker of files in var/.
"""

from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from toggbill import keys, log_lines, mail_url, masking
from toggbill.database.engines import our_engine
from toggbill.queues import BY_ITSELF, ROUTES, ticks

BASE_DIR = Path(__file__).resolve().parent.parent

django_stubs_ext.monkeypatch()  # Django's generic classes may be written with their type at run time too

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

# What a running site writes when it has no database server, no broker and no file server.
VAR_DIR = Path(env.str("VAR_DIR", default="") or BASE_DIR / "var")
VAR_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = env.bool("DEBUG", default=False)


def _secret(name: str) -> str:
    value: str = env.str(name, default="")
    if value:
        return value
    if DEBUG:
        return keys.FOR_DEBUG
    raise ImproperlyConfigured(
        f"{name} is not set. Set it in the environment (see .env.example), or set DEBUG=1 on your own machine."
    )


def _one_of(name: str, *words: str) -> str:
    """A setting that takes one of a few words, the first of them when it is unset."""
    word: str = env.str(name, default=words[0])
    if word not in words:
        raise ImproperlyConfigured(f"{name} takes {', '.join(words)}, not {word!r}.")
    return word


SECRET_KEY = _secret("SECRET_KEY")
# Newest first (design D7): the first encrypts, all decrypt.
FIELD_ENCRYPTION_KEYS = [key.strip() for key in _secret("FIELD_ENCRYPTION_KEYS").split(",") if key.strip()]
try:
    if not DEBUG:
        keys.check_secret_key(SECRET_KEY)
        keys.check_encryption_keys(FIELD_ENCRYPTION_KEYS)
    # Newest first; kept outside the database, so that who writes there cannot sign (design section 9).
    AUDIT_SIGNING_KEYS = keys.signing_keys(env.str("AUDIT_SIGNING_KEY", default=""))
    # Whoever gives it reads the metrics (``toggbill.watching``); unset: nobody does.
    METRICS_TOKEN = keys.token(env.str("METRICS_TOKEN", default=""))
except keys.BadKey as error:
    raise ImproperlyConfigured(str(error)) from None
ANCHORS_FILE = VAR_DIR / "audit-anchors.jsonl"
TIMESTAMP_URL = env.str("TIMESTAMP_URL", default="")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])

# --- the two services -------------------------------------------------------------------------------------------------
TOGGL_URL = env.str("TOGGL_URL", default="https://api.track.toggl.com").rstrip("/")
BILLIT_API_URL = env.str("BILLIT_API_URL", default="https://api.billit.be").rstrip("/")
BILLIT_LOGIN_URL = env.str("BILLIT_LOGIN_URL", default="https://my.billit.be").rstrip("/")
BILLIT_CLIENT_ID = env.str("BILLIT_CLIENT_ID", default="")
BILLIT_CLIENT_SECRET = env.str("BILLIT_CLIENT_SECRET", default="")
# Per connection; 0 = no limit.
TOGGL_REQUESTS_PER_SECOND = env.float("TOGGL_REQUESTS_PER_SECOND", default=1.0)
BILLIT_REQUESTS_PER_SECOND = env.float("BILLIT_REQUESTS_PER_SECOND", default=1.0)
# What Billit takes and writes where its documents leave it open: docs/einvoice.md.
BILLIT_NEGATIVE_LINES = _one_of("BILLIT_NEGATIVE_LINES", "quantity", "price")
BILLIT_OUTSIDE_SCOPE = _one_of("BILLIT_OUTSIDE_SCOPE", "plain", "numbers", "rate")
BILLIT_EXEMPTION_REASONS = env.bool("BILLIT_EXEMPTION_REASONS", default=True)
BILLIT_SMALL_ENTERPRISE_CODE = int(_one_of("BILLIT_SMALL_ENTERPRISE_CODE", "101", "102", "104"))
POSTING_LEASE_SECONDS = env.int("POSTING_LEASE_SECONDS", default=300)
IN_DOUBT_SECONDS = env.int("IN_DOUBT_SECONDS", default=120)
POSTS_AT_ONCE = env.int("POSTS_AT_ONCE", default=1)
TICK_SECONDS = env.float("TICK_SECONDS", default=60.0)
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000").rstrip("/")

# --- applications -----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "django.contrib.humanize",  # the templates of allauth's applications load it
    "csp",
    "django_htmx",
    "import_export",
    "anymail",
    "django_structlog",
    "toggbill",
    "toggbill.firms",
    "integrations",
    "invoicing",
]

MIDDLEWARE = [
    "django_structlog.middlewares.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "toggbill.firms.requests.middleware.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "toggbill.firms.requests.malformed.MalformedInputMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "toggbill.firms.requests.middleware.FirmMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "toggbill.firms.requests.middleware.ReadMiddleware",
    "toggbill.firms.requests.busy.BusyMiddleware",
]

ROOT_URLCONF = "toggbill.urls"
WSGI_APPLICATION = "toggbill.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["toggbill.serving.templates.Loader", "django.template.loaders.app_directories.Loader"],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "toggbill.firms.requests.context.site",
            ],
            # Our {% csrf_token %} in the place of Django's.
            "builtins": ["toggbill.firms.templatetags.forms"],
        },
    }
]


# --- database (design D2) ---------------------------------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url_config(env.str("DATABASE_URL", default="") or f"sqlite:///{VAR_DIR / 'toggbill.sqlite3'}")
}
DATABASES["default"]["ENGINE"] = our_engine(DATABASES["default"]["ENGINE"])
# Whether a pooler stands before PostgreSQL that lends its connections for a transaction at a time.
DATABASE_POOLED = env.bool("DATABASE_POOLED", default=False)
if DATABASES["default"]["ENGINE"] == "toggbill.database.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
    # A file, not memory: threads and processes of the tests share it.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A cursor on the server outlives its transaction, and there the pooler takes the session away.
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = DATABASE_POOLED
# Of pages alone (toggbill/database/limits.py), 0 = no limit: how long a statement waits for a row, and works at all.
WEB_LOCK_TIMEOUT_SECONDS = env.float("WEB_LOCK_TIMEOUT_SECONDS", default=5.0)
WEB_STATEMENT_TIMEOUT_SECONDS = env.float("WEB_STATEMENT_TIMEOUT_SECONDS", default=30.0)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- cache: counts of rate limits, nothing that may not be lost -----------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="")
# Redis or RabbitMQ (amqp://): where messages wait.
BROKER_URL = env.str("BROKER_URL", default="") or REDIS_URL
# Django forgets a third when there are more: a stranger could have a count forgotten by making others.
_MANY_COUNTS = {"MAX_ENTRIES": 100_000}
if REDIS_URL:
    CACHES: dict[str, dict[str, Any]] = {
        "default": {
            "BACKEND": "toggbill.serving.cache.RedisElseDatabase",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "toggbill",
            "OPTIONS": _MANY_COUNTS,
        }
    }
elif BROKER_URL:
    # Several processes and machines, and no Redis: the database counts, as it does while a Redis is away.
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "toggbill_cache",
            "KEY_PREFIX": "toggbill",
            "OPTIONS": _MANY_COUNTS,
        }
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": _MANY_COUNTS}}

# --- Celery (design D3, D4, D5): the broker carries ids and nothing else ----------------------------------------------
if BROKER_URL.startswith(("amqp://", "amqps://")):
    CELERY_BROKER_URL = BROKER_URL
    CELERY_BROKER_TRANSPORT = "toggbill.broker:RabbitMQ"
    # A message counts as put once RabbitMQ says that it has it.
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"confirm_publish": True}
elif BROKER_URL:
    CELERY_BROKER_URL = BROKER_URL
    CELERY_BROKER_TRANSPORT = "toggbill.broker:Redis"
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
else:
    _broker = VAR_DIR / "broker"
    for _folder in ("messages", "control", "processed"):
        (_broker / _folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_URL = "filesystem://localhost"
    CELERY_BROKER_TRANSPORT = "toggbill.broker:Files"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_broker / "messages"),
        "data_folder_out": str(_broker / "messages"),
        "control_folder": str(_broker / "control"),
        "processed_folder": str(_broker / "processed"),
        "store_processed": False,
        "polling_interval": 0.2,
    }
# How a page asks the broker, since a person waits: a second time at most, each for some seconds. Workers try for ever.
PAGE_BROKER_OPTIONS: dict[str, Any] = {"max_retries": 1, "socket_connect_timeout": 2, "socket_timeout": 5}
PAGE_BROKER_OPTIONS |= dict.fromkeys(("interval_start", "interval_step", "interval_max"), 0)
if CELERY_BROKER_TRANSPORT == "toggbill.broker:RabbitMQ":
    PAGE_BROKER_OPTIONS |= {"confirm_publish": True, "connect_timeout": 2, "read_timeout": 5, "write_timeout": 5}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "ticks"
CELERY_TASK_ROUTES = ROUTES
CELERY_TASK_DEFAULT_PRIORITY = BY_ITSELF
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Else a worker whose broker came back asks it to raise the number again, task by task, and waits for an answer on a
# connection whose frames its threads read as well: over RabbitMQ it then waits for ever (Celery 5.7).
CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "toggbill.beat:Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = ticks(TICK_SECONDS)

# --- who is asking ----------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "firms.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{what}Validator"}
    for what in ("UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "toggbill.firms.accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_FORMS = {"signup": "toggbill.firms.membership.signup.SignupForm"}
# Whether strangers may open a firm of their own; members are invited either way.
SIGNUP_OPEN = env.bool("SIGNUP_OPEN", default=False)
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a changed password, a second step added or taken away: the owner is told
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if PUBLIC_URL.startswith("https://") else "http"
ACCOUNT_SESSION_REMEMBER = None
# What is fresh is decided in `identity.proof`: allauth's own count, which takes the password of everybody, is off.
ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
# Counted in the cache: by address, by account, by member. allauth's own, and ours below.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "signup": "10/m/ip",
    "reset_password": "20/m/ip,5/m/key",
    "accept": "20/m/ip",
    "invite": "30/h/user",
    "csp_report": "30/m/ip",
    "webhook": "600/m/key",  # of one webhook; a service sends all of a firm's from few addresses
    "webhook_refused": "60/m/ip",
}
# Proxies in front that set X-Forwarded-For; without them everybody's address is the connection's.
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXIES", default=0)
MFA_ADAPTER = "toggbill.firms.identity.mfa.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1  # steps of thirty seconds: a clock may be a little off
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG

# --- mail -------------------------------------------------------------------------------------------------------------
vars().update(mail_url.settings_of(env.str("EMAIL_URL", default="")))
EMAIL_TIMEOUT = 10  # seconds; a person waits for it before a page
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="toggbill@localhost")

# --- language, time, money (design D9) --------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("fr", _("French")), ("nl", _("Dutch"))]
LOCALE_PATHS = [BASE_DIR / "toggbill" / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

# What a workbook of the admin cannot hold is replaced; the file is given all the same.
IMPORT_EXPORT_ESCAPE_ILLEGAL_CHARS_ON_EXPORT = True

# --- static files -----------------------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "toggbill" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "toggbill.serving.static_files.ManifestStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

# --- security (design D8) ---------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # Tabler draws its small signs (check marks, arrows) as data: images
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "report-uri": ["/csp-report/"],
    }
}
X_FRAME_OPTIONS = "DENY"
# Bytes of a request's body, files included; more is 413. A file of a thousand dossiers has less than one megabyte.
LARGEST_BODY = 10 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000  # the admin's page of a dossier with a thousand mappings
DATA_UPLOAD_MAX_NUMBER_FILES = 5
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = False
if not DEBUG:
    SECURE_SSL_REDIRECT = PUBLIC_URL.startswith("https://")
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked inside, over plain HTTP
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31536000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# --- logs and errors --------------------------------------------------------------------------------------------------
DEFAULT_EXCEPTION_REPORTER_FILTER = "toggbill.error_reports.WithoutValues"
DEFAULT_EXCEPTION_REPORTER = "toggbill.error_reports.Report"
masking.mask_logs()
log_lines.configure()
vars().update(log_lines.settings_of(_one_of("LOG_FORMAT", "text", "json")))
SENTRY_DSN = env.str("SENTRY_DSN", default="")
if SENTRY_DSN:
    import sentry_sdk  # only where errors are reported: start-up stays quick elsewhere

    # Values of variables and bodies of requests may hold secrets.
    sentry_sdk.init(
        dsn=SENTRY_DSN,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=masking.sentry_event,
        before_send_transaction=masking.sentry_event,
        before_breadcrumb=masking.sentry_event,
    )
