"""Reading what a person wrote in a file: each table or row is a pydantic model, and every fault is kept at its key.

A ``Section`` never fails as a whole: a key at fault is noted and counts as not given, so that no fault hides another.
What was read is worth something only when ``faults`` finds nothing. pydantic checks the types, strictly; what is wrong
with a rule is for ``rules`` and ``mappings`` to say, and what they find is noted here, at the same places.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from invoicing.dossiers.faults import Fault, sentence

BIGGEST_ID: Final = 2**63 - 1
"""Ids of both services go beyond 32 bits; the columns hold 64, signed."""

AMOUNT: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,2})?")
# Python's own reader takes 1_000, 1e3 and the digits of any script; and 1.500 could be either of two amounts.
"""An amount as a person writes it; its limits are the rules'."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a key needs, and what each item of its list needs, as a sentence says it."""

    wanted: str
    item: str = ""


def wrong(code: str, **facts: Any) -> PydanticCustomError:
    """What a validator raises for a value that will not do: a code of ``faults`` with its facts."""
    return PydanticCustomError("fault", "fault", {"code": code, "facts": facts})


def raise_first(faults: Iterable[Fault]) -> None:
    """Raise the first of these faults, for a validator of one value."""
    for fault in faults:
        raise wrong(fault.code, **fault.facts)


def _an_id(value: int | None) -> int | None:
    if value is not None and not 1 <= value <= BIGGEST_ID:
        raise wrong("not_an_id", value=str(value))
    return value


Id = Annotated[int | None, Words("a whole number"), AfterValidator(_an_id)]
"""An id of Toggl or Billit. Like every type here it is None where it is missing or at fault."""


