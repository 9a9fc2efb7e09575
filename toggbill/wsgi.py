"""The WSGI entry for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

from toggbill.database.limits import limit_pages
from toggbill.firms.requests.charset import as_utf8

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "toggbill.settings")

application = as_utf8(get_wsgi_application())
limit_pages()
