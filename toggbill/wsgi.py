"""The WSGI entry for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

from toggbill.database.limits import limit_pages

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "toggbill.settings")

application = get_wsgi_application()
limit_pages()
