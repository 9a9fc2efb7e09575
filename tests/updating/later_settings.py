"""Today's settings, with later migrations under the name of an application that every database has."""

from toggbill.settings import *  # noqa: F403 - all of them

MIGRATION_MODULES = {"sessions": "tests.updating.later"}
