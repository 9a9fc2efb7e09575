"""Every stored secret is written anew for the row that it stands in (``toggbill.database.encryption``)."""

from django.db import migrations

from toggbill.database.encryption import Unreadable, bind

COLUMNS = {
    "integrations_connection": ("secret", "refresh_secret"),
    "integrations_webhook": ("token", "secret"),
}


def bind_all(apps, schema_editor):
    """One that no key fits stays as it is: it cannot be read afterwards either, and ``rotate_keys`` names it."""
    for table, column in [(table, column) for table, columns in COLUMNS.items() for column in columns]:
        read = f"SELECT id, {column} FROM {table} WHERE {column} <> '' ORDER BY id"  # noqa: S608 - the names above
        write = f"UPDATE {table} SET {column} = %s WHERE id = %s"  # noqa: S608 - the names above
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(read)
            for pk, token in cursor.fetchall():
                try:
                    bound = bind(token, place=f"{table}/{pk}/{column}")
                except Unreadable:
                    continue
                cursor.execute(write, [bound, pk])


class Migration(migrations.Migration):
    dependencies = [("integrations", "0006_lost_sign_in")]

    operations = [migrations.RunPython(bind_all, migrations.RunPython.noop)]
