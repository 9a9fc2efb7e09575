"""``onboard FILE.toml``: creates or updates a firm from a file (design section 10); run again, it changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.db import IntegrityError
from django.utils import timezone

from invoicing.dossiers.faults import Refused
from invoicing.dossiers.firm import standing
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, WRONG, Fault, JsonCommand
from toggbill.firms.membership.invitations import forgotten_password_url, mail_invitation
from toggbill.onboarding.asking import Hindered, ask
from toggbill.onboarding.file import FileFaults, firm_slug, load, read
from toggbill.onboarding.writing import Written, write

NOTHING = "Nothing was changed."


class Command(JsonCommand):
    """Reads and checks the file, asks the services, writes all or nothing, mails the invitations."""

    help = "Creates or updates a firm from a TOML file. Running it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """The file."""
        parser.add_argument("file", type=Path, metavar="FILE.toml", help="the onboarding file")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """The counts of what was created and updated; 2 for a fault in the file, 1 for one of a service."""
        now = timezone.now()
        try:
            values = load(options["file"])
            stands = standing(firm_slug(values))
            file = read(values, standing=stands, environ=os.environ)
            answers = ask(file, standing=stands)
            written = write(file, answers, by=Actor.command(), now=now)
        except FileFaults as faults:
            raise Fault([*faults.sentences, NOTHING], BAD_ARGUMENTS) from None
        except Refused as refused:
            raise Fault([str(refused), NOTHING], BAD_ARGUMENTS) from None
        except NotPossible as refusal:
            raise Fault([f"[[users]]: {refusal}", NOTHING], BAD_ARGUMENTS) from None
        except Hindered as hindered:
            raise Fault([*hindered.sentences, f"{NOTHING} Run this again when that is mended."], WRONG) from None
        except IntegrityError:
            sentence = "Somebody else changed this firm at the same moment."
            raise Fault([sentence, f"{NOTHING} Run this again."], WRONG) from None
        created = ", ".join(f"{count} {kind}" for kind, count in written.created.items() if count) or "nothing"
        updated = ", ".join(f"{count} {kind}" for kind, count in written.updated.items() if count) or "nothing"
        self.say(f"Firm {written.firm.slug}: created {created}; updated {updated}.")
        code = self._invite(written)
        return {"firm": written.firm.slug, "created": written.created, "updated": written.updated}, code

    def _invite(self, written: Written) -> int:
        """The mails, now that all is committed; one that fails is named and does not undo anything."""
        code = DONE
        for user in written.to_invite:
            try:
                mail_invitation(firm=written.firm, user=user)
            except OSError as error:
                code = WRONG
                self.say(
                    f"The invitation to {user.email} could not be mailed: {error}. The account is there: mend "
                    f"EMAIL_URL, then ask for a new link at {forgotten_password_url()}"
                )
            else:
                self.say(f"Invited {user.email} by mail to choose a password.")
        return code
