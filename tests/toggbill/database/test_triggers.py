"""The registry of triggers and the migrations that it keeps them out of, on whichever database the run has."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction

from tests import factories
from toggbill.database import triggers
from toggbill.database.engines import our_engine
from toggbill.database.triggers import Trigger, trigger
from toggbill.firms.models import Firm

WITHIN = pytest.mark.django_db
FOR_REAL = pytest.mark.django_db(transaction=True)


def execute(*statements: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def names() -> list[str]:
    return sorted(row.name for row in triggers.found(connection))


def register(monkeypatch: pytest.MonkeyPatch, *, refused: str, reads: str = "slug") -> None:
    """One more kind of trigger: no firm may be given this short name. It says that it reads a column."""

    def maker(vendor: str) -> Iterator[Trigger]:
        yield trigger(
            vendor,
            name="slug_firms_firm",
            table="firms_firm",
            reads={"firms_firm": [reads]},
            when="BEFORE UPDATE OF slug",
            refuse_if=f"NEW.slug = '{refused}'",
            message="100 % not the firm's",
        )

    monkeypatch.setattr(triggers, "_makers", [*triggers._makers, maker])


@pytest.fixture
def as_it_was() -> Iterator[None]:
    """The triggers of the test's database are today's again afterwards."""
    yield
    triggers.install(connection)


@pytest.fixture
def firm(as_it_was: None, transactional_db: None) -> Firm:
    return factories.FirmFactory(slug="ours")


# --- the registry -----------------------------------------------------------------------------------------------------


@WITHIN
def test_registered_trigger_refuses_with_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, refused="no'ne".replace("'", "''"))
    firm = factories.FirmFactory(slug="ours")
    connection.check_constraints()
    triggers.install(connection)
    assert "toggbill_slug_firms_firm" in names()
    execute(f"UPDATE firms_firm SET slug = 'other' WHERE id = {firm.pk}")
    with pytest.raises(DatabaseError, match="100 % not the firm's"):
        execute(f"UPDATE firms_firm SET slug = 'no''ne' WHERE id = {firm.pk}")


@WITHIN
def test_install_leaves_good_ones_alone_and_makes_anew_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = triggers.found(connection)
    with monkeypatch.context() as other:
        register(other, refused="first")
        triggers.install(connection)
        first = triggers.found(connection)
        triggers.install(connection)
        assert triggers.found(connection) == first
    with monkeypatch.context() as other:
        register(other, refused="second")
        triggers.install(connection)
        changed = [row.name for row in triggers.found(connection) if row not in first]
        assert changed == ["toggbill_slug_firms_firm"]
        firm = factories.FirmFactory(slug="ours")
        execute(f"UPDATE firms_firm SET slug = 'first' WHERE id = {firm.pk}")
        with pytest.raises(DatabaseError, match="not the firm's"):
            execute(f"UPDATE firms_firm SET slug = 'second' WHERE id = {firm.pk}")
    connection.check_constraints()
    triggers.install(connection)
    assert triggers.found(connection) == before, "one that nobody registers any more is gone"


@WITHIN
def test_trigger_waits_for_the_columns_that_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, refused="none", reads="not_yet_there")
    before = names()
    triggers.install(connection)
    assert names() == before


@WITHIN
def test_triggers_of_others_are_left_alone() -> None:
    body = "BEGIN SELECT 1; END"
    if connection.vendor == "postgresql":
        execute("CREATE FUNCTION of_the_operator() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
        body = "FOR EACH ROW EXECUTE FUNCTION of_the_operator()"
    execute(f"CREATE TRIGGER of_the_operator AFTER INSERT ON firms_firm {body}")
    assert triggers.remove(connection)
    assert names() == []
    execute("DROP TRIGGER of_the_operator" + (" ON firms_firm" if connection.vendor == "postgresql" else ""))
    assert not triggers.remove(connection)
    triggers.install(connection)


@WITHIN
def test_remove_takes_those_of_one_table() -> None:
    before = names()
    triggers.remove(connection, "firms_auditevent")
    gone = set(before) - set(names())
    assert gone
    assert all(name.endswith("_firms_auditevent") for name in gone)
    triggers.install(connection)
    assert names() == before


@pytest.mark.postgresql  # SQLite has no functions
@WITHIN
def test_functions_go_with_their_triggers() -> None:
    triggers.remove(connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_proc WHERE proname LIKE 'toggbill%'")
        assert cursor.fetchone() == (0,)
    triggers.install(connection)


def test_name_that_postgresql_would_cut_off_is_refused() -> None:
    assert len(Trigger("x" * 54, "table", {}, ()).full_name) == 63
    with pytest.raises(ValueError, match="more than 63 characters"):
        Trigger("x" * 55, "table", {}, ())


# --- migrations -------------------------------------------------------------------------------------------------------


@FOR_REAL
def test_schema_editor_finds_none_and_leaves_all(firm: Firm) -> None:
    before = names()
    assert len(before) >= 25
    with connection.schema_editor():
        assert names() == []
        execute(f"UPDATE firms_firm SET name = 'in the migration' WHERE id = {firm.pk}")
        factories.MembershipFactory(firm=firm)  # PostgreSQL would check at commit whether its user exists
    assert names() == before
    assert Firm.objects.get().name == "in the migration"


@FOR_REAL
def test_error_in_a_migration_rolls_back_with_the_triggers_in_place(firm: Firm) -> None:
    before = names()

    def migrate(*, atomic: bool) -> None:
        with connection.schema_editor(atomic=atomic):
            execute(f"UPDATE firms_firm SET name = 'in the migration' WHERE id = {firm.pk}")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        migrate(atomic=True)
    assert names() == before
    assert Firm.objects.get().name == firm.name
    with pytest.raises(RuntimeError, match="in the middle"):
        migrate(atomic=False)
    assert names() == before
    assert Firm.objects.get().name == "in the migration"


@FOR_REAL
def test_triggers_that_cannot_be_made_end_the_migration_with_the_old_ones(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = names()
    with monkeypatch.context() as other:
        wrong = Trigger("wrong", "firms_firm", {"firms_firm": ["id"]}, ("CREATE TRIGGER nonsense",))
        other.setattr(triggers, "_makers", [*triggers._makers, lambda _: [wrong]])
        with pytest.raises(DatabaseError), connection.schema_editor():
            execute(f"UPDATE firms_firm SET name = 'in the migration' WHERE id = {firm.pk}")
    assert names() == before
    assert Firm.objects.get().name == firm.name
    # The connection works on, and checks its constraints as before.
    with pytest.raises(IntegrityError):
        execute("INSERT INTO firms_membership (firm_id, user_id, role, is_restricted) VALUES (0, 0, 'viewer', false)")


@FOR_REAL
@pytest.mark.parametrize("lost", ["", "firms_auditevent"], ids=["all", "one table's"])
def test_next_migrate_makes_what_is_missing_though_it_has_nothing_to_migrate(firm: Firm, lost: str) -> None:
    before = names()
    triggers.remove(connection, lost)
    call_command("migrate", "sessions", verbosity=0)
    assert names() == before


@pytest.mark.slow
@FOR_REAL
def test_looking_at_migrations_changes_no_trigger(firm: Firm) -> None:
    triggers.remove(connection, "firms_auditevent")
    before = triggers.found(connection)
    assert before
    for arguments in (["--plan"], ["--check"], ["--plan", "sessions", "zero"]):
        call_command("migrate", *arguments, verbosity=0, stdout=io.StringIO())
        assert triggers.found(connection) == before
    call_command("sqlmigrate", "invoicing", "0001", stdout=io.StringIO())
    assert triggers.found(connection) == before


@FOR_REAL
def test_migration_backwards_keeps_the_triggers_of_what_is_left(firm: Firm) -> None:
    before = names()
    call_command("migrate", "sessions", "zero", verbosity=0)
    try:
        assert names() == before
    finally:
        call_command("migrate", "sessions", verbosity=0)
    assert names() == before


# --- settings ---------------------------------------------------------------------------------------------------------


def test_other_databases_are_refused_by_name() -> None:
    assert connection.settings_dict["ENGINE"].startswith("toggbill.database.")
    with pytest.raises(ImproperlyConfigured, match="neither a PostgreSQL nor an SQLite"):
        our_engine("django.db.backends.mysql")
