"""What large neighbours cost a small firm that posts: `make fairness`.

In one run: the time from the tick that finds a post due until Billit has it, alone, and beside a firm with many
invoices, one whose Billit does not answer and one that is read for the first time. tests/services.py gives it an empty
PostgreSQL and a Redis. Prints figures and the ratio, and judges nothing; the target stands beside.
"""

from __future__ import annotations

import argparse
import os

import django


def main() -> None:
    """Read the arguments, set Django up, measure."""
    parser = argparse.ArgumentParser(prog="fairness", description=__doc__)
    parser.add_argument("--firms", type=int, default=50, help="small ones")
    parser.add_argument("--posts", type=int, default=200, help="of small firms, measured in each half")
    parser.add_argument("--invoices", type=int, default=5000, help="that the large firm has to post")
    parser.add_argument("--entries", type=int, default=200_000, help="that the new firm is read for the first time")
    options = parser.parse_args()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "toggbill.settings",
        "TOGGL_REQUESTS_PER_SECOND": "0",
        "BILLIT_REQUESTS_PER_SECOND": "0",
    }
    django.setup()
    from tests.proof.fairness import Size, measure  # noqa: PLC0415 - the models need the settings

    print("\n".join(measure(Size(options.firms, options.posts, options.invoices, options.entries))))


if __name__ == "__main__":
    main()