class Section(BaseModel):
    """A table or row; a subclass names its keys with their types.

    ``needed``: the keys that must be there. ``written``: how one of a list of tables is spelt, "" for a single one.
    ``words``: sentences for codes of ``faults`` that it says otherwise than all.
    """

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    needed: ClassVar[tuple[str, ...]] = ()
    written: ClassVar[str] = ""
    words: ClassVar[Mapping[str, str]] = {}

    _keys: frozenset[str] = PrivateAttr(default=frozenset())
    _noted: dict[str, list[str]] = PrivateAttr(default_factory=dict)
    _unknown: dict[str, tuple[str, ...]] = PrivateAttr(default_factory=dict)
    _place: str = PrivateAttr(default="")

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(values, dict):
            section = handler({})
            like = f"a table, not {kind(values)}; write {cls.written}."
            section.note("", f"needs {like if cls.written else f'a table, such as {{ … }}, not {kind(values)}.'}")
            return section
        errors: list[ErrorDetails] = []
        try:
            section = handler(values)
        except ValidationError as failed:
            errors = failed.errors(include_url=False)
            section = handler(_without(values, errors))
        section._keys = frozenset(values)
        for error in errors:
            section._note_error(error)
        for name in cls.needed:
            if name not in values:
                section.note_missing(name)
        return section

    @property
    def given(self) -> dict[str, Any]:
        """The keys that were given and are sound, with their values."""
        fields = type(self).model_fields
        return {fields[name].alias or name: getattr(self, name) for name in self.model_fields_set}

    def has(self, name: str) -> bool:
        """Whether the key is there, whatever its value."""
        return name in self._keys

    def sound(self, *names: str) -> bool:
        """Whether nothing was noted of these keys, nor of the section as a whole."""
        return not {"", *names} & {_base(noted) for noted in self._noted}

    def at(self, name: str) -> str:
        """The place of a key, once ``place`` has said where the section stands."""
        return ".".join(part for part in (self._place, name) if part)

    def place(self, place: str) -> None:
        """Tell the section and those in it where they stand, such as ``dossiers[1].rounding``."""
        self._place = place
        for name, section in self._within():
            section.place(self.at(name))

    def note(self, name: str, text: str) -> None:
        """Note what is wrong with a key, with an item of it (``clients[2]``), or with all of it ("")."""
        self._noted.setdefault(name, []).append(text)

    def note_fault(self, fault: Fault, name: str = "") -> None:
        """Note what a check found, unless one of the keys that it has read is at fault itself; ``name``: its key here,

        where that is called otherwise."""
        if self.sound(name or fault.field, *fault.beside):
            self.note(name or fault.field, self.says(fault.code, fault.facts))

    def note_instead(self, name: str, text: str) -> None:
        """Note what is wrong with a key, instead of what was noted of it and is no fault of its own."""
        self._noted[name] = [text]

    def note_missing(self, name: str) -> None:
        """Note that a key is not there."""
        self.note(name, f"missing; it needs {self._words(name).wanted}.")

    def note_unknown(self, name: str, known: Iterable[str]) -> None:
        """Note a key that does not belong there; these do. What else is wrong with it does not matter."""
        self._noted.pop(name, None)
        self._unknown[name] = tuple(known)

    def says(self, code: str, facts: Mapping[str, Any]) -> str:
        """The words for a code."""
        return sentence(code, facts, self.words)

    def faults(self) -> Iterator[tuple[str, str]]:
        """All that was noted here and in the sections within: places and sentences, in the order of the keys."""
        within: defaultdict[str, list[Section]] = defaultdict(list)
        for name, section in self._within():
            within[_base(name)].append(section)
        for field in ("", *self._written()):
            for noted in [noted for noted in self._noted if _base(noted) == field]:
                yield from ((self.at(noted), text) for text in self._noted[noted])
            for section in within[field]:
                yield from section.faults()
        for name, known in self._unknown.items():
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}."
            # A key may be anything, a pasted secret among them.
            shown = name if len(name) <= 30 and name.isprintable() else "…"
            yield self.at(shown), f"unknown key; {hint}"

    def _note_error(self, error: ErrorDetails) -> None:
        name, *item = map(str, error["loc"])
        words = self._words(name)
        if error["type"] == "extra_forbidden":
            self.note_unknown(name, self._written())
        elif error["type"] == "fault":
            facts = error["ctx"]
            self.note(f"{name}[{item[0]}]" if item else name, self.says(facts["code"], facts["facts"]))
        elif item:
            self.note(f"{name}[{item[0]}]", f"needs {words.item}, not {kind(error['input'])}.")
        else:
            self.note(name, f"needs {words.wanted}, not {kind(error['input'])}.")

    @classmethod
    def _written(cls) -> dict[str, FieldInfo]:
        """The keys as a file writes them: one that Python keeps for itself (`from`) has another name here."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    @classmethod
    def _words(cls, name: str) -> Words:
        field = cls._written().get(name)
        return next((each for each in field.metadata if isinstance(each, Words)), Words("")) if field else Words("")

    def _within(self) -> Iterator[tuple[str, Section]]:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Section):
                yield name, value
            elif isinstance(value, list):
                yield from ((f"{name}[{n}]", each) for n, each in enumerate(value) if isinstance(each, Section))


def kind(value: Any) -> str:
    """What a value of a TOML file is, in words."""
    kinds: dict[type, str] = {
        str: "a text",
        bool: "true or false",
        int: "a whole number",
        float: "a number with a point",
        list: "a list",
        dict: "a table",
    }
    return kinds.get(type(value), "a date or time")


def _base(name: str) -> str:
    return name.partition("[")[0]


def _without(values: Mapping[str, Any], errors: Iterable[ErrorDetails]) -> dict[str, Any]:
    """The values less those at fault; an item of a list leaves its place empty."""
    left = dict(values)
    for error in errors:
        name, *item = error["loc"]
        items = left.get(str(name))
        if item and isinstance(item[0], int) and isinstance(items, list):
            left[str(name)] = [*items[: item[0]], None, *items[item[0] + 1 :]]
        else:
            left.pop(str(name), None)
    return left
