"""The check in the pack: nothing but Python's own library, and no word of toggbill's.

The pack holds it as one program, ``check.py`` (``evidence.program``). In a checkout:
``python -m invoicing.evidence.offline FILE.zip``.
"""
