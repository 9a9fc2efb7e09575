"""Django's own first migration of sessions, which every database has."""

from importlib import import_module

Migration = import_module("django.contrib.sessions.migrations.0001_initial").Migration
